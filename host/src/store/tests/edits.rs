//! What a person changes, and what is seen of it.

use super::*;

fn id(number: i64) -> EntryId {
    EntryId(number)
}

/// A store in a folder, with one entry that ended in this way, and has a number of 1.
async fn with_ended(folder: &Path, outcome: Outcome) -> Store {
    let (store, _) = open(folder);
    put(&store, "one").await.unwrap();
    let entry = next(&store).await;
    assert!(store.start(entry.id));
    store.begin(entry.id, 0, &step("end", false), 1);
    let calls = "a.b: c: failure\nd.e: success".to_owned();
    store.end(entry.id, 0, StepEnd { calls, ..ended("failure") });
    store.finish(&entry, outcome, if outcome == Outcome::Dead { "no luck" } else { "" });
    counted(&store).await;
    store
}

/// Wait until what was asked for so far is counted, too.
async fn counted(store: &Store) {
    written(store).await;
    // What was counted for the group of that one is known in the next.
    written(store).await;
}

fn statuses(folder: &Path, filter: &Filter) -> Vec<(i64, String, Option<String>)> {
    let records = Reader::open(folder).unwrap().list(filter).unwrap();
    records.into_iter().map(|record| (record.id, record.status, record.reason)).collect()
}

fn row(id: i64, status: &str, reason: &str) -> (i64, String, Option<String>) {
    (id, status.to_owned(), Some(reason.to_owned()).filter(|reason| !reason.is_empty()))
}

#[tokio::test]
async fn what_is_dead_arrives_once_more_and_is_done_then() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_ended(folder.path(), Outcome::Dead).await;
    assert_eq!(store.counts().dead, 1);
    let stored = store.stored(id(1)).await.unwrap();
    assert_eq!(stored.event.rule, "one");
    assert_eq!(store.replay(stored, vec!["other".to_owned()]).await.unwrap(), id(2));
    let reason = "replayed as 2; no luck";
    assert_eq!(statuses(folder.path(), &Filter::default()), [row(2, "waiting", ""), row(1, "done", reason)]);
    let again = next(&store).await;
    assert_eq!((again.id, &*again.event.rule, &*again.rules), (id(2), "one", &["other".to_owned()][..]));
    let reader = Reader::open(folder.path()).unwrap();
    let [new, old] = &reader.show_trace(&again.trace_id.to_string()).unwrap()[..] else { panic!("two of one trace") };
    assert_ne!(new.record.uid, old.record.uid);
    assert_eq!(new.event["output"], "sh -c secret");
    assert!(old.event["output"].as_str().unwrap().starts_with("redacted:"), "it waits for nothing more");
    counted(&store).await;
    assert_eq!(store.counts().dead, 0);
    let refused = store.stored(id(1)).await.unwrap_err().to_string();
    assert_eq!(refused, "the event 1 can't be replayed: of the fields in 'history.redact' only hashes are left");
}

#[tokio::test]
async fn only_what_ended_whole_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_ended(folder.path(), Outcome::Done).await;
    assert!(matches!(store.stored(id(1)).await, Err(EditError::Redacted(_))));
    assert!(matches!(store.stored(id(2)).await, Err(EditError::Unknown(_))));
    put(&store, "two").await.unwrap();
    assert!(matches!(store.stored(id(2)).await, Err(EditError::Unfinished(_))));
}

#[tokio::test]
async fn what_ended_or_was_not_begun_is_removed_and_its_place_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { entries_max: 3, in_flight_max: 2, ..LIMITS };
    let (store, _) = Store::open(folder.path(), lasting(limits), &silent()).unwrap();
    for rule in ["one", "two", "three"] {
        put(&store, rule).await.unwrap();
    }
    assert_eq!(put(&store, "four").await, Err(Refused::Full));
    let (one, two) = (next(&store).await, next(&store).await);
    assert!(store.start(one.id));
    assert!(matches!(store.remove(one.id).await, Err(EditError::Begun(_))));
    // One was taken, the other one was not.
    store.remove(two.id).await.unwrap();
    store.remove(id(3)).await.unwrap();
    assert_eq!((store.counts().waiting, store.counts().in_flight), (0, 1));
    assert!(!store.start(two.id));
    for rule in ["four", "five"] {
        put(&store, rule).await.unwrap();
    }
    assert_eq!(put(&store, "six").await, Err(Refused::Full));
    store.finish(&one, Outcome::Dead, "no luck");
    counted(&store).await;
    assert_eq!(store.counts().dead, 1);
    store.remove(one.id).await.unwrap();
    counted(&store).await;
    assert_eq!(store.counts().dead, 0);
    assert!(matches!(store.remove(one.id).await, Err(EditError::Unknown(_))));
    assert_eq!(next(&store).await.event.rule, "four");
    assert_eq!(statuses(folder.path(), &Filter::default()), [row(5, "waiting", ""), row(4, "waiting", "")]);
}

#[tokio::test]
async fn what_waits_in_the_store_alone_is_removed_too() {
    let store = in_memory(Limits { entries_max: 5_000, ..LIMITS });
    for number in 1..=600 {
        put(&store, &format!("rule {number}")).await.unwrap();
    }
    store.remove(id(600)).await.unwrap();
    store.remove(id(598)).await.unwrap();
    for number in (1..600).filter(|number| *number != 598) {
        assert_eq!(next(&store).await.event.rule, format!("rule {number}"));
    }
    assert_eq!((store.counts().waiting, store.counts().in_flight), (0, 598));
}

#[tokio::test]
async fn what_is_postponed_is_removed_too() {
    let store = in_memory(LIMITS);
    for rule in ["one", "two", "three"] {
        put(&store, rule).await.unwrap();
    }
    for _ in 0..2 {
        let entry = next(&store).await;
        assert!(store.start(entry.id));
        store.postpone(entry.id);
    }
    store.remove(id(1)).await.unwrap();
    store.resume();
    // It is to be loaded now.
    store.remove(id(2)).await.unwrap();
    assert_eq!(next(&store).await.event.rule, "three");
    assert_eq!((store.counts().waiting, store.counts().in_flight), (0, 1));
}

#[tokio::test]
async fn without_a_host_the_next_one_finds_what_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Offline::open(folder.path()), Err(OpenError::Missing(_))));
    let store = with_ended(folder.path(), Outcome::Dead).await;
    put(&store, "two").await.unwrap();
    put(&store, "three").await.unwrap();
    let two = next(&store).await;
    store.begin_synced(two.id, 0, &step("end", false), 1).await.unwrap();
    assert!(matches!(Offline::open(folder.path()), Err(OpenError::Locked(_))));
    crash(store);
    let mut offline = Offline::open(folder.path()).unwrap();
    assert!(matches!(offline.remove(two.id), Err(EditError::Begun(_))));
    offline.remove(id(3)).unwrap();
    let stored = offline.stored(id(1)).unwrap();
    assert_eq!(offline.replay(stored).unwrap(), id(4));
    drop(offline);
    let before = [row(4, "waiting", ""), row(2, "running", ""), row(1, "done", "replayed as 4; no luck")];
    assert_eq!(statuses(folder.path(), &Filter::default()), before);
    let shown = Reader::open(folder.path()).unwrap().show(id(1)).unwrap().unwrap();
    assert!(shown.event["output"].as_str().unwrap().starts_with("redacted:"), "as the host that was there would");
    // Nothing is recovered meanwhile, or it would be taken for what ends the process.
    drop(Offline::open(folder.path()).unwrap());
    drop(Offline::open(folder.path()).unwrap());
    let (store, found) = open(folder.path());
    assert_eq!((found.waiting, found.poisoned.len()), (2, 0));
    assert_eq!((next(&store).await.id, next(&store).await.id), (id(2), id(4)));
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_ended(folder.path(), Outcome::Dead).await;
    for rule in ["two", "three"] {
        put(&store, rule).await.unwrap();
    }
    let two = next(&store).await;
    store.begin_synced(two.id, 0, &Step { rule: "late".to_owned(), ..step("end", false) }, 1).await.unwrap();
    let check = |filter: Filter, expected: &[i64]| {
        let found: Vec<i64> = statuses(folder.path(), &filter).into_iter().map(|(id, ..)| id).collect();
        assert_eq!(found, expected, "{filter:?}");
    };
    let all = Filter::default;
    for (status, expected) in [("waiting", &[3][..]), ("running", &[2]), ("dead", &[1]), ("done", &[])] {
        check(Filter { status: status.parse().ok(), ..all() }, expected);
    }
    assert!("ended".parse::<EntryStatus>().is_err());
    for (rule, expected) in [("two", &[2][..]), ("end it", &[3, 2, 1]), ("late", &[2]), ("no", &[])] {
        check(Filter { rule: Some(rule.to_owned()), ..all() }, expected);
    }
    check(Filter { namespace: Some("shop".to_owned()), ..all() }, &[]);
    check(Filter { pod: Some("web-0".to_owned()), ..all() }, &[]);
    check(Filter { limit: Some(2), ..all() }, &[3, 2]);
    let now = jiff::Timestamp::now();
    let hour = Duration::from_secs(3_600);
    check(Filter { since: Some(now - hour), until: Some(now + hour), ..all() }, &[3, 2, 1]);
    check(Filter { since: Some(now + hour), ..all() }, &[]);
    check(Filter { until: Some(now - hour), ..all() }, &[]);
    let shown = Reader::open(folder.path()).unwrap().show(id(1)).unwrap().unwrap();
    let [step] = &shown.steps[..] else { panic!("one step") };
    assert_eq!((&*step.status, step.calls.len(), step.message.as_deref()), ("failure", 2, Some("so it is")));
}
