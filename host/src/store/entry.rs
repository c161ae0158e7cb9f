//! What a store holds, as plain values.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use rules::Event;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::telemetry::{Parent, TraceId};

/// Names an entry of one store. Later ones have larger numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryId(pub(super) i64);

/// What two events have in common that are the same: a keyed hash.
pub(crate) type Fingerprint = [u8; 32];

/// Names what an action does, by a hash: its rule, its parameters, and the component that runs.
pub(crate) type StepHash = [u8; 16];

/// In the place of the rules that answer an event: whichever do when it is handled, since no host runs that could say.
pub(crate) const WHICHEVER: &str = "";

/// An event that is to be stored.
#[derive(Debug)]
pub struct Arrival {
    /// What Falco sent, decoded.
    pub event: Event,
    /// The same as it was received.
    pub body: Bytes,
    /// What ties its log lines, traces and actions together.
    pub trace_id: TraceId,
    /// The span that its own are below, where it has one.
    pub parent: Option<Parent>,
    /// What is the same in repeats of it; none where repeats are not dropped.
    pub fingerprint: Option<Fingerprint>,
    /// The rules that answer it, without those that only rehearse.
    pub rules: Vec<String>,
    /// Which entry it is a replay of, where it is one.
    pub replays: Option<Replays>,
}

/// An entry that ended, and is done with once its event is stored anew.
#[derive(Debug)]
pub struct Replays {
    /// Which.
    pub id: EntryId,
    /// What is kept of its event then, where that is not all of it.
    pub redacted: Option<Vec<u8>>,
}

/// What became of an arrival that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It is the host's to finish, as this entry.
    Stored(EntryId),
    /// The same event was stored a moment ago.
    Duplicate,
}

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
    /// The span that its own are below, where that is known; it is not stored.
    pub parent: Option<Parent>,
    /// When it was accepted.
    pub received: Instant,
    /// What repeats of it have in common with it, where it came in this life of the process.
    pub fingerprint: Option<Fingerprint>,
    /// The rules that answered it then, without those that only rehearsed.
    pub rules: Vec<String>,
    /// Whether it was handed out before, in this life of the process or in one before.
    pub is_again: bool,
    /// What was done of it until then.
    pub progress: Vec<Progress>,
    /// How often the process ended while it was handled.
    pub crashes: u32,
}

/// One action of a rule in answer to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The name of the rule.
    pub rule: String,
    /// The name of the action.
    pub action: String,
    /// What it does.
    pub hash: StepHash,
    /// Whether twice does no more than once.
    pub is_repeatable: bool,
}

/// How far a step came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which.
    pub step: Step,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Whether the last of them is under way, or was when the process ended.
    pub is_running: bool,
    /// For how long it was tried, without the time in which the other side was away.
    pub tried: Duration,
    /// What its attempts have learnt of its target, as they wrote it.
    pub learnt: Option<String>,
    /// Whether nobody knows what became of one of its attempts.
    pub was_unknown: bool,
    /// How long to wait before the next one: all of it anew, since no clock says how long the process was gone.
    pub rest: Duration,
    /// How it ended, in the words of the log; none while it has not.
    pub status: Option<String>,
    /// Whether nothing more comes of its rule.
    pub is_last: bool,
}

/// How an attempt ended after which another one may follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempted {
    /// Attempts that count.
    pub attempts: u32,
    /// For how long the action was tried by now, without the time in which the other side was away.
    pub tried: Duration,
    /// How long to wait before the next one.
    pub rest: Duration,
    /// Why it did not succeed.
    pub message: String,
    /// What was learnt of its target.
    pub learnt: Option<String>,
    /// Whether nobody knows what became of one of the attempts.
    pub was_unknown: bool,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEnd {
    /// In the words of the log.
    pub status: &'static str,
    /// One sentence for a person.
    pub message: String,
    /// What was asked of the host meanwhile, a line a call.
    pub calls: String,
    /// Whether nothing more comes of its rule.
    pub is_last: bool,
}

impl StepEnd {
    /// What it takes in the store.
    pub(super) fn bytes(&self) -> u64 {
        (self.message.len() + self.calls.len()) as u64
    }
}

/// How an entry ended that is nobody's to finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All that was asked for is done.
    Done,
    /// Something is not, and a person may want to know.
    Dead,
}

impl FromStr for EntryId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
