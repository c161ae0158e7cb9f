//! What ended is kept for a while, and what is secret in it is not.

use ring::hmac;
use rules::Event;
use rusqlite::{Connection, params};
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
        let is_too_much = self.bytes > self.history.bytes_max;
        let oldest_ms = if is_too_much { i64::MAX } else { now_ms.saturating_sub(milliseconds(self.history.keep)) };
        let sql = "DELETE FROM entry WHERE id IN
            (SELECT id FROM entry WHERE state <> 0 AND ended < ?1
                AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.entry = entry.id AND delivery.state = 0)
            ORDER BY ended LIMIT ?2) RETURNING bytes, state = ?3";
        let mut statement = connection.prepare_cached(sql)?;
        let deleted = statement.query_map(params![oldest_ms, DELETED_AT_ONCE, State::Dead as i64], |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, bool>(1)?))
        })?;
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
        let hex: String = tag.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("redacted:{hex}")
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
