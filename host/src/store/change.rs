//! What is written, one statement or two each.

use rusqlite::{Transaction, params};

use super::entry::{Attempted, EntryId, Outcome, Step, StepEnd};
use super::schema::State;

/// A change of an entry that was stored. None may be lost: where it can't be written, it is written later.
#[derive(Debug)]
pub(super) enum Change {
    /// An attempt begins.
    Begin { id: EntryId, number: u32, step: Box<Step>, attempts: u32 },
    /// An attempt has ended, and another one may follow.
    Attempted { id: EntryId, number: u32, attempted: Attempted },
    /// A step has ended.
    End { id: EntryId, number: u32, end: Box<StepEnd> },
    /// It is nobody's to finish any more.
    Close { id: EntryId, outcome: Outcome, reason: String, redacted: Option<Vec<u8>> },
}

impl Change {
    pub(super) fn apply(&self, transaction: &Transaction<'_>, now_ms: i64) -> rusqlite::Result<()> {
        match self {
            Self::Begin { id, number, step, attempts } => {
                let sql =
                    "INSERT INTO step (entry, number, rule, action, hash, is_repeatable, attempts, is_running, begun)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8)
                    ON CONFLICT (entry, number) DO UPDATE SET attempts = ?7, is_running = 1, is_repeatable = ?6";
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
            Self::Attempted { id, number, attempted: Attempted { tried, message, learnt, was_unknown } } => {
                let sql = "UPDATE step SET is_running = 0, tried = ?3, message = ?4, learnt = coalesce(?5, learnt),
                    was_unknown = ?6 WHERE entry = ?1 AND number = ?2";
                let tried_ms = super::clock::milliseconds(*tried);
                transaction.prepare_cached(sql)?.execute(params![
                    id.0,
                    number,
                    tried_ms,
                    message,
                    learnt,
                    was_unknown
                ])?;
            }
            Self::End { id, number, end } => {
                let sql = "UPDATE step SET is_running = 0, status = ?3, message = ?4, calls = ?5, ended = ?6
                    WHERE entry = ?1 AND number = ?2";
                let StepEnd { status, message, calls } = &**end;
                transaction.prepare_cached(sql)?.execute(params![id.0, number, status, message, calls, now_ms])?;
                let sql = "UPDATE entry SET bytes = bytes + ?2 WHERE id = ?1";
                let bytes = i64::try_from(end.bytes()).unwrap_or(i64::MAX);
                transaction.prepare_cached(sql)?.execute(params![id.0, bytes])?;
            }
            Self::Close { id, outcome, reason, redacted } => {
                let state = match outcome {
                    Outcome::Done => State::Done,
                    Outcome::Dead => State::Dead,
                };
                let reason = Some(reason).filter(|reason| !reason.is_empty());
                let sql = "UPDATE entry SET state = ?2, ended = ?3, reason = ?4 WHERE id = ?1";
                transaction.prepare_cached(sql)?.execute(params![id.0, state as i64, now_ms, reason])?;
                if let Some(body) = redacted {
                    let sql = "UPDATE entry SET body = ?2 WHERE id = ?1";
                    transaction.prepare_cached(sql)?.execute(params![id.0, body])?;
                }
            }
        }
        Ok(())
    }
}
