//! What a process finds of those before it.

use super::*;

#[tokio::test]
async fn what_was_not_finished_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    for rule in ["one", "two", "three"] {
        put(&store, rule).await.unwrap();
    }
    let (one, two) = (next(&store).await, next(&store).await);
    store.begin(one.id, 0, &step("label", true), 1);
    let attempted = Attempted {
        attempts: 1,
        rest: Duration::from_hours(1),
        tried: Duration::from_secs(2),
        message: "away".to_owned(),
        learnt: Some("uid".into()),
        was_unknown: true,
    };
    store.attempted(one.id, 0, attempted);
    store.begin(one.id, 0, &step("label", true), 2);
    store.end(one.id, 0, ended("success"));
    store.begin_synced(one.id, 1, &step("terminate", false), 1).await.unwrap();
    store.finish(&two, Outcome::Done, "");
    crash(store);

    let (store, found) = open(folder.path());
    assert_eq!((found.waiting, found.poisoned.len()), (2, 0));
    let again = next(&store).await;
    assert_eq!((again.uid, again.trace_id, again.crashes), (one.uid, one.trace_id, 1));
    assert_eq!((&again.event, &again.rules), (&one.event, &one.rules));
    let label = Progress {
        step: step("label", true),
        attempts: 2,
        is_running: false,
        tried: Duration::from_secs(2),
        learnt: Some("uid".to_owned()),
        was_unknown: true,
        status: Some("success".to_owned()),
        is_last: false,
        rest: Duration::ZERO,
    };
    let terminate = Progress {
        step: step("terminate", false),
        attempts: 1,
        is_running: true,
        tried: Duration::ZERO,
        learnt: None,
        was_unknown: false,
        status: None,
        is_last: false,
        rest: Duration::ZERO,
    };
    assert_eq!(again.progress, [label, terminate]);
    let three = next(&store).await;
    assert_eq!((&*three.event.rule, three.progress.len(), three.crashes), ("three", 0, 0));
    put(&store, "four").await.unwrap();
    assert!(next(&store).await.id > three.id);
}

#[tokio::test]
async fn what_ends_the_process_twice_is_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, "poison").await.unwrap();
    put(&store, "fine").await.unwrap();
    crash(store);
    for crashes in 0..2 {
        let (store, found) = open(folder.path());
        assert_eq!((found.waiting, found.poisoned.len()), (2, 0));
        let poison = next(&store).await;
        assert_eq!(poison.crashes, crashes);
        store.begin_synced(poison.id, 0, &step("explode", true), 1).await.unwrap();
        drop(poison);
        crash(store);
    }
    let (store, found) = open(folder.path());
    assert_eq!((found.waiting, found.poisoned.len(), store.counts().dead), (1, 1, 1));
    assert_eq!(next(&store).await.event.rule, "fine");
}

#[tokio::test]
async fn what_waits_again_when_the_process_ends_has_no_part_in_that() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, "fine").await.unwrap();
    let fine = next(&store).await;
    store.begin_synced(fine.id, 0, &step("label", true), 1).await.unwrap();
    drop(fine);
    crash(store);
    for _ in 0..3 {
        let (store, found) = open(folder.path());
        assert_eq!((found.waiting, found.poisoned.len()), (1, 0));
        let fine = next(&store).await;
        assert_eq!((fine.crashes, fine.progress[0].is_running), (1, true));
        drop(fine);
        crash(store);
    }
}

#[tokio::test]
async fn what_is_buried_has_an_end_to_each_of_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, "poison").await.unwrap();
    crash(store);
    for _ in 0..2 {
        let (store, _) = open(folder.path());
        let poison = next(&store).await;
        store.begin_synced(poison.id, 0, &step("explode", true), 1).await.unwrap();
        drop(poison);
        crash(store);
    }
    let statuses = column(&open(folder.path()).0, "SELECT status FROM step").await;
    assert_eq!(statuses, ["unknown"]);
}

/// Between two lives of the process, by hours.
#[tokio::test]
async fn a_clock_that_was_set_back_lets_repeats_in_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let like = |byte: u8| Arrival { fingerprint: Some([byte; 32]), ..arrival("one") };
    let (store, _) = open(folder.path());
    store.accept(like(1)).await.unwrap();
    crash(store);
    let file = Connection::open(folder.path().join("store/store.db")).unwrap();
    file.execute("UPDATE entry SET received = received + 7200000", []).unwrap();
    drop(file);
    let window = Window { length: Duration::from_millis(50), events_max: 1_000 };
    let (store, _) = Store::open(folder.path(), Settings { window, ..settings() }, &silent()).unwrap();
    tokio::time::sleep(window.length * 2).await;
    assert!(matches!(store.accept(like(1)).await, Ok(Acceptance::Stored(_))));
}

#[tokio::test]
async fn what_the_host_cuts_off_itself_has_no_part_in_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, "slow").await.unwrap();
    crash(store);
    for _ in 0..3 {
        let (store, found) = open(folder.path());
        assert_eq!((found.waiting, found.poisoned.len()), (1, 0));
        let slow = next(&store).await;
        assert_eq!((slow.crashes, slow.progress.iter().all(|step| step.is_running)), (0, true));
        store.begin_synced(slow.id, 0, &step("upload", true), 1).await.unwrap();
        drop(slow);
        store.interrupt();
        crash(store);
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_a_dead_letter_and_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    for rule in ["body", "step", "fine"] {
        put(&store, rule).await.unwrap();
        let entry = next(&store).await;
        store.begin(entry.id, 0, &step("label", true), 1);
        store.leave(entry.id);
    }
    crash(store);
    let file = Connection::open(folder.path().join("store/store.db")).unwrap();
    file.execute("UPDATE entry SET body = x'00' WHERE falco_rule = 'body'", []).unwrap();
    file.execute("UPDATE step SET hash = x'00' WHERE entry = 2", []).unwrap();
    drop(file);
    let (store, _) = open(folder.path());
    assert_eq!(next(&store).await.event.rule, "fine");
    written(&store).await;
    let dead = column(&store, "SELECT falco_rule FROM entry WHERE state = 2 AND reason LIKE 'unreadable: %'").await;
    assert_eq!(dead, ["body", "step"]);
}

#[tokio::test]
async fn the_wait_before_the_next_attempt_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    put(&store, "one").await.unwrap();
    let one = next(&store).await;
    store.begin(one.id, 0, &step("label", true), 1);
    let rest = Duration::from_hours(1);
    store.attempted(one.id, 0, Attempted { attempts: 1, rest, ..Attempted::default() });
    drop(one);
    crash(store);
    let (store, _) = open(folder.path());
    assert_eq!(next(&store).await.progress[0].rest, rest);
}
