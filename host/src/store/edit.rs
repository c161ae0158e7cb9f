//! What a person changes of a store: an event that ended arrives once more, or an entry goes for good.

use bytes::Bytes;
use rules::Event;
use rusqlite::{Connection, OptionalExtension};

use super::entry::{Arrival, EntryId, Replays};
use super::error::Refused;
use super::history::is_redacted;
use crate::telemetry::{NotATraceId, TraceId};

/// Why a store was not changed as a person asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    /// It has no such entry.
    #[error("there is no event {0}")]
    Unknown(EntryId),
    /// It is still to be finished.
    #[error("the event {0} has not ended: what is dead or done can be replayed")]
    Unfinished(EntryId),
    /// What would arrive is not what happened.
    #[error("the event {0} can't be replayed: of the fields in 'history.redact' only hashes are left")]
    Redacted(EntryId),
    /// What comes of it has begun.
    #[error("the event {0} has begun, and can be dropped once it has ended")]
    Begun(EntryId),
    /// What was collected for it is not delivered yet.
    #[error("of the event {0} something is still to be delivered: it can be dropped after that")]
    Undelivered(EntryId),
    /// It is damaged.
    #[error("the event {0} can't be read: {1}")]
    Unreadable(EntryId, String),
    /// There is no room, or it is too late.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The database can't be used.
    #[error("the store can't be used: {0}")]
    Database(#[from] rusqlite::Error),
}

/// The event of an entry that ended.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Which entry.
    pub(crate) id: EntryId,
    /// What Falco sent.
    pub(crate) event: Event,
    /// The same as it was received.
    body: Bytes,
    trace_id: TraceId,
}

impl Stored {
    /// The same event once more. It keeps its trace id, so that logs connect, and is no repeat of itself.
    pub(super) fn arrival(self, rules: Vec<String>, redacted: Option<Vec<u8>>) -> Arrival {
        let Self { id, event, body, trace_id } = self;
        Arrival {
            event,
            body,
            trace_id,
            parent: None,
            fingerprint: None,
            rules,
            replays: Some(Replays { id, redacted }),
        }
    }
}

/// How far an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing was done for it.
    Waiting,
    Begun,
    Ended,
}

pub(super) fn look(connection: &Connection, id: EntryId) -> Result<Look, EditError> {
    let sql = "SELECT state <> 0, EXISTS (SELECT 1 FROM step WHERE step.entry = entry.id),
        EXISTS (SELECT 1 FROM delivery WHERE delivery.entry = entry.id AND delivery.state = 0) FROM entry WHERE id = ?1";
    let found = connection.query_row(sql, [id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    match found.ok_or(EditError::Unknown(id))? {
        (_, _, true) => Err(EditError::Undelivered(id)),
        (true, ..) => Ok(Look::Ended),
        (false, true, _) => Ok(Look::Begun),
        (false, false, _) => Ok(Look::Waiting),
    }
}

pub(super) fn stored(connection: &Connection, id: EntryId) -> Result<Stored, EditError> {
    let sql = "SELECT state <> 0, trace_id, body FROM entry WHERE id = ?1";
    let row =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, bool>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?));
    let found = connection.query_row(sql, [id.0], row).optional()?;
    let (has_ended, trace_id, body) = found.ok_or(EditError::Unknown(id))?;
    if !has_ended {
        return Err(EditError::Unfinished(id));
    }
    let unreadable = |error: &dyn ToString| EditError::Unreadable(id, error.to_string());
    let event = Event::from_json(&body).map_err(|error| unreadable(&error))?;
    if is_redacted(&event) {
        return Err(EditError::Redacted(id));
    }
    let trace_id = trace_id.parse().map_err(|error: NotATraceId| unreadable(&error))?;
    Ok(Stored { id, event, body: body.into(), trace_id })
}

/// Delete an entry with its steps.
pub(super) fn delete(connection: &Connection, id: EntryId) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM entry WHERE id = ?1", [id.0])?;
    Ok(())
}
