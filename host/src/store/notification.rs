//! What is still to be told to somebody, as values and as rows.
//!
//! A row goes once it was told or given up: that it was is in the log. What it says is not looked at here.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

use super::clock::Clock;

/// Something to be told by one notifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The name of the notifier.
    pub notifier: String,
    /// What those have in common that are told as one; none where each is told by itself.
    pub key: Option<String>,
    /// What it is about, for who is told of several as one.
    pub subject: String,
    /// What is told, as JSON.
    pub notice: String,
    /// The span that it belongs to.
    pub traceparent: Option<String>,
}

/// A notification that waits. Later ones have larger ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Names it.
    pub id: i64,
    /// How long it has waited.
    pub age: Duration,
    /// What it says.
    pub notification: Notification,
}

/// Those that wait and are told as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equal {
    /// How many there are.
    pub count: u64,
    /// The last of them,
    pub last_id: i64,
    /// and when it was made.
    pub last: Timestamp,
    /// What the first few are about, each once.
    pub subjects: Vec<String>,
}

/// Subjects that are named.
const SUBJECTS_MAX: usize = 5;

pub(super) fn insert(
    transaction: &Transaction<'_>,
    notifications: &[Notification],
    now_ms: i64,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO notification (notifier, key, subject, notice, traceparent, made)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut statement = transaction.prepare_cached(sql)?;
    for Notification { notifier, key, subject, notice, traceparent } in notifications {
        statement.execute(params![notifier, key, subject, notice, traceparent, now_ms])?;
    }
    Ok(())
}

/// They were told, or never will be: one, or those of its key up to the last.
pub(super) fn delete(transaction: &Transaction<'_>, told: &Told) -> rusqlite::Result<()> {
    match told {
        Told::One(id) => {
            transaction.prepare_cached("DELETE FROM notification WHERE id = ?1")?.execute([id])?;
        }
        Told::Equal { notifier, key, last_id } => {
            let sql = "DELETE FROM notification WHERE notifier = ?1 AND key = ?2 AND id <= ?3";
            transaction.prepare_cached(sql)?.execute(params![notifier, key, last_id])?;
        }
    }
    Ok(())
}

/// What was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// This one.
    One(i64),
    /// All of this key that were made until this one was.
    Equal {
        /// The name of the notifier.
        notifier: String,
        /// What they have in common.
        key: String,
        /// The last of them.
        last_id: i64,
    },
}

/// The first ones that wait for a notifier.
pub(super) fn first(
    connection: &Connection,
    clock: &Clock,
    notifier: &str,
    count: usize,
) -> rusqlite::Result<Vec<Waiting>> {
    let sql = "SELECT id, made, notifier, key, subject, notice, traceparent FROM notification
        WHERE notifier = ?1 ORDER BY id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    statement.query_map(params![notifier, count], |row| waiting(row, clock))?.collect()
}

fn waiting(row: &Row<'_>, clock: &Clock) -> rusqlite::Result<Waiting> {
    Ok(Waiting {
        id: row.get(0)?,
        age: clock.age(row.get(1)?),
        notification: Notification {
            notifier: row.get(2)?,
            key: row.get(3)?,
            subject: row.get(4)?,
            notice: row.get(5)?,
            traceparent: row.get(6)?,
        },
    })
}

/// All that wait for a notifier and have this key.
pub(super) fn equal(connection: &Connection, notifier: &str, key: &str) -> rusqlite::Result<Equal> {
    let sql = "SELECT count(*), coalesce(max(id), 0), coalesce(max(made), 0) FROM notification
        WHERE notifier = ?1 AND key = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let (count, last_id, last_ms) =
        statement.query_row([notifier, key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let sql = "SELECT subject FROM notification WHERE notifier = ?1 AND key = ?2 AND subject <> ''
        GROUP BY subject ORDER BY min(id) LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let subjects = statement.query_map(params![notifier, key, SUBJECTS_MAX], |row| row.get(0))?;
    let last = Timestamp::from_millisecond(last_ms).unwrap_or_default();
    Ok(Equal { count, last_id, last, subjects: subjects.collect::<rusqlite::Result<_>>()? })
}

/// How many wait for each notifier for which some do.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Vec<(String, usize)>> {
    let mut statement = connection.prepare("SELECT notifier, count(*) FROM notification GROUP BY notifier")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
