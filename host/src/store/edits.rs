//! What people ask of a store while its host runs.

use tokio::sync::oneshot;

use super::Store;
use super::command::Command;
use super::edit::{self, EditError, Stored};
use super::entry::{Acceptance, EntryId};
use super::error::Refused;
use super::history;

impl Store {
    /// The event of an entry that ended.
    ///
    /// # Errors
    ///
    /// Where there is none that can be replayed.
    pub(crate) async fn stored(&self, id: EntryId) -> Result<Stored, EditError> {
        let stored = self.ask_for(move |connection| edit::stored(connection, id)).await;
        stored.unwrap_or(Err(EditError::Refused(Refused::Closed)))
    }

    /// Let the event of an entry that ended arrive once more, for `rules`, which answer it now. The number of the new
    /// entry, which that of the old one says from now on.
    ///
    /// # Errors
    ///
    /// As for any other event.
    pub(crate) async fn replay(&self, stored: Stored, rules: Vec<String>) -> Result<EntryId, EditError> {
        let redacted = history::redacted(&stored.event, &self.0.redact, &self.0.key);
        match self.accept(stored.arrival(rules, redacted)).await? {
            Acceptance::Stored(id) => Ok(id),
            // It has no fingerprint.
            Acceptance::Duplicate => Err(EditError::Refused(Refused::Closed)),
        }
    }

    /// Remove an entry that ended, or that was not begun.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub(crate) async fn remove(&self, id: EntryId) -> Result<(), EditError> {
        let (answer, removed) = oneshot::channel();
        self.ask(Command::Remove(id, answer));
        removed.await.unwrap_or(Err(EditError::Refused(Refused::Closed)))
    }
}
