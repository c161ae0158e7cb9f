//! Entries as rows, written and read.

use std::time::Duration;

use rules::Event;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, Transaction, params};
use tokio::time::Instant;

use super::clock::Clock;
use super::entry::{Arrival, Entry, EntryId, Progress, Replays, Step};
use super::schema::State;
use crate::telemetry::NotATraceId;

/// What a row takes beside the event, roughly: columns, index, steps.
const ROW_BYTES: u64 = 512;

/// What the events that are loaded at once take in memory, but for the last of them.
const LOADED_BYTES_MAX: usize = 8 << 20;

/// What an event takes in the store.
pub(super) fn bytes_of(body: &[u8]) -> u64 {
    body.len() as u64 + ROW_BYTES
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    id: EntryId,
    uid: u128,
    arrival: &Arrival,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let Arrival { event, body, trace_id, parent, fingerprint, rules, replays } = arrival;
    let pod = event.pod();
    let sql = "INSERT INTO entry
        (id, received, uid, trace_id, fingerprint, falco_rule, hostname, namespace, pod, rules, bytes, body,
            traceparent)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    transaction.prepare_cached(sql)?.execute(params![
        id.0,
        now_ms,
        format!("{uid:032x}"),
        trace_id.to_string(),
        fingerprint,
        event.rule,
        event.hostname,
        pod.map(|pod| pod.namespace),
        pod.map(|pod| pod.name),
        serde_json::Value::from(rules.as_slice()).to_string(),
        i64::try_from(bytes_of(body)).unwrap_or(i64::MAX),
        &**body,
        parent.map(|parent| parent.to_string()),
    ])?;
    if let Some(Replays { id: replayed, redacted }) = replays {
        let sql = "UPDATE entry SET state = ?2, body = coalesce(?3, body),
            reason = 'replayed as ' || ?4 || iif(reason IS NULL, '', '; ' || reason) WHERE id = ?1 AND state <> 0";
        transaction.prepare_cached(sql)?.execute(params![replayed.0, State::Done as i64, redacted, id.0])?;
    }
    Ok(())
}

/// The open entries behind this one, in their order, and those that can't be read, with the reason.
pub(super) fn open_after(
    connection: &Connection,
    clock: &Clock,
    after: EntryId,
    count: usize,
) -> rusqlite::Result<Vec<Result<Entry, (EntryId, String)>>> {
    let sql = "SELECT id, received, crashes, uid, trace_id, rules, body, traceparent FROM entry
        WHERE state = 0 AND id > ?1 ORDER BY id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![after.0, count], |row| Ok((EntryId(row.get(0)?), entry(row, clock))))?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for row in rows {
        let (id, entry) = row?;
        bytes += entry.as_ref().map_or(0, |entry| entry.event.bytes());
        let entry = match (entry, progress(connection, id)) {
            (Ok(entry), Ok(progress)) => Ok(Entry { progress, ..entry }),
            // Not this one alone: it may be read later.
            (_, Err(error @ rusqlite::Error::SqliteFailure(..))) => return Err(error),
            (Err(error), _) | (_, Err(error)) => Err((id, error.to_string())),
        };
        entries.push(entry);
        // The next ones come with the next load.
        if bytes > LOADED_BYTES_MAX {
            break;
        }
    }
    Ok(entries)
}

fn entry(row: &Row<'_>, clock: &Clock) -> rusqlite::Result<Entry> {
    let unreadable =
        |column, error: String| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, error.into());
    let text = |column| row.get::<_, String>(column);
    let uid = u128::from_str_radix(&text(3)?, 16).map_err(|error| unreadable(3, error.to_string()))?;
    let trace_id = text(4)?.parse().map_err(|error: NotATraceId| unreadable(4, error.to_string()))?;
    let rules = serde_json::from_str(&text(5)?).map_err(|error| unreadable(5, error.to_string()))?;
    let event = Event::from_json(row.get_ref(6)?.as_blob()?).map_err(|error| unreadable(6, error.to_string()))?;
    let now = Instant::now();
    Ok(Entry {
        id: EntryId(row.get(0)?),
        received: now.checked_sub(clock.age(row.get(1)?)).unwrap_or(now),
        crashes: row.get(2)?,
        uid,
        trace_id,
        // Without it the spans of the event begin a tree of their own.
        parent: row.get::<_, Option<String>>(7)?.and_then(|parent| parent.parse().ok()),
        rules,
        event,
        fingerprint: None,
        is_again: true,
        progress: Vec::new(),
    })
}

fn progress(connection: &Connection, id: EntryId) -> rusqlite::Result<Vec<Progress>> {
    let sql =
        "SELECT rule, action, hash, is_repeatable, attempts, is_running, tried, learnt, was_unknown, status, is_last, rest FROM step
        WHERE entry = ?1 ORDER BY number";
    let mut statement = connection.prepare_cached(sql)?;
    let steps = statement.query_map([id.0], |row| {
        let step = Step { rule: row.get(0)?, action: row.get(1)?, hash: row.get(2)?, is_repeatable: row.get(3)? };
        Ok(Progress {
            step,
            attempts: row.get(4)?,
            is_running: row.get(5)?,
            tried: Duration::from_millis(row.get(6)?),
            learnt: row.get(7)?,
            was_unknown: row.get(8)?,
            status: row.get(9)?,
            is_last: row.get(10)?,
            rest: Duration::from_millis(row.get(11)?),
        })
    })?;
    steps.collect()
}

/// One that ended while the store held it open. Nobody knows how far what ran of it came.
pub(super) fn bury(connection: &Connection, id: EntryId, reason: &str, now_ms: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE step SET is_running = 0, status = 'unknown', message = ?2, ended = ?3
        WHERE entry = ?1 AND status IS NULL";
    let message = "the process ended while the action ran; it may have been carried out";
    connection.prepare_cached(sql)?.execute(params![id.0, message, now_ms])?;
    let sql = "UPDATE entry SET state = ?2, ended = ?3, reason = ?4 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id.0, State::Dead as i64, now_ms, reason])?;
    Ok(())
}
