//! A store of each format that was ever published is opened, and what is in it goes on.
//!
//! `formats/N/store.db` is of format N. The newest is written anew by
//! `FALCO_TALON_WRITE_FORMAT=1 cargo test --workspace --lib store::tests::formats`, until it is published.

use std::fs;

use expect_test::{Expect, expect};

use super::deliveries::delivery;
use super::*;

/// With whatever came and ended, however long ago.
fn keeping() -> Settings {
    let length = Duration::from_secs(100 * 365 * 86_400);
    let history = History { keep: length, ..settings().history };
    Settings { history, window: Window { length, ..settings().window }, ..settings() }
}

fn folder(format: i64) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/formats").join(format.to_string())
}

/// One entry in each state in which a process may leave it.
async fn write(to: &Path) {
    let data = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(data.path(), keeping(), &silent()).unwrap();
    for (number, rule) in ["done", "dead", "begun", "tried", "waiting"].into_iter().enumerate() {
        let fingerprint = Some([u8::try_from(number).unwrap(); 32]);
        store.accept(Arrival { fingerprint, ..arrival(rule) }).await.unwrap();
    }
    let (done, dead) = (next(&store).await, next(&store).await);
    for (entry, status, outcome) in [(done, "success", Outcome::Done), (dead, "unknown", Outcome::Dead)] {
        store.begin(entry.id, 0, &step("label", true), 1);
        store.end(entry.id, 0, ended("success"));
        store.begin_synced(entry.id, 1, &step("terminate", false), 1).await.unwrap();
        let due = (outcome == Outcome::Done).then(|| delivery(&entry));
        store.end_with(entry.id, 1, ended(status), due.into_iter().collect()).await.unwrap();
        let notice = r#"{"rule":"end it"}"#.to_owned();
        let (notifier, key, subject) = ("slack".to_owned(), None, "shop/web-0".to_owned());
        store.notify(vec![Notification { notifier, key, subject, notice, traceparent: None }]);
        store.finish(&entry, outcome, if outcome == Outcome::Dead { "terminate: unknown" } else { "" });
    }
    let (begun, tried) = (next(&store).await, next(&store).await);
    store.begin_synced(begun.id, 0, &step("terminate", false), 1).await.unwrap();
    store.begin(tried.id, 0, &step("label", true), 1);
    let attempted = Attempted {
        attempts: 1,
        rest: Duration::ZERO,
        tried: Duration::from_secs(2),
        message: "away".to_owned(),
        learnt: Some("uid".into()),
        was_unknown: true,
    };
    store.attempted(tried.id, 0, attempted);
    drop((begun, tried));
    crash(store);
    fs::create_dir_all(to).unwrap();
    fs::copy(data.path().join("store/store.db"), to.join("store.db")).unwrap();
}

/// What a store of this format holds for one of today.
async fn check(format: i64, expected: Expect) {
    use std::os::unix::fs::DirBuilderExt;
    let data = tempfile::tempdir().unwrap();
    fs::DirBuilder::new().mode(0o700).create(data.path().join("store")).unwrap();
    fs::copy(folder(format).join("store.db"), data.path().join("store/store.db")).unwrap();
    let (store, found) = Store::open(data.path(), keeping(), &silent()).unwrap();
    assert_eq!(found.damage, None);
    let sql = "SELECT falco_rule || ': ' || CASE state WHEN 1 THEN 'done' ELSE 'dead, ' || reason END || ', ' ||
        (SELECT group_concat(action || ' ' || status || ' (' || message || ')', ', ') FROM step WHERE entry = entry.id)
        FROM entry WHERE state <> 0 ORDER BY id";
    let mut said = column(&store, sql).await;
    for _ in 0..found.waiting {
        let entry = next(&store).await;
        let (rule, rules, crashes) = (&entry.event.rule, &entry.rules, entry.crashes);
        said.push(format!("{rule}: waits for {rules:?}, crashes: {crashes}"));
        for Progress { step, attempts, is_running, tried, learnt, was_unknown, status, is_last: _, rest: _ } in
            &entry.progress
        {
            assert_eq!((&*step.rule, step.hash, status), ("end it", [7; 16], &None));
            let (action, is_repeatable) = (&step.action, step.is_repeatable);
            said.push(format!("  {action}: repeatable {is_repeatable}, running {is_running}, attempts {attempts}"));
            said.push(format!("  after {} s, learnt {learnt:?}, unknown {was_unknown}", tried.as_secs()));
        }
    }
    for Due { id, attempts, .. } in found.due {
        let Delivery { rule, target, name, .. } = store.delivery(id).await.unwrap().unwrap();
        said.push(format!("{rule}: {name} is due at {target}, attempts: {attempts}"));
    }
    said.extend(found.notifications.iter().map(|(notifier, count)| format!("{count} wait for {notifier}")));
    for number in 0..5 {
        let repeat = Arrival { fingerprint: Some([number; 32]), ..arrival("repeat") };
        assert_eq!(store.accept(repeat).await, Ok(Acceptance::Duplicate));
    }
    expected.assert_eq(&said.join("\n"));
}

#[tokio::test]
async fn the_first() {
    check(
        1,
        expect![[r#"
            done: done, label success (so it is), terminate success (so it is)
            dead: dead, terminate: unknown, label success (so it is), terminate unknown (so it is)
            begun: waits for ["end it"], crashes: 1
              terminate: repeatable false, running true, attempts 1
              after 0 s, learnt None, unknown false
            tried: waits for ["end it"], crashes: 0
              label: repeatable true, running false, attempts 1
              after 2 s, learnt Some("uid"), unknown true
            waiting: waits for ["end it"], crashes: 0
            end it: /etc/passwd is due at local:file, attempts: 0"#]],
    )
    .await;
}

#[tokio::test]
async fn the_second() {
    if std::env::var_os("FALCO_TALON_WRITE_FORMAT").is_some() {
        write(&folder(schema::FORMAT)).await;
    }
    check(
        2,
        expect![[r#"
            done: done, label success (so it is), terminate success (so it is)
            dead: dead, terminate: unknown, label success (so it is), terminate unknown (so it is)
            begun: waits for ["end it"], crashes: 1
              terminate: repeatable false, running true, attempts 1
              after 0 s, learnt None, unknown false
            tried: waits for ["end it"], crashes: 0
              label: repeatable true, running false, attempts 1
              after 2 s, learnt Some("uid"), unknown true
            waiting: waits for ["end it"], crashes: 0
            end it: /etc/passwd is due at local:file, attempts: 0
            2 wait for slack"#]],
    )
    .await;
}

#[test]
fn each_is_there() {
    for format in 1..=schema::FORMAT {
        assert!(folder(format).join("store.db").exists(), "the format {format} has no store that a test opens");
    }
}
