//! The store of a host that does not run, for what a person changes meanwhile.
//!
//! Nothing is recovered, since nothing goes on: that is left to the next start of the host.

use std::path::Path;

use ring::hmac;
use rusqlite::Connection;

use super::clock::Clock;
use super::edit::{self, EditError, Look, Stored};
use super::entry::{EntryId, WHICHEVER};
use super::error::OpenError;
use super::folder::{self, Folder};
use super::history;
use super::key::key;
use super::recovery;
use super::rows;

/// A store that no host has, held until this is dropped.
pub(crate) struct Offline {
    connection: Connection,
    key: hmac::Key,
    redact: Vec<String>,
    _folder: Folder,
}

impl Offline {
    /// The store in this folder.
    ///
    /// # Errors
    ///
    /// Where there is none, a host has it, or it can't be used.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, OpenError> {
        folder::file_of(data_dir)?;
        let folder = Folder::take(data_dir)?;
        let connection = folder.open_as_it_is()?;
        // Whoever asked for a change hears when it is there to stay.
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(Self { key: key(&connection)?, redact: history::secrets(&connection)?, connection, _folder: folder })
    }

    /// The event of an entry that ended.
    ///
    /// # Errors
    ///
    /// Where there is none that can be replayed.
    pub(crate) fn stored(&self, id: EntryId) -> Result<Stored, EditError> {
        edit::stored(&self.connection, id)
    }

    /// Let the event arrive once more, for the rules that are in force once a host has this store. The number of the new
    /// entry, which that of the old one says from now on.
    ///
    /// # Errors
    ///
    /// Where it can't be written.
    pub(crate) fn replay(&mut self, stored: Stored) -> Result<EntryId, EditError> {
        let redacted = history::redacted(&stored.event, &self.redact, &self.key);
        let transaction = self.connection.transaction()?;
        let id = EntryId(recovery::next_id(&transaction)?);
        // No rule is known to have answered it: so none has to say that it does no more.
        let arrival = stored.arrival(vec![WHICHEVER.to_owned()], redacted);
        rows::insert(&transaction, id, rand::random(), &arrival, Clock::new().now_ms())?;
        transaction.commit()?;
        Ok(id)
    }

    /// Remove an entry that ended, or that was not begun.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub(crate) fn remove(&self, id: EntryId) -> Result<(), EditError> {
        match edit::look(&self.connection, id)? {
            Look::Begun => Err(EditError::Begun(id)),
            Look::Waiting | Look::Ended => Ok(edit::delete(&self.connection, id)?),
        }
    }
}

impl std::fmt::Debug for Offline {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Offline").finish_non_exhaustive()
    }
}
