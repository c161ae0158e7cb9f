//! What is promised of each event, held against the store and against what came in at the API server.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::api::{Calls, Counted};
use super::load::{Answer, Sent};

/// What survives besides the promise that what must not run twice does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survives {
    /// All that was accepted.
    Accepted,
    /// What was synced.
    Synced,
}

/// What a store says of an event.
#[derive(Debug)]
struct Kept {
    state: i64,
    reason: String,
    /// How its steps ended, by their actions.
    steps: BTreeMap<String, Option<String>>,
}

/// How many events ended so.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) done: usize,
    pub(crate) unknown: usize,
    pub(crate) poisoned: usize,
    /// Accepted, and not there any more.
    pub(crate) lost: usize,
}

/// Hold what is promised against what has become of each event, once all have ended.
pub(crate) fn check(data_dir: &Path, sent: &Sent, calls: &Counted, survives: Survives) -> Ends {
    let mut kept = read(data_dir);
    let mut ends = Ends::default();
    for (pod, answer) in sent.answers() {
        let calls = calls.get(&pod).copied().unwrap_or_default();
        assert!(calls.ends <= 1, "{pod} was ended {} times", calls.ends);
        let Some(kept) = kept.remove(&pod) else {
            ends.lost += usize::from(answer == Answer::Status(200));
            let may_be_missing = answer != Answer::Status(200) || survives == Survives::Synced;
            assert!(may_be_missing, "{pod} was accepted, and is lost");
            // What must not run twice begins once it is synced, and the event before it.
            assert_eq!(calls.ends, 0, "{pod} was ended, and is not stored");
            assert!(survives == Survives::Synced || calls.labels == 0, "{pod} was labelled, and is not stored");
            continue;
        };
        assert!(matches!(answer, Answer::Nothing | Answer::Status(200)), "{pod}: {answer:?}, and {kept:?}");
        judge(&pod, &kept, calls, &mut ends);
    }
    assert!(kept.is_empty(), "nobody sent {kept:?}");
    ends
}

fn judge(pod: &str, kept: &Kept, calls: Calls, ends: &mut Ends) {
    let said = format!("{pod}: {calls:?}, {kept:?}");
    assert!(kept.steps.values().all(Option::is_some), "a step has no end: {said}");
    match (kept.state, kept.reason.as_str()) {
        (1, "") => {
            ends.done += 1;
            assert!(calls.labels >= 1 && calls.ends == 1, "{said}");
        }
        // The host was killed twice while it labelled or ended the pod, and can't know that it was not the pod's doing.
        (2, reason) if reason.starts_with("poisoned") => {
            ends.poisoned += 1;
            assert!(kept.steps.values().any(|status| status.as_deref() == Some("unknown")), "{said}");
        }
        // A host that was killed, or a connection that broke.
        (2, reason) if reason.contains("unknown") || reason.contains("may have been carried out") => {
            ends.unknown += 1;
            assert!(calls.labels >= 1, "{said}");
        }
        _ => panic!("{said}"),
    }
}

/// What is in the store that a host has left, by the names of the pods.
fn read(data_dir: &Path) -> BTreeMap<String, Kept> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let store = Connection::open_with_flags(data_dir.join("store/store.db"), flags).unwrap();
    let mut kept = BTreeMap::new();
    let mut entries = store.prepare("SELECT id, pod, state, coalesce(reason, '') FROM entry").unwrap();
    let mut steps = store.prepare("SELECT action, status FROM step WHERE entry = ?1").unwrap();
    let mut rows = entries.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (id, pod): (i64, String) = (row.get(0).unwrap(), row.get(1).unwrap());
        let of_entry = steps.query_map([id], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let steps = of_entry.map(Result::unwrap).collect();
        let entry = Kept { state: row.get(2).unwrap(), reason: row.get(3).unwrap(), steps };
        let before = kept.insert(pod, entry);
        assert!(before.is_none(), "stored twice: {before:?}");
    }
    kept
}
