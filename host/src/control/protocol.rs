//! The words of the socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::store::{EntryId, folder_of};

/// What a request has at most, in bytes.
pub(super) const REQUEST_BYTES_MAX: u64 = 1 << 10;

/// What an answer has at most, in bytes.
pub(super) const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// How long a connection takes at most.
pub(super) const EXCHANGE_MAX: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// What would answer the event of an entry that ended.
    Plan(EntryId),
    /// That the event of an entry that ended arrives once more.
    Replay(EntryId),
    /// That an entry goes that ended or was not begun.
    Drop(EntryId),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// These rules would answer it, in their order.
    Planned(Vec<Planned>),
    /// It arrived as this entry.
    Replayed(EntryId),
    /// It is gone.
    Dropped,
    /// Nothing, for this reason.
    Refused(String),
}

/// A rule in force that answers an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// Its name.
    pub(crate) rule: String,
    /// The names of its actions and their actionners, in their order.
    pub(crate) actions: Vec<(String, String)>,
    /// Whether it only rehearses.
    pub(crate) dry_run: bool,
    /// Whether the policy refuses its writes, since it protects the namespace.
    pub(crate) is_protected: bool,
}

pub(super) fn socket_of(data_dir: &Path) -> PathBuf {
    folder_of(data_dir).join("control.sock")
}
