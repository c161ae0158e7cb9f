//! The one thread that writes, in groups.
//!
//! What arrives while a group is written is the next one, so that under load many changes share the cost of one. A
//! group is with the operating system when it is answered, which survives the process; or synced, where one of its
//! changes asks for that, which survives the machine. Where a group can't be written, arrivals are refused, and
//! changes of what was accepted before are kept and written later.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::change::Change;
use super::clock::Clock;
use super::command::{Ask, Command, Removed, Written};
use super::edit::{self, EditError, Look};
use super::entry::{Acceptance, Arrival, Entry, EntryId, Outcome};
use super::error::Refused;
use super::folder;
use super::front::Front;
use super::history::Keep;
use super::inbox::Inbox;
use super::recent::Recent;
use super::rows;
use super::trouble::Trouble;
use super::usage::Usage;

/// Entries that are loaded at once.
const LOADED_AT_ONCE: usize = 256;

/// Until what could not be written is tried again.
const PAUSE: Duration = Duration::from_millis(250);

/// How often it is looked for what is too old.
const PRUNE_EVERY: Duration = Duration::from_secs(10);

/// Has nobody wait for a writer that has ended, however that was.
struct Closing<'a>(&'a Inbox);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) clock: Clock,
    pub(super) usage: Usage,
    pub(super) recent: Recent,
    pub(super) front: Arc<Front>,
    pub(super) trouble: Trouble,
    pub(super) keep: Keep,
    /// Whether values of events are to be gone once they have ended.
    pub(super) has_secrets: bool,
    pub(super) next_id: i64,
    /// Whether what is to be delivered lies in files.
    pub(super) is_spooled: bool,
    /// Whether dead letters have to be counted anew.
    pub(super) is_miscounted: bool,
    /// What could not be written yet, in its order.
    pub(super) pending: VecDeque<(Change, Option<Written>)>,
    /// How the last group was written.
    pub(super) is_synced: bool,
}

/// One that is let in, until the group is written.
struct Admitted {
    arrival: Arrival,
    id: EntryId,
    uid: u128,
    answer: oneshot::Sender<Result<Acceptance, Refused>>,
}

/// What a group holds.
#[derive(Default)]
struct Group {
    admitted: Vec<Admitted>,
    /// Repeats of what is in this very group, and of what is stored.
    repeats: Vec<oneshot::Sender<Result<Acceptance, Refused>>>,
    loads: Vec<(EntryId, u64)>,
    asks: Vec<Ask>,
    removals: Vec<(EntryId, Removed)>,
    is_last: bool,
}

impl Writer {
    /// Write what comes until told to stop.
    pub(super) fn run(mut self, inbox: &Inbox) {
        let _closing = Closing(inbox);
        let mut pruned = Instant::now();
        loop {
            let pause = if self.trouble.reason().is_some() { PAUSE } else { PRUNE_EVERY };
            let mut group = Group::default();
            for command in inbox.take(pause) {
                self.sort(command, &mut group);
            }
            let is_last = group.is_last;
            self.write(group);
            if pruned.elapsed() >= PRUNE_EVERY || self.keep.is_due() {
                self.prune();
                pruned = Instant::now();
            }
            self.front.note(self.usage.bytes(), self.keep.dead());
            if is_last {
                return;
            }
        }
    }

    fn sort(&mut self, command: Command, group: &mut Group) {
        match command {
            Command::Accept(arrival, answer) => self.admit(*arrival, answer, group),
            Command::Change(change, written) => {
                match &change {
                    // It is written sooner or later, and its place is free for what comes behind it.
                    Change::Close { id, outcome, .. } => self.ended(*id, *outcome),
                    Change::End { id, end, .. } => self.usage.grow(*id, end.bytes()),
                    Change::Begin { .. }
                    | Change::Attempted { .. }
                    | Change::Delivered { .. }
                    | Change::Notify(_)
                    | Change::Told(_) => {}
                }
                self.pending.push_back((change, written));
            }
            Command::Load(after, load) => group.loads.push((after, load)),
            Command::Forget(fingerprint) => self.recent.forget(&fingerprint),
            Command::Ask(ask) => group.asks.push(ask),
            Command::Remove(id, removed) => group.removals.push((id, removed)),
            Command::Stop => group.is_last = true,
        }
    }

    fn ended(&mut self, id: EntryId, outcome: Outcome) {
        if let Some(bytes) = self.usage.remove(id) {
            self.keep.ended(outcome, bytes);
        }
    }

    fn admit(&mut self, arrival: Arrival, answer: oneshot::Sender<Result<Acceptance, Refused>>, group: &mut Group) {
        // Whoever does not wait any more has gone, and hears nothing.
        let refuse = |answer: oneshot::Sender<_>, refused| drop(answer.send(Err(refused)));
        if self.front.is_closed() {
            return refuse(answer, Refused::Closed);
        }
        let place = self.usage.place_of(&arrival.event, rows::bytes_of(&arrival.body));
        if let Some(fingerprint) = arrival.fingerprint
            && self.recent.is_repeat(fingerprint, self.clock.now_ms())
        {
            return group.repeats.push(answer);
        }
        if let Err(refused) = self.usage.admit(&place) {
            self.forget(&arrival);
            return refuse(answer, refused);
        }
        let id = EntryId(self.next_id);
        self.next_id += 1;
        self.usage.add(id, place);
        group.admitted.push(Admitted { arrival, id, uid: rand::random(), answer });
    }

    /// One that is not stored is not the first of its kind.
    fn forget(&mut self, arrival: &Arrival) {
        if let Some(fingerprint) = &arrival.fingerprint {
            self.recent.forget(fingerprint);
        }
    }

    fn write(&mut self, group: Group) {
        let Group { admitted, repeats, loads, asks, removals, is_last: _ } = group;
        let now_ms = self.clock.now_ms();
        // A host that can't store events gets none, and would not notice that it can again.
        if !admitted.is_empty() || !self.pending.is_empty() || self.trouble.reason().is_some() {
            match self.commit(&admitted, now_ms) {
                Ok(()) => {
                    self.trouble.is_over();
                    self.settle();
                    self.accept(admitted);
                }
                Err(error) => self.refuse(admitted, &error, now_ms),
            }
        }
        for answer in repeats {
            // What it repeats was stored, or refused in this group: then its sender is refused as well.
            let refused = self.trouble.reason().map(Refused::Unwritable);
            let _ = answer.send(refused.map_or(Ok(Acceptance::Duplicate), Err));
        }
        for (after, load) in loads {
            self.load(after, load);
        }
        for ask in asks {
            ask(&mut self.connection);
        }
        for (id, removed) in removals {
            let _ = removed.send(self.remove(id));
        }
    }

    fn remove(&mut self, id: EntryId) -> Result<(), EditError> {
        // What could not be written yet may be about it.
        if !self.pending.is_empty() {
            return Err(EditError::Begun(id));
        }
        let delete = || edit::delete(&self.connection, id);
        match edit::look(&self.connection, id)? {
            Look::Ended => {
                delete()?;
                self.count();
                return Ok(());
            }
            Look::Waiting if self.front.remove(id, delete)? => {}
            Look::Waiting | Look::Begun => return Err(EditError::Begun(id)),
        }
        self.usage.remove(id);
        Ok(())
    }

    /// Somebody has changed what ended.
    fn count(&mut self) {
        if let Err(error) = self.keep.count(&self.connection) {
            self.trouble.is(&error.to_string());
        }
    }

    /// Everything in one transaction.
    fn commit(&mut self, admitted: &[Admitted], now_ms: i64) -> rusqlite::Result<()> {
        let is_synced = self.pending.iter().any(|(_, written)| written.as_ref().is_some_and(|it| it.is_synced));
        if is_synced != self.is_synced {
            self.connection.pragma_update(None, "synchronous", if is_synced { "FULL" } else { "NORMAL" })?;
            self.is_synced = is_synced;
        }
        let transaction = self.connection.transaction()?;
        for (change, _) in &self.pending {
            self.is_miscounted |= change.apply(&transaction, self.is_spooled, now_ms)?;
        }
        if self.trouble.reason().is_some() {
            let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES ('tried', ?1)";
            transaction.prepare_cached(sql)?.execute([now_ms])?;
        }
        for Admitted { arrival, id, uid, .. } in admitted {
            rows::insert(&transaction, *id, *uid, arrival, now_ms)?;
        }
        transaction.commit()
    }

    /// What waited to be written is.
    fn settle(&mut self) {
        for (_, written) in self.pending.drain(..) {
            if let Some(Written { done, .. }) = written {
                let _ = done.send(());
            }
        }
        if std::mem::take(&mut self.is_miscounted)
            && let Err(error) = self.keep.count(&self.connection)
        {
            self.trouble.is(&error.to_string());
        }
    }

    fn accept(&mut self, admitted: Vec<Admitted>) {
        let received = Instant::now();
        if admitted.iter().any(|admitted| admitted.arrival.replays.is_some()) {
            self.count();
        }
        for Admitted { arrival, id, uid, answer, .. } in admitted {
            let Arrival { event, trace_id, parent, fingerprint, rules, .. } = arrival;
            let (is_again, progress, crashes) = (false, Vec::new(), 0);
            self.front.arrived(Entry {
                id,
                uid,
                event,
                trace_id,
                parent,
                received,
                fingerprint,
                rules,
                is_again,
                progress,
                crashes,
            });
            let _ = answer.send(Ok(Acceptance::Stored(id)));
        }
    }

    /// Arrivals can be refused, and the rest may fit without them.
    fn refuse(&mut self, admitted: Vec<Admitted>, error: &rusqlite::Error, now_ms: i64) {
        self.trouble.is(&error.to_string());
        let had_arrivals = !admitted.is_empty();
        for Admitted { arrival, id, answer, .. } in admitted {
            self.usage.remove(id);
            self.forget(&arrival);
            let _ = answer.send(Err(Refused::Unwritable(error.to_string())));
        }
        if had_arrivals && !self.pending.is_empty() && self.commit(&[], now_ms).is_ok() {
            self.settle();
        }
    }

    fn load(&mut self, after: EntryId, load: u64) {
        // A row without what could not be written yet says less than what is so.
        if !self.pending.is_empty() {
            std::thread::sleep(PAUSE);
            return self.front.not_loaded(load);
        }
        let read = match rows::open_after(&self.connection, &self.clock, after, LOADED_AT_ONCE) {
            Ok(read) => read,
            Err(error) => {
                self.trouble.is(&error.to_string());
                std::thread::sleep(PAUSE);
                return self.front.not_loaded(load);
            }
        };
        let mut entries = Vec::new();
        for entry in read {
            entries.push(entry.map_err(|(id, error)| {
                self.trouble.lost(&format!("the event {id} can't be read, and is a dead letter: {error}"));
                let (outcome, reason) = (Outcome::Dead, format!("unreadable: {error}"));
                self.ended(id, outcome);
                self.pending.push_back((Change::Close { id, outcome, reason, redacted: None }, None));
                id
            }));
        }
        self.front.loaded(load, entries);
    }

    fn prune(&mut self) {
        let pruned = self.keep.prune(&self.connection, self.clock.now_ms());
        // What was replaced by a hash is still in the log of changes until that is written into the file.
        let emptied = if self.has_secrets { folder::empty_log(&self.connection) } else { Ok(()) };
        if let Err(error) = pruned.and(emptied) {
            self.trouble.is(&error.to_string());
        }
    }
}
