//! What goes in comes out, in its order, and what was promised holds after the process.

mod deliveries;
mod formats;
mod model;
mod notifications;
mod recovery;

use std::time::Duration;

use rules::Event;
use serde_json::json;
use tokio::time::timeout;

mod edits;

use super::*;
use crate::telemetry::TraceId;
use crate::telemetry::audit::Audit;
use crate::telemetry::logs::{Format, Logger};
use crate::telemetry::metrics::Metrics;

const LIMITS: Limits =
    Limits { entries_max: 1_000, stored_bytes_max: 1 << 30, loaded_bytes_max: 1 << 30, in_flight_max: 1_000 };

fn settings() -> Settings {
    let window = Window { length: Duration::from_secs(3600), events_max: 1_000 };
    Settings { window, ..lasting(LIMITS) }
}

/// With a history of some length, and no window.
fn lasting(limits: Limits) -> Settings {
    let history = History { keep: Duration::from_secs(3600), bytes_max: 1 << 30, redact: vec!["proc.cmdline".into()] };
    Settings { history, ..Settings::of(limits) }
}

fn silent() -> Reporting {
    let logger = Logger::new(Format::Json, std::io::sink());
    Reporting::new(logger.clone(), Metrics::new("", 1).unwrap(), Audit::to_log(logger))
}

fn in_memory(limits: Limits) -> Store {
    Store::in_memory(lasting(limits), &silent()).unwrap()
}

fn open(folder: &Path) -> (Store, Found) {
    Store::open(folder, settings(), &silent()).unwrap()
}

/// End the process without a word, but for what is with the operating system by now.
fn crash(store: Store) {
    store.end_writing();
    assert_eq!(Arc::strong_count(&store.0), 1);
}

fn arrival(rule: &str) -> Arrival {
    let event = json!({
        "rule": rule, "priority": "Notice", "output": "sh -c secret", "source": "syscall", "hostname": rule,
        "time": "2026-07-22T14:24:41.123456789Z", "output_fields": {"proc.cmdline": "sh -c secret"},
    });
    let body = event.to_string();
    Arrival {
        event: Event::from_json(body.as_bytes()).unwrap(),
        body: body.into(),
        trace_id: TraceId::random(),
        parent: None,
        fingerprint: None,
        rules: vec!["end it".to_owned()],
        replays: None,
    }
}

async fn put(store: &Store, rule: &str) -> Result<Acceptance, Refused> {
    store.accept(arrival(rule)).await
}

async fn next(store: &Store) -> Arc<Entry> {
    timeout(Duration::from_secs(30), store.next()).await.unwrap().unwrap()
}

fn step(action: &str, is_repeatable: bool) -> Step {
    Step { rule: "end it".to_owned(), action: action.to_owned(), hash: [7; 16], is_repeatable }
}

fn ended(status: &'static str) -> StepEnd {
    StepEnd { status, message: "so it is".to_owned(), calls: String::new(), is_last: false }
}

/// Wait until all that was asked for so far is written.
async fn written(store: &Store) {
    let (done, written) = oneshot::channel();
    let ask = move |_: &mut Connection| {
        let _ = done.send(());
    };
    store.ask(Command::Ask(Box::new(ask)));
    written.await.unwrap();
}

/// One column of all rows that a query finds.
async fn column(store: &Store, sql: &'static str) -> Vec<String> {
    let (done, found) = oneshot::channel();
    let ask = move |connection: &mut Connection| {
        let mut statement = connection.prepare(sql).unwrap();
        let rows: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        drop(done.send(rows));
    };
    store.ask(Command::Ask(Box::new(ask)));
    found.await.unwrap()
}

#[tokio::test]
async fn hands_out_in_order_and_counts_until_it_is_finished() {
    let store = in_memory(Limits { entries_max: 2, ..LIMITS });
    put(&store, "one").await.unwrap();
    put(&store, "two").await.unwrap();
    assert_eq!(put(&store, "three").await, Err(Refused::Full));
    assert_eq!((store.counts().waiting, store.counts().in_flight), (2, 0));
    let (one, two) = (next(&store).await, next(&store).await);
    assert_eq!((&*one.event.rule, &*two.event.rule), ("one", "two"));
    assert_ne!(one.uid, two.uid);
    assert_eq!((store.counts().waiting, store.counts().in_flight), (0, 2));
    assert_eq!(put(&store, "three").await, Err(Refused::Full));
    store.finish(&one, Outcome::Done, "");
    put(&store, "three").await.unwrap();
    store.finish(&two, Outcome::Dead, "no luck");
    written(&store).await;
    tokio::task::yield_now().await;
    assert_eq!((store.counts().waiting, store.counts().in_flight), (1, 0));
}

#[tokio::test]
async fn what_is_more_than_is_loaded_comes_in_its_order_too() {
    let store = in_memory(Limits { entries_max: 5_000, in_flight_max: 3, ..LIMITS });
    for number in 0..1_500 {
        put(&store, &format!("rule {number}")).await.unwrap();
    }
    for number in 0..1_500 {
        let entry = next(&store).await;
        assert_eq!(entry.event.rule, format!("rule {number}"));
        if number % 2 == 0 {
            put(&store, &format!("late {number}")).await.unwrap();
        }
        store.finish(&entry, Outcome::Done, "");
    }
    for number in (0..1_500).step_by(2) {
        let entry = next(&store).await;
        assert_eq!(entry.event.rule, format!("late {number}"));
        store.finish(&entry, Outcome::Done, "");
    }
}

#[tokio::test]
async fn no_more_are_handled_at_once_than_may_be() {
    let store = in_memory(Limits { in_flight_max: 1, ..LIMITS });
    put(&store, "one").await.unwrap();
    put(&store, "two").await.unwrap();
    let one = next(&store).await;
    assert!(timeout(Duration::from_millis(50), store.next()).await.is_err());
    store.leave(one.id);
    assert_eq!(next(&store).await.event.rule, "two");
}

#[tokio::test]
async fn what_is_postponed_comes_again_in_its_order() {
    let store = in_memory(Limits { in_flight_max: 2, ..LIMITS });
    for number in 0..900 {
        put(&store, &format!("rule {number}")).await.unwrap();
    }
    let kept = next(&store).await;
    for number in 1..=600 {
        let entry = next(&store).await;
        assert_eq!(entry.event.rule, format!("rule {number}"));
        if number % 2 == 0 { store.postpone(entry.id) } else { store.finish(&entry, Outcome::Done, "") }
    }
    assert_eq!((store.counts().waiting, store.counts().in_flight), (599, 1));
    store.resume();
    for number in (2..=600).step_by(2).chain(601..900) {
        let entry = next(&store).await;
        assert_eq!(entry.event.rule, format!("rule {number}"));
        store.finish(&entry, Outcome::Done, "");
    }
    store.finish(&kept, Outcome::Done, "");
    assert_eq!((store.counts().waiting, store.counts().in_flight), (0, 0));
}

/// The end of an entry is written a moment after it has ended, and what is loaded once more may not know of it yet.
#[tokio::test]
async fn what_has_ended_does_not_come_again_with_what_was_postponed() {
    let front = Front::new(LIMITS);
    let entry = |id| {
        let Arrival { event, trace_id, rules, .. } = arrival("one");
        let (id, received, progress) = (EntryId(id), tokio::time::Instant::now(), Vec::new());
        Entry {
            id,
            uid: 7,
            event,
            trace_id,
            parent: None,
            received,
            fingerprint: None,
            rules,
            is_again: false,
            progress,
            crashes: 0,
        }
    };
    let taken = |front: &Front| match front.next() {
        Next::Entry(entry) => Some(entry.id.0),
        _ => None,
    };
    for id in 1..=4 {
        front.arrived(entry(id));
    }
    assert_eq!([taken(&front), taken(&front), taken(&front)], [Some(1), Some(2), Some(3)]);
    front.postpone(EntryId(1));
    front.leave(EntryId(2));
    front.resume();
    assert!(matches!(front.next(), Next::Load(EntryId(0), 1)));
    front.loaded(1, (1..=5).map(|id| Ok(entry(id))).collect());
    assert_eq!([taken(&front), taken(&front), taken(&front), taken(&front)], [Some(1), Some(4), Some(5), None]);
}

/// What comes again may be put off once more, with others, before it was loaded.
#[tokio::test]
async fn what_is_put_off_twice_comes_again_all_the_same() {
    let store = in_memory(LIMITS);
    for number in 1..=5 {
        put(&store, &format!("rule {number}")).await.unwrap();
    }
    let mut taken = Vec::new();
    for _ in 1..=4 {
        taken.push(next(&store).await);
    }
    store.postpone(taken[0].id);
    store.postpone(taken[1].id);
    store.resume();
    store.postpone(taken[3].id);
    store.resume();
    for expected in ["rule 1", "rule 2", "rule 4", "rule 5"] {
        assert_eq!(next(&store).await.event.rule, expected);
    }
    assert_eq!((store.counts().waiting, store.counts().in_flight), (0, 5));
}

#[tokio::test]
async fn repeats_are_dropped_also_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let like = |byte: u8| Arrival { fingerprint: Some([byte; 32]), ..arrival("one") };
    let (store, _) = open(folder.path());
    assert_eq!(store.accept(like(1)).await, Ok(Acceptance::Stored(EntryId(1))));
    assert_eq!(store.accept(like(1)).await, Ok(Acceptance::Duplicate));
    store.forget([1; 32]);
    assert_eq!(store.accept(like(1)).await, Ok(Acceptance::Stored(EntryId(2))));
    assert_eq!(store.accept(like(2)).await, Ok(Acceptance::Stored(EntryId(3))));
    crash(store);
    let (store, found) = open(folder.path());
    assert_eq!(found.waiting, 3);
    assert_eq!(store.accept(like(2)).await, Ok(Acceptance::Duplicate));
    assert_eq!(store.accept(like(3)).await, Ok(Acceptance::Stored(EntryId(4))));
}

#[tokio::test]
async fn what_ended_is_kept_without_secrets_and_what_is_dead_as_it_is() {
    let store = in_memory(LIMITS);
    for outcome in [Outcome::Done, Outcome::Dead] {
        put(&store, "one").await.unwrap();
        store.finish(&*next(&store).await, outcome, "no luck");
    }
    let bodies = column(&store, "SELECT CAST(body AS TEXT) FROM entry ORDER BY id").await;
    assert!(!bodies[0].contains("secret") && bodies[0].contains("redacted:"), "{}", bodies[0]);
    assert!(bodies[1].contains("sh -c secret"), "{}", bodies[1]);
    let reasons = column(&store, "SELECT reason FROM entry WHERE state = 2").await;
    assert_eq!(reasons, ["no luck"]);
}

#[tokio::test]
async fn what_ended_is_forgotten_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let history = History { keep: Duration::from_secs(3600), bytes_max: 20_000, redact: Vec::new() };
    let settings = Settings { history, ..Settings::of(LIMITS) };
    let (store, _) = Store::open(folder.path(), settings, &silent()).unwrap();
    for _ in 0..1_200 {
        put(&store, "one").await.unwrap();
        store.finish(&*next(&store).await, Outcome::Done, "");
    }
    written(&store).await;
    let kept: usize = column(&store, "SELECT CAST(count(*) AS TEXT) FROM entry").await[0].parse().unwrap();
    assert!(kept < 600, "{kept}");
}

#[tokio::test]
async fn closing_stops_what_lasts_and_drains_what_does_not() {
    let folder = tempfile::tempdir().unwrap();
    for store in [in_memory(LIMITS), open(folder.path()).0] {
        put(&store, "one").await.unwrap();
        store.stop();
        store.close();
        assert_eq!(put(&store, "two").await, Err(Refused::Closed));
        let left = store.next().await;
        assert_eq!(left.is_none(), store.is_lasting());
        assert!(store.next().await.is_none());
    }
}

#[tokio::test]
async fn a_folder_has_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, _) = open(folder.path());
    let error = Store::open(folder.path(), settings(), &silent()).unwrap_err();
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
}

#[tokio::test]
async fn a_folder_is_closed_to_others_and_one_of_somebody_else_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    crash(open(folder.path()).0);
    let store = folder.path().join("store");
    std::fs::set_permissions(&store, std::fs::Permissions::from_mode(0o750)).unwrap();
    crash(open(folder.path()).0);
    assert_eq!(std::fs::metadata(&store).unwrap().permissions().mode() & 0o777, 0o700);
    let aside = folder.path().join("aside");
    std::fs::rename(&store, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &store).unwrap();
    let error = Store::open(folder.path(), settings(), &silent()).unwrap_err();
    assert!(matches!(error, OpenError::NotOwn(path) if path == store));
}

#[tokio::test]
async fn a_newer_format_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    crash(open(folder.path()).0);
    let connection = Connection::open(folder.path().join("store/store.db")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = Store::open(folder.path(), settings(), &silent()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_read_as_far_as_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store/store.db");
    for damage in [0, 1] {
        let (store, _) = open(folder.path());
        for number in 0..200 {
            put(&store, &format!("rule {number}")).await.unwrap();
        }
        crash(store);
        let mut bytes = std::fs::read(&file).unwrap();
        let length = bytes.len();
        match damage {
            // No database at all, and one of which a part is lost.
            0 => bytes[..100].fill(b'x'),
            _ => bytes[length / 2..length / 2 + 20_000].fill(0xff),
        }
        std::fs::write(&file, bytes).unwrap();
        let (store, found) = open(folder.path());
        let damage_found = found.damage.unwrap();
        assert!(damage_found.aside.exists());
        assert_eq!(damage_found.read > 0, damage == 1, "{damage_found:?}");
        put(&store, "new").await.unwrap();
        crash(store);
        std::fs::remove_dir_all(folder.path().join("store")).unwrap();
    }
}
