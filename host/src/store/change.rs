//! What is written, one statement or two each.

use rusqlite::{OptionalExtension, Transaction, params};

use super::delivery::{Delivered, Delivery, DeliveryId};
use super::due;
use super::entry::{Attempted, EntryId, Outcome, Step, StepEnd};
use super::notification::{self, Notification, Told};
use super::schema::State;

/// A change of an entry that was stored. None may be lost: where it can't be written, it is written later.
#[derive(Debug)]
pub(super) enum Change {
    /// An attempt begins.
    Begin { id: EntryId, number: u32, step: Box<Step>, attempts: u32 },
    /// An attempt has ended, and another one may follow.
    Attempted { id: EntryId, number: u32, attempted: Attempted },
    /// A step has ended, and leaves this to be delivered.
    End { id: EntryId, number: u32, end: Box<StepEnd>, deliveries: Vec<Delivery> },
    /// An attempt at a delivery has ended.
    Delivered { id: DeliveryId, delivered: Delivered, message: String },
    /// Somebody is to be told of something.
    Notify(Vec<Notification>),
    /// Somebody was told, or never will be.
    Told(Told),
    /// It is nobody's to finish any more.
    Close { id: EntryId, outcome: Outcome, reason: String, redacted: Option<Vec<u8>> },
}

impl Change {
    /// Whether there may be other dead letters than those that were counted. `is_spooled`: what is to be delivered lies
    /// in files.
    pub(super) fn apply(&self, transaction: &Transaction<'_>, is_spooled: bool, now_ms: i64) -> rusqlite::Result<bool> {
        match self {
            Self::Begin { id, number, step, attempts } => {
                let sql =
                    "INSERT INTO step (entry, number, rule, action, hash, is_repeatable, attempts, is_running, begun)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8)
                    ON CONFLICT (entry, number) DO UPDATE SET attempts = ?7, is_running = 1, rest = 0, is_repeatable = ?6";
                let Step { rule, action, hash, is_repeatable } = &**step;
                transaction.prepare_cached(sql)?.execute(params![
                    id.0,
                    number,
                    rule,
                    action,
                    hash,
                    is_repeatable,
                    attempts,
                    now_ms
                ])?;
            }
            Self::Attempted {
                id,
                number,
                attempted: Attempted { attempts, tried, rest, message, learnt, was_unknown },
            } => {
                let sql = "UPDATE step SET is_running = 0, tried = ?3, message = ?4, learnt = coalesce(?5, learnt),
                    was_unknown = ?6, attempts = ?7, rest = ?8 WHERE entry = ?1 AND number = ?2";
                let tried_ms = super::clock::milliseconds(*tried);
                let rest_ms = super::clock::milliseconds(*rest);
                transaction.prepare_cached(sql)?.execute(params![
                    id.0,
                    number,
                    tried_ms,
                    message,
                    learnt,
                    was_unknown,
                    attempts,
                    rest_ms
                ])?;
            }
            Self::End { id, number, end, deliveries } => {
                let sql =
                    "UPDATE step SET is_running = 0, status = ?3, message = ?4, calls = ?5, ended = ?6, is_last = ?7
                    WHERE entry = ?1 AND number = ?2";
                let StepEnd { status, message, calls, is_last } = &**end;
                transaction
                    .prepare_cached(sql)?
                    .execute(params![id.0, number, status, message, calls, now_ms, is_last])?;
                let sql = "UPDATE entry SET bytes = bytes + ?2 WHERE id = ?1";
                let bytes = i64::try_from(end.bytes()).unwrap_or(i64::MAX);
                transaction.prepare_cached(sql)?.execute(params![id.0, bytes])?;
                for delivery in deliveries {
                    due::insert(transaction, *id, delivery, is_spooled, now_ms)?;
                }
            }
            Self::Delivered { id, delivered, message } => {
                return due::note(transaction, *id, delivered, message, now_ms);
            }
            Self::Notify(notifications) => notification::insert(transaction, notifications, now_ms)?,
            Self::Told(told) => notification::delete(transaction, told)?,
            Self::Close { id, outcome, reason, redacted } => {
                let state = match outcome {
                    Outcome::Done => State::Done,
                    Outcome::Dead => State::Dead,
                };
                let reason = Some(reason).filter(|reason| !reason.is_empty());
                // A delivery that was given up has left its reason.
                let sql = "UPDATE entry SET state = CASE WHEN reason IS NULL THEN ?2 ELSE ?5 END, ended = ?3,
                    reason = coalesce(?4, reason) WHERE id = ?1 RETURNING state";
                let mut statement = transaction.prepare_cached(sql)?;
                let row = params![id.0, state as i64, now_ms, reason, State::Dead as i64];
                let written: Option<i64> = statement.query_row(row, |row| row.get(0)).optional()?;
                if *outcome == Outcome::Dead {
                    let sql = "UPDATE step SET is_running = 0, status = 'unknown' WHERE entry = ?1 AND status IS NULL";
                    transaction.prepare_cached(sql)?.execute([id.0])?;
                }
                if let Some(body) = redacted {
                    let sql = "UPDATE entry SET body = ?2 WHERE id = ?1";
                    transaction.prepare_cached(sql)?.execute(params![id.0, body])?;
                }
                return Ok(written.is_some_and(|written| written != state as i64));
            }
        }
        Ok(false)
    }
}
