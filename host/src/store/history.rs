//! What ended is kept for a while, and what is secret in it is not.

use ring::hmac;
use rules::Event;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::clock::milliseconds;
use super::entry::Outcome;
use super::schema::State;
use crate::config::History;

/// Entries that are deleted at once, so that events need not wait for long.
const DELETED_AT_ONCE: i64 = 500;

/// Ended entries after which it is looked for what is too much.
const LOOK_EVERY: usize = 500;

/// Counts what ended, and deletes what is too old or too much.
#[derive(Debug)]
pub(super) struct Keep {
    history: History,
    bytes: u64,
    dead: usize,
    /// Since it was last looked for what to delete.
    ended: usize,
}

impl Keep {
    pub(super) fn new(history: History, connection: &Connection) -> rusqlite::Result<Self> {
        let mut keep = Self { history, bytes: 0, dead: 0, ended: LOOK_EVERY };
        keep.count(connection)?;
        Ok(keep)
    }

    /// Count anew what ended, since somebody has changed it.
    pub(super) fn count(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT coalesce(sum(bytes), 0), coalesce(sum(state = ?1), 0) FROM entry WHERE state <> 0";
        let counted = connection.query_row(sql, [State::Dead as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
        (self.bytes, self.dead) = counted;
        Ok(())
    }

    /// An entry ended that takes so much.
    pub(super) fn ended(&mut self, outcome: Outcome, bytes: u64) {
        self.ended += 1;
        self.bytes += bytes;
        self.dead += usize::from(outcome == Outcome::Dead);
    }

    pub(super) fn dead(&self) -> usize {
        self.dead
    }

    pub(super) fn is_due(&self) -> bool {
        self.ended >= LOOK_EVERY
    }

    /// Delete what is too old or too much, the oldest first, and some at once; but nothing of which a delivery is due.
    pub(super) fn prune(&mut self, connection: &Connection, now_ms: i64) -> rusqlite::Result<()> {
        let excess = i64::try_from(self.bytes.saturating_sub(self.history.bytes_max)).unwrap_or(i64::MAX);
        let oldest_ms = now_ms.saturating_sub(milliseconds(self.history.keep));
        // Of what is not too old no more than there is too much.
        let sql = "DELETE FROM entry WHERE id IN
            (SELECT id FROM (SELECT id, ended, sum(bytes) OVER (ORDER BY ended, id) - bytes AS older FROM entry
                WHERE state <> 0
                AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.entry = entry.id AND delivery.state = 0)
                ORDER BY ended, id LIMIT ?2)
            WHERE ended < ?1 OR older < ?4) RETURNING bytes, state = ?3";
        let mut statement = connection.prepare_cached(sql)?;
        let values = params![oldest_ms, DELETED_AT_ONCE, State::Dead as i64, excess];
        let deleted = statement.query_map(values, |row| Ok((row.get::<_, u64>(0)?, row.get::<_, bool>(1)?)))?;
        let mut count = 0;
        for deleted in deleted {
            let (bytes, is_dead) = deleted?;
            count += 1;
            self.bytes = self.bytes.saturating_sub(bytes);
            self.dead = self.dead.saturating_sub(usize::from(is_dead));
        }
        // There may be more of them.
        self.ended = if count == DELETED_AT_ONCE { LOOK_EVERY } else { 0 };
        Ok(())
    }
}

/// Keep in the store which output fields are secret, for who changes it without a host.
pub(super) fn remember_secrets(connection: &Connection, fields: &[String]) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES ('redact', ?1)";
    connection.execute(sql, [Value::from(fields).to_string()])?;
    Ok(())
}

/// Which output fields were secret to the last host.
pub(super) fn secrets(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT value FROM meta WHERE name = 'redact'";
    let text: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    let fields = text.map_or_else(|| Ok(Vec::new()), |text| serde_json::from_str(&text));
    fields.map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

/// Stands before the hash of what is secret.
const REDACTED: &str = "redacted:";

/// How much of a hash is kept, in bytes.
const HASH_BYTES: usize = 8;

/// Whether this is what [`redacted`] has left of an event, which is another one than that which happened.
pub(super) fn is_redacted(event: &Event) -> bool {
    let hash = event.output.strip_prefix(REDACTED);
    hash.is_some_and(|hash| hash.len() == 2 * HASH_BYTES && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The event as it is kept once it has ended; none where nothing of it is secret.
///
/// Its message tells the values of its fields, so that it goes with them.
pub(super) fn redacted(event: &Event, fields: &[String], key: &hmac::Key) -> Option<Vec<u8>> {
    if !fields.iter().any(|field| event.output_fields.contains_key(field)) {
        return None;
    }
    let mut event = event.clone();
    let hash = |text: &str| {
        let tag = hmac::sign(key, text.as_bytes());
        let hex: String = tag.as_ref()[..HASH_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{REDACTED}{hex}")
    };
    for field in fields {
        if let Some(value) = event.output_fields.get_mut(field) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            *value = Value::String(hash(&text));
        }
    }
    event.output = hash(&event.output);
    Some(event.to_json().into_bytes())
}
