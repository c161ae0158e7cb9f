//! What is still to leave the host, as plain values.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Names a delivery, and what lies spooled for it. It is random, so that it is known before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub(super) u128);

/// An artifact on its way to where a rule sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Names it.
    pub id: DeliveryId,
    /// What ties its log lines to those of its event.
    pub trace_id: String,
    /// The names of the rule, of its action, and of what ran.
    pub rule: String,
    pub action: String,
    pub actionner: String,
    /// The name of the output.
    pub target: String,
    /// Of the output, as JSON.
    pub parameters: String,
    /// What the artifact is called by its maker.
    pub name: String,
    pub media_type: String,
    pub bytes: u64,
    /// What the action was about, as (kind, name).
    pub objects: Vec<(String, String)>,
    /// When the artifact was made.
    pub made: Timestamp,
    /// The notifiers that its rule names.
    pub notifiers: Vec<String>,
    /// The span of its action.
    pub traceparent: Option<String>,
}

/// A delivery that is due, now or later. What it is about stays in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Names it.
    pub id: DeliveryId,
    /// The name of the output.
    pub target: String,
    /// Of the output, as JSON.
    pub parameters: String,
    /// When the artifact was made.
    pub made: Instant,
    /// When it is attempted next.
    pub next: Instant,
    /// Attempts that have failed.
    pub attempts: u32,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// It has arrived.
    Arrived,
    /// It has not, and is attempted again after a pause.
    Postponed(Duration),
    /// It has not, and never will by itself.
    GivenUp,
}

impl DeliveryId {
    /// One that no other has.
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}
