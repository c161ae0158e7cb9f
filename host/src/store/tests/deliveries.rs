//! What is to be delivered is there with the end of its step, and stays until it has arrived or its event is forgotten.

use super::*;

pub(super) fn delivery(entry: &Entry) -> Delivery {
    Delivery {
        id: DeliveryId::random(),
        trace_id: entry.trace_id.to_string(),
        rule: "end it".to_owned(),
        action: "fetch".to_owned(),
        actionner: "kubernetes:download".to_owned(),
        target: "local:file".to_owned(),
        parameters: r#"{"destination":"/tmp"}"#.to_owned(),
        name: "/etc/passwd".to_owned(),
        media_type: "text/plain".to_owned(),
        bytes: 7,
        objects: vec![("pod".to_owned(), "web-0".to_owned())],
        made: jiff::Timestamp::from_millisecond(1_700_000_000_000).unwrap(),
        notifiers: vec!["slack".to_owned()],
        traceparent: None,
    }
}

/// An event is stored, and one of its steps leaves a delivery.
async fn leave_one(store: &Store) -> (Arc<Entry>, Delivery) {
    put(store, "one").await.unwrap();
    let entry = next(store).await;
    let delivery = delivery(&entry);
    store.begin(entry.id, 0, &step("fetch", true), 1);
    store.end_with(entry.id, 0, ended("success"), vec![delivery.clone()]).await.unwrap();
    (entry, delivery)
}

async fn count(store: &Store, sql: &'static str) -> String {
    column(store, sql).await.remove(0)
}

const DEAD: &str = "SELECT CAST(count(*) AS TEXT) FROM entry WHERE state = 2";
const ALL: &str = "SELECT CAST(count(*) AS TEXT) FROM entry";

/// A store that keeps nothing of what ended.
fn forgetful(folder: &Path) -> Store {
    Store::open(folder, Settings::of(LIMITS), &silent()).unwrap().0
}

#[tokio::test]
async fn what_is_due_is_found_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let (store, found) = open(folder.path());
    assert!(found.due.is_empty() && store.spool().unwrap().is_dir());
    let (entry, delivery) = leave_one(&store).await;
    assert_eq!(store.delivery(delivery.id).await, Ok(Some(delivery.clone())));
    store.delivered(delivery.id, Delivered::Postponed(Duration::from_secs(60)), "away").await.unwrap();
    store.finish(&entry, Outcome::Done, "");
    crash(store);
    let (store, found) = open(folder.path());
    let [due] = &found.due[..] else { panic!("{:?}", found.due) };
    assert_eq!((due.id, due.attempts, &*due.target), (delivery.id, 1, "local:file"));
    assert!(due.next > tokio::time::Instant::now() + Duration::from_secs(30));
    assert_eq!(found.files.into_iter().collect::<Vec<_>>(), [delivery.id.to_string()]);
    store.delivered(delivery.id, Delivered::Arrived, "").await.unwrap();
    assert_eq!(store.delivery(delivery.id).await, Ok(None));
    crash(store);
    let (_store, found) = open(folder.path());
    assert!(found.due.is_empty() && found.files.is_empty());
}

#[tokio::test]
async fn an_entry_of_which_one_is_given_up_is_a_dead_letter_whenever_it_ends() {
    for ends_first in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path());
        let (entry, delivery) = leave_one(&store).await;
        if ends_first {
            store.finish(&entry, Outcome::Done, "");
        }
        store.delivered(delivery.id, Delivered::GivenUp, "too late").await.unwrap();
        if !ends_first {
            assert_eq!(count(&store, DEAD).await, "0");
            store.finish(&entry, Outcome::Done, "");
        }
        written(&store).await;
        assert_eq!(count(&store, DEAD).await, "1");
        written(&store).await;
        assert_eq!(store.counts().dead, 1);
        assert_eq!(column(&store, "SELECT reason FROM entry").await, ["a delivery was given up: too late"]);
        crash(store);
        let (_store, found) = open(folder.path());
        assert_eq!((found.due.len(), found.files.len()), (0, 1));
    }
}

#[tokio::test]
async fn what_is_due_is_not_forgotten_and_what_is_forgotten_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = forgetful(folder.path());
    let (entry, delivery) = leave_one(&store).await;
    store.finish(&entry, Outcome::Done, "");
    // It is looked at every so many.
    for _ in 0..600 {
        put(&store, "other").await.unwrap();
        store.finish(&*next(&store).await, Outcome::Done, "");
    }
    written(&store).await;
    assert!(store.delivery(delivery.id).await.unwrap().is_some());
    assert_eq!(store.unwanted_files().await, Vec::<String>::new());
    store.delivered(delivery.id, Delivered::GivenUp, "too late").await.unwrap();
    crash(store);
    let store = forgetful(folder.path());
    written(&store).await;
    assert_eq!(count(&store, ALL).await, "0");
    assert_eq!(store.unwanted_files().await, [delivery.id.to_string()]);
    assert_eq!(store.unwanted_files().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_entry_of_which_one_is_due_is_not_removed() {
    let store = in_memory(LIMITS);
    let (entry, delivery) = leave_one(&store).await;
    store.finish(&entry, Outcome::Done, "");
    written(&store).await;
    assert!(matches!(store.remove(entry.id).await, Err(EditError::Undelivered(_))));
    store.delivered(delivery.id, Delivered::Arrived, "").await.unwrap();
    store.remove(entry.id).await.unwrap();
    assert_eq!(count(&store, ALL).await, "0");
}
