//! Deliveries as rows, written and read.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use tokio::time::Instant;

use super::clock::{Clock, milliseconds};
use super::delivery::{Delivered, Delivery, DeliveryId, Due};
use super::entry::EntryId;
use super::schema::{Arrival, State};

/// What a process finds of those before it.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) due: Vec<Due>,
    pub(super) files: HashSet<String>,
}

/// `is_spooled`: its bytes lie in the file that its id names.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    entry: EntryId,
    delivery: &Delivery,
    is_spooled: bool,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO delivery (id, entry, rule, action, actionner, target, parameters, name, media_type, file,
        bytes, objects, made, next, notifiers, traceparent)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    let id = delivery.id.to_string();
    transaction.prepare_cached(sql)?.execute(params![
        id,
        entry.0,
        delivery.rule,
        delivery.action,
        delivery.actionner,
        delivery.target,
        delivery.parameters,
        delivery.name,
        delivery.media_type,
        is_spooled.then_some(&id),
        delivery.bytes,
        serde_json::to_string(&delivery.objects).unwrap_or_default(),
        delivery.made.as_millisecond(),
        now_ms,
        serde_json::to_string(&delivery.notifiers).unwrap_or_default(),
        delivery.traceparent,
    ])?;
    Ok(())
}

/// An attempt has ended. Whether an entry has become a dead letter by it.
pub(super) fn note(
    transaction: &Transaction<'_>,
    id: DeliveryId,
    delivered: &Delivered,
    message: &str,
    now_ms: i64,
) -> rusqlite::Result<bool> {
    let id = id.to_string();
    if let Delivered::Postponed(pause) = delivered {
        let sql = "UPDATE delivery SET attempts = attempts + 1, next = ?2, message = ?3 WHERE id = ?1";
        let next_ms = now_ms.saturating_add(milliseconds(*pause));
        transaction.prepare_cached(sql)?.execute(params![id, next_ms, message])?;
        return Ok(false);
    }
    let is_arrived = *delivered == Delivered::Arrived;
    let state = if is_arrived { Arrival::Arrived } else { Arrival::GivenUp };
    let sql = "UPDATE delivery SET state = ?2, attempts = attempts + 1, next = NULL, ended = ?3, message = ?4,
        file = CASE WHEN ?5 THEN NULL ELSE file END WHERE id = ?1";
    transaction.prepare_cached(sql)?.execute(params![id, state as i64, now_ms, message, is_arrived])?;
    if is_arrived {
        return Ok(false);
    }
    // One that is open says so when it ends.
    let sql = "UPDATE entry SET reason = coalesce(reason, ?2), state = CASE state WHEN ?3 THEN ?4 ELSE state END
        WHERE id = (SELECT entry FROM delivery WHERE id = ?1)";
    let reason = format!("a delivery was given up: {message}");
    transaction.prepare_cached(sql)?.execute(params![id, reason, State::Done as i64, State::Dead as i64])?;
    Ok(true)
}

pub(super) fn find(connection: &Connection, id: DeliveryId) -> rusqlite::Result<Option<Delivery>> {
    let sql = "SELECT trace_id, rule, action, actionner, target, parameters, name, media_type, delivery.bytes, objects,
        made, notifiers, delivery.traceparent FROM delivery JOIN entry ON entry.id = delivery.entry WHERE delivery.id = ?1 AND delivery.state = 0";
    connection.prepare_cached(sql)?.query_row([id.to_string()], |row| delivery(id, row)).optional()
}

fn delivery(id: DeliveryId, row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let objects = serde_json::from_str(&row.get::<_, String>(9)?).map_err(|error| unreadable(9, error.into()))?;
    let notifiers = serde_json::from_str(&row.get::<_, String>(11)?).map_err(|error| unreadable(11, error.into()))?;
    let made = Timestamp::from_millisecond(row.get(10)?).map_err(|error| unreadable(10, error.into()))?;
    Ok(Delivery {
        id,
        trace_id: row.get(0)?,
        rule: row.get(1)?,
        action: row.get(2)?,
        actionner: row.get(3)?,
        target: row.get(4)?,
        parameters: row.get(5)?,
        name: row.get(6)?,
        media_type: row.get(7)?,
        bytes: row.get(8)?,
        objects,
        made,
        notifiers,
        traceparent: row.get(12)?,
    })
}

/// All that is due, in the order of the next attempts, and all files that are still wanted.
pub(super) fn left(connection: &Connection, clock: &Clock) -> rusqlite::Result<Left> {
    connection.execute("DELETE FROM unwanted_file", [])?;
    let sql = "SELECT id, target, parameters, made, next, attempts FROM delivery WHERE state = 0 ORDER BY next, rowid";
    let mut statement = connection.prepare(sql)?;
    let due = statement.query_map([], |row| due(row, clock))?.collect::<rusqlite::Result<_>>()?;
    let mut statement = connection.prepare("SELECT file FROM delivery WHERE file IS NOT NULL")?;
    let files = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(Left { due, files })
}

fn due(row: &Row<'_>, clock: &Clock) -> rusqlite::Result<Due> {
    let id = u128::from_str_radix(&row.get::<_, String>(0)?, 16).map_err(|error| unreadable(0, error.into()))?;
    let now = Instant::now();
    let ahead_ms = row.get::<_, i64>(4)?.saturating_sub(clock.now_ms());
    Ok(Due {
        id: DeliveryId(id),
        target: row.get(1)?,
        parameters: row.get(2)?,
        made: now.checked_sub(clock.age(row.get(3)?)).unwrap_or(now),
        next: now + Duration::from_millis(u64::try_from(ahead_ms).unwrap_or_default()),
        attempts: row.get(5)?,
    })
}

/// The files of deliveries that were deleted since this was last asked.
pub(super) fn unwanted(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("DELETE FROM unwanted_file RETURNING file")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn unreadable(column: usize, error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error)
}
