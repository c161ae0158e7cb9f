//! Why a store did not do what it was asked.

use super::entry::EntryId;

/// Why an event was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many entries as the store may hold are unfinished, or their events take as much memory as they may; the same event may be accepted later.
    #[error("the queue is full")]
    Full,
    /// The program is about to end.
    #[error("the queue is closed")]
    Closed,
}

/// Why something else was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store has no such entry, or no more.
    #[error("there is no entry {0}")]
    Unknown(EntryId),
}
