//! What somebody is to be told stays until they were, in its order, whatever becomes of its event.

use super::*;
use crate::store::notification::{Notification, Told};

fn notification(notifier: &str, key: Option<&str>, subject: &str) -> Notification {
    Notification {
        notifier: notifier.to_owned(),
        key: key.map(str::to_owned),
        subject: subject.to_owned(),
        notice: format!("{{\"rule\": \"{subject}\"}}"),
        traceparent: None,
    }
}

async fn subjects(store: &Store, notifier: &'static str) -> Vec<(i64, String)> {
    let waiting = store.first_notifications(notifier, 100).await.unwrap();
    waiting.into_iter().map(|waiting| (waiting.id, waiting.notification.subject)).collect()
}

#[tokio::test]
async fn they_wait_in_their_order_for_the_next_process_too() {
    let folder = tempfile::tempdir().unwrap();
    let (store, found) = open(folder.path());
    assert!(found.notifications.is_empty());
    store.notify(vec![notification("slack", None, "one"), notification("smtp", None, "one")]);
    store.notify(vec![notification("slack", None, "two")]);
    let [(first, _), (second, _)] = &subjects(&store, "slack").await[..] else { panic!("two wait") };
    let (first, second) = (*first, *second);
    store.told(Told::One(first)).await.unwrap();
    crash(store);
    let (store, found) = open(folder.path());
    assert_eq!(found.notifications, [("slack".to_owned(), 1), ("smtp".to_owned(), 1)]);
    assert_eq!(subjects(&store, "slack").await, [(second, "two".to_owned())]);
    store.told(Told::One(second)).await.unwrap();
    store.notify(vec![notification("slack", None, "three")]);
    let waiting = subjects(&store, "slack").await;
    assert!(waiting.len() == 1 && waiting[0].0 > second, "{waiting:?}");
}

#[tokio::test]
async fn equal_ones_are_counted_and_go_together() {
    let store = in_memory(LIMITS);
    for subject in ["a/1", "a/2", "a/1", ""] {
        store.notify(vec![notification("slack", Some("k"), subject)]);
    }
    store.notify(vec![notification("slack", Some("other"), "b/1"), notification("smtp", Some("k"), "a/1")]);
    let equal = store.equal_notifications("slack", "k".to_owned()).await.unwrap();
    assert_eq!((equal.count, &equal.subjects[..]), (4, &["a/1".to_owned(), "a/2".to_owned()][..]));
    // One that comes meanwhile is not among those that were told.
    store.notify(vec![notification("slack", Some("k"), "a/9")]);
    store
        .told(Told::Equal { notifier: "slack".to_owned(), key: "k".to_owned(), last_id: equal.last_id })
        .await
        .unwrap();
    let left: Vec<_> = subjects(&store, "slack").await.into_iter().map(|(_, subject)| subject).collect();
    assert_eq!(left, ["b/1", "a/9"]);
    assert_eq!(subjects(&store, "smtp").await.len(), 1);
}

#[tokio::test]
async fn they_outlive_their_event() {
    let store = in_memory(LIMITS);
    put(&store, "one").await.unwrap();
    let entry = next(&store).await;
    store.notify(vec![notification("slack", None, "one")]);
    store.finish(&entry, Outcome::Done, "");
    written(&store).await;
    store.remove(entry.id).await.unwrap();
    assert_eq!(subjects(&store, "slack").await.len(), 1);
}
