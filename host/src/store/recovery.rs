//! What a process finds of those before it.

use rusqlite::{Connection, OptionalExtension};

use super::entry::{EntryId, Fingerprint};
use super::error::OpenError;
use super::writer::Writer;
use super::{rows, schema};

/// So often the process may end while an entry is handled, before that is taken for what ends it.
const CRASHES_MAX: u32 = 2;

/// The number of the next entry, which no other ever had.
pub(super) fn next_id(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'entry'";
    let last: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(last.unwrap_or_default() + 1)
}

/// Count another end of the process for each entry that was handled then, and bury those for which there were too
/// many. The trace ids of the latter.
///
/// What ran when an earlier process ended and was not begun again since is no more suspect than before.
pub(super) fn poisoned(connection: &mut Connection, now_ms: i64) -> rusqlite::Result<Vec<String>> {
    let transaction = connection.transaction()?;
    let sql = "UPDATE entry SET crashes = crashes + 1 WHERE id IN (SELECT open.id FROM entry AS open
        JOIN step ON step.entry = open.id WHERE open.state = 0 AND step.is_running = 1 AND step.status IS NULL)
        RETURNING id, trace_id, crashes";
    let mut found = Vec::new();
    {
        let mut statement = transaction.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((EntryId(row.get(0)?), row.get(1)?, row.get::<_, u32>(2)?)))?;
        for row in rows {
            let (id, trace_id, crashes) = row?;
            if crashes >= CRASHES_MAX {
                found.push((id, trace_id));
            }
        }
    }
    interrupt(&transaction)?;
    for (id, _) in &found {
        let reason = format!("poisoned: the process ended {CRASHES_MAX} times while it was handled");
        rows::bury(&transaction, *id, &reason, now_ms)?;
    }
    transaction.commit()?;
    Ok(found.into_iter().map(|(_, trace_id)| trace_id).collect())
}

/// What was under way is so no more, and nobody knows how far it came.
pub(super) fn interrupt(connection: &Connection) -> rusqlite::Result<usize> {
    let sql = "UPDATE step SET is_running = ?1 WHERE is_running = 1 AND status IS NULL AND entry IN
        (SELECT id FROM entry WHERE state = 0)";
    connection.execute(sql, [schema::INTERRUPTED])
}

impl Writer {
    /// Take in what is unfinished, and what came a moment ago. How many entries wait.
    pub(super) fn recover(&mut self) -> Result<usize, OpenError> {
        let mut statement =
            self.connection.prepare("SELECT id, hostname, falco_rule, bytes FROM entry WHERE state = 0")?;
        let mut rows = statement.query([])?;
        let mut waiting = 0;
        while let Some(row) = rows.next()? {
            let (hostname, rule) = (row.get_ref(1)?.as_str(), row.get_ref(2)?.as_str());
            let place = self.usage.place(hostname.unwrap_or_default(), rule.unwrap_or_default(), row.get(3)?);
            self.usage.add(EntryId(row.get(0)?), place);
            waiting += 1;
        }
        let now_ms = self.clock.now_ms();
        let since_ms = self.recent.since_ms(now_ms);
        // The newest first, since only those matter, and there is no index of times.
        let mut statement = self.connection.prepare("SELECT received, fingerprint FROM entry ORDER BY id DESC")?;
        let mut rows = statement.query([])?;
        let mut recent: Vec<(i64, Fingerprint)> = Vec::new();
        while let Some(row) = rows.next()? {
            let received_ms = row.get(0)?;
            if received_ms <= since_ms || recent.len() >= self.recent.events_max() {
                break;
            }
            recent.extend(row.get::<_, Option<Fingerprint>>(1)?.map(|fingerprint| (received_ms, fingerprint)));
        }
        for (received_ms, fingerprint) in recent.into_iter().rev() {
            // Where the clock was set back since, what is still to come would be remembered until then.
            self.recent.is_repeat(fingerprint, received_ms.min(now_ms));
        }
        Ok(waiting)
    }
}
