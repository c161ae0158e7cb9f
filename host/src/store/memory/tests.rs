//! What goes in comes out, in its order, and counts until it is finished.

use std::time::Duration;

use super::*;

/// More than the events of a test take.
const BYTES_MAX: usize = 1 << 20;

fn event(rule: &str) -> Event {
    let event = serde_json::json!({
        "rule": rule, "priority": "Notice", "output": "", "source": "syscall",
        "time": "2026-07-22T14:24:41.123456789Z", "output_fields": {},
    });
    Event::from_json(event.to_string().as_bytes()).unwrap()
}

impl Memory {
    fn put(&self, rule: &str) -> Result<(), Refused> {
        self.accept(event(rule), TraceId::random())
    }
}

async fn next_rule(memory: &Memory) -> Option<String> {
    memory.next().await.map(|entry| entry.event.rule.clone())
}

fn counts(memory: &Memory) -> (usize, usize) {
    let Counts { waiting, in_flight, .. } = memory.counts();
    (waiting, in_flight)
}

fn step(action: &str) -> Step {
    Step { rule: "rule".to_owned(), action: action.to_owned() }
}

/// A sender can send one event twice, and as of one trace.
#[tokio::test]
async fn each_event_has_a_uid_of_its_own() {
    let (memory, trace_id) = (Memory::new(10, usize::MAX), TraceId::random());
    for _ in 0..2 {
        memory.accept(event("same"), trace_id).unwrap();
    }
    let (one, other) = (memory.next().await.unwrap(), memory.next().await.unwrap());
    assert_eq!(one.trace_id, other.trace_id);
    assert_ne!(one.uid, other.uid);
}

#[tokio::test]
async fn hands_out_in_order() {
    let memory = Memory::new(10, BYTES_MAX);
    memory.put("one").unwrap();
    memory.put("two").unwrap();
    assert_eq!(counts(&memory), (2, 0));
    assert_eq!(next_rule(&memory).await.as_deref(), Some("one"));
    assert_eq!(next_rule(&memory).await.as_deref(), Some("two"));
    assert_eq!(counts(&memory), (0, 2));
}

#[tokio::test]
async fn an_entry_counts_until_it_is_finished_or_buried() {
    let memory = Memory::new(2, BYTES_MAX);
    memory.put("one").unwrap();
    memory.put("two").unwrap();
    assert_eq!(memory.put("three"), Err(Refused::Full));
    let one = memory.next().await.unwrap();
    assert_eq!(memory.put("three"), Err(Refused::Full));
    assert_eq!(counts(&memory), (1, 1));
    memory.finish(one.id).unwrap();
    memory.put("three").unwrap();
    memory.bury(memory.next().await.unwrap().id, "no luck").unwrap();
    memory.put("four").unwrap();
    assert_eq!(counts(&memory), (2, 0));
    assert_eq!(memory.finish(one.id), Err(StoreError::Unknown(one.id)));
}

#[tokio::test]
async fn events_count_by_what_they_take() {
    let bytes = event("one").bytes();
    let memory = Memory::new(10, 2 * bytes);
    memory.put("one").unwrap();
    memory.put("two").unwrap();
    assert_eq!(memory.counts().bytes, 2 * bytes);
    assert_eq!(memory.put("six"), Err(Refused::Full));
    memory.finish(memory.next().await.unwrap().id).unwrap();
    memory.put("six").unwrap();
    for _ in 0..2 {
        memory.bury(memory.next().await.unwrap().id, "no luck").unwrap();
    }
    assert_eq!(memory.counts().bytes, 0);
    // There will never be more room than now.
    memory.put(&"x".repeat(3 * bytes)).unwrap();
    assert_eq!(memory.put("one"), Err(Refused::Full));
}

#[tokio::test]
async fn progress_is_kept_to_the_end_and_after_it() {
    let memory = Memory::new(2, BYTES_MAX);
    memory.put("one").unwrap();
    memory.put("two").unwrap();
    let (one, two) = (memory.next().await.unwrap(), memory.next().await.unwrap());
    memory.begin(one.id, step("label")).unwrap();
    memory.end(one.id, "success").unwrap();
    memory.begin(one.id, step("terminate")).unwrap();
    let progress = vec![
        Progress { step: step("label"), status: Some("success") },
        Progress { step: step("terminate"), status: None },
    ];
    let record = Record { trace_id: one.trace_id, progress };
    assert_eq!(memory.unfinished(), [record.clone(), Record { trace_id: two.trace_id, progress: Vec::new() }]);
    memory.bury(one.id, "no luck").unwrap();
    memory.finish(two.id).unwrap();
    assert_eq!(memory.unfinished(), []);
    assert_eq!(memory.dead_letters(), [DeadLetter { record, reason: "no luck".to_owned() }]);
    assert_eq!(memory.history(), [Record { trace_id: two.trace_id, progress: Vec::new() }]);
    assert_eq!(memory.begin(one.id, step("label")), Err(StoreError::Unknown(one.id)));
}

#[tokio::test]
async fn what_is_due_is_held_until_it_is_settled() {
    let memory = Memory::new(1, BYTES_MAX);
    memory.put("one").unwrap();
    let entry = memory.next().await.unwrap().id;
    let due = |name: &str| Due { entry, target: "local:file".to_owned(), name: name.to_owned() };
    let log = memory.owe(due("log"));
    memory.owe(due("capture"));
    memory.settle(log);
    memory.finish(entry).unwrap();
    assert_eq!(memory.dues(), [due("capture")]);
}

#[test]
fn what_is_over_is_forgotten_in_time() {
    let memory = Memory::new(1, BYTES_MAX);
    for number in 0..=REMEMBERED_MAX {
        memory.put(&number.to_string()).unwrap();
        let id = memory.state().waiting.pop_front().unwrap().id;
        memory.finish(id).unwrap();
    }
    assert_eq!(memory.history().len(), REMEMBERED_MAX);
}

#[tokio::test]
async fn closing_drains() {
    let memory = Memory::new(10, BYTES_MAX);
    memory.put("one").unwrap();
    memory.close();
    assert_eq!(memory.put("two"), Err(Refused::Closed));
    assert_eq!(next_rule(&memory).await.as_deref(), Some("one"));
    assert!(memory.next().await.is_none());
    assert!(memory.next().await.is_none());
}

#[tokio::test]
async fn wakes_those_who_wait() {
    let memory = Arc::new(Memory::new(10, BYTES_MAX));
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let memory = Arc::clone(&memory);
            tokio::spawn(async move { next_rule(&memory).await })
        })
        .collect();
    tokio::task::yield_now().await;
    memory.put("one").unwrap();
    memory.put("two").unwrap();
    tokio::task::yield_now().await;
    memory.close();
    let mut taken = Vec::new();
    for task in waiting {
        taken.push(task.await.unwrap());
    }
    assert_eq!(taken, [Some("one".to_owned()), Some("two".to_owned()), None]);
}

#[tokio::test(start_paused = true)]
async fn giving_up_waiting_loses_nothing() {
    let memory = Memory::new(10, BYTES_MAX);
    assert!(tokio::time::timeout(Duration::from_secs(1), memory.next()).await.is_err());
    memory.put("one").unwrap();
    assert_eq!(next_rule(&memory).await.as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn remembers_when_an_event_was_received() {
    let memory = Memory::new(10, BYTES_MAX);
    let before = Instant::now();
    memory.put("one").unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(memory.next().await.unwrap().received, before);
}
