//! What the writer can be asked for.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::change::Change;
use super::edit::EditError;
use super::entry::{Acceptance, Arrival, EntryId, Fingerprint};
use super::error::Refused;

/// What the writer is asked for.
pub(super) enum Command {
    Accept(Box<Arrival>, oneshot::Sender<Result<Acceptance, Refused>>),
    Change(Change, Option<Written>),
    /// Load entries behind this one.
    Load(EntryId, u64),
    Forget(Fingerprint),
    /// Something that is not on the way of an event.
    Ask(Ask),
    /// Remove what ended or was not begun.
    Remove(EntryId, Removed),
    /// Write what is left, and end.
    Stop,
}

/// Who waits until an entry is removed.
pub(super) type Removed = oneshot::Sender<Result<(), EditError>>;

/// Something that is done with the database.
pub(super) type Ask = Box<dyn FnOnce(&mut Connection) + Send>;

impl Command {
    /// Whether somebody waits until it is done.
    pub(super) fn is_awaited(&self) -> bool {
        !matches!(self, Self::Change(_, None) | Self::Forget(_))
    }
}

/// Who waits until a change is written.
pub(super) struct Written {
    pub(super) is_synced: bool,
    pub(super) done: oneshot::Sender<()>,
}
