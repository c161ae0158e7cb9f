//! What a store holds, as plain values.

use std::fmt;

use rules::Event;
use tokio::time::Instant;

use crate::telemetry::TraceId;

/// Names an entry of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub(super) u64);

/// Names a delivery that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DueId(pub(super) u64);

/// An event that was accepted.
#[derive(Debug)]
pub struct Entry {
    /// Names it in this store.
    pub id: EntryId,
    /// Names it among the events of all hosts. It is random, since who sends an event chooses its trace id.
    pub uid: u128,
    /// What Falco sent.
    pub event: Event,
    /// What ties its log lines, traces and actions together.
    pub trace_id: TraceId,
    /// When it was accepted.
    pub received: Instant,
}

/// One action of a rule in answer to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The name of the rule.
    pub rule: String,
    /// The name of the action.
    pub action: String,
}

/// How far a step came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which.
    pub step: Step,
    /// How it ended, in the words of the log; none while it runs.
    pub status: Option<&'static str>,
}

/// What is kept of an entry besides its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Of its event.
    pub trace_id: TraceId,
    /// The steps that were begun, in their order.
    pub progress: Vec<Progress>,
}

/// An entry that could not be brought to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// How far it came.
    pub record: Record,
    /// Why no further.
    pub reason: String,
}

/// Something that is due to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The entry that it comes from.
    pub entry: EntryId,
    /// Where it goes, as a rule names it.
    pub target: String,
    /// What it is called.
    pub name: String,
}

/// How many entries there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that wait to be taken.
    pub waiting: usize,
    /// Those that were taken and are not finished.
    pub in_flight: usize,
    /// About how much memory the events of all of them take.
    pub bytes: usize,
}

impl fmt::Display for EntryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
