//! The entries that come next, in memory, and those that were taken.
//!
//! What arrives goes straight to who takes it, as long as nothing older waits in the store and there is room. Beyond
//! that entries wait in the store alone, and are loaded again in their order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::entry::{Entry, EntryId};
use super::usage::Limits;
use crate::telemetry::TraceId;
use crate::telemetry::metrics::Queued;

/// Entries that are loaded before they are taken.
const READY_MAX: usize = 512;

#[derive(Debug)]
pub(super) struct Front {
    limits: Limits,
    // A blocking mutex, because nothing waits while it is held.
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Arc<Entry>>,
    /// Taken and not given back.
    taken: BTreeMap<EntryId, Taken>,
    /// Entries that were removed after they were taken, and begin nothing.
    removed: BTreeSet<EntryId>,
    /// What the events of both take.
    bytes: usize,
    /// Entries that wait in the store alone, and are loaded once their turn comes.
    stored: usize,
    /// Entries that were taken and given back, and are left to the next process.
    left: usize,
    /// Entries that were taken and given back, and are not loaded before they are asked for again.
    postponed: BTreeSet<EntryId>,
    /// Of the entries that were handed out before, those that come again.
    again: BTreeSet<EntryId>,
    /// The last one that was looked at.
    last: EntryId,
    /// The latest one that ever was ready. What is not behind it is handled or done, unless it comes again.
    latest: EntryId,
    is_loading: bool,
    /// Which load is the current one: what an earlier one brings may be out of date.
    load: u64,
    /// Nothing more is accepted.
    is_closed: bool,
    /// Nothing more is handed out.
    is_stopped: bool,
    stored_bytes: u64,
    dead: usize,
}

/// An entry that is handled.
#[derive(Debug)]
struct Taken {
    trace_id: TraceId,
    /// What its event takes.
    bytes: usize,
    /// It is no longer in the lane of its target.
    is_started: bool,
    has_begun: bool,
}

/// An entry that was handled when the host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOff {
    /// Of its event.
    pub trace_id: TraceId,
    /// Whether an action of it was begun.
    pub has_begun: bool,
}

/// What who asks for an entry gets.
#[derive(Debug)]
pub(super) enum Next {
    Entry(Arc<Entry>),
    /// Entries behind this one must be loaded first, by whom this is said to; the load has this number.
    Load(EntryId, u64),
    Wait,
    End,
}

impl Front {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change below is complete before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when there may be another answer than before.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.changed.notified()
    }

    pub(super) fn next(&self) -> Next {
        let mut state = self.state();
        let is_over = state.is_closed && state.ready.is_empty() && state.stored == 0 && state.postponed.is_empty();
        if state.is_stopped || is_over {
            return Next::End;
        }
        let Limits { in_flight_max, loaded_bytes_max, .. } = self.limits;
        let is_full = state.taken.len() >= in_flight_max || state.bytes > loaded_bytes_max;
        // One is always handled, whatever its size.
        if is_full && !state.taken.is_empty() {
            return Next::Wait;
        }
        if let Some(entry) = state.ready.pop_front() {
            let has_begun = entry.progress.iter().any(|step| step.status.is_none());
            let (trace_id, bytes) = (entry.trace_id, entry.event.bytes());
            state.taken.insert(entry.id, Taken { trace_id, bytes, is_started: false, has_begun });
            if !state.ready.is_empty() || state.stored > 0 {
                // Two arrivals before anyone waits leave a single wake-up behind.
                self.changed.notify_one();
            }
            return Next::Entry(entry);
        }
        if state.stored > 0 && !state.is_loading {
            state.is_loading = true;
            return Next::Load(state.last, state.load);
        }
        Next::Wait
    }

    /// An entry was stored.
    pub(super) fn arrived(&self, entry: Entry) {
        let mut state = self.state();
        let is_full = state.ready.len() >= READY_MAX || state.bytes > self.limits.loaded_bytes_max;
        if state.stored > 0 || is_full {
            state.stored += 1;
        } else {
            state.push(entry);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Entries wait in the store, from before the process began or given back to it.
    pub(super) fn waits(&self, count: usize) {
        self.state().stored += count;
        self.changed.notify_one();
    }

    /// The open entries behind the last one that was looked at were loaded, in their order, or can't be read.
    pub(super) fn loaded(&self, load: u64, entries: Vec<Result<Entry, EntryId>>) {
        let mut state = self.state();
        // Else some that come again lie before these: they come first.
        if state.load == load {
            state.is_loading = false;
            if entries.is_empty() {
                state.stored = 0;
            }
            for entry in entries {
                let id = entry.as_ref().map_or_else(|id| *id, |entry| entry.id);
                state.last = id;
                if id > state.latest || state.again.remove(&id) {
                    state.stored = state.stored.saturating_sub(1);
                    if let Ok(entry) = entry {
                        state.push(entry);
                    }
                }
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The entries could not be loaded now.
    pub(super) fn not_loaded(&self, load: u64) {
        let mut state = self.state();
        if state.load == load {
            state.is_loading = false;
        }
        drop(state);
        self.changed.notify_one();
    }

    /// It is handled later, once what is postponed is asked for again, and takes no memory until then.
    pub(super) fn postpone(&self, id: EntryId) {
        let mut state = self.state();
        if let Some(taken) = state.taken.remove(&id) {
            state.bytes -= taken.bytes;
            state.postponed.insert(id);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Hand out what was postponed, before what came after it.
    pub(super) fn resume(&self) {
        let mut state = self.state();
        let state = &mut *state;
        let Some(first) = state.postponed.first() else { return };
        let first = first.0;
        state.stored += state.postponed.len() + state.ready.len();
        state.again.append(&mut state.postponed);
        for entry in std::mem::take(&mut state.ready) {
            state.bytes -= entry.event.bytes();
            state.again.insert(entry.id);
        }
        // Some of an earlier time may not have come yet.
        let first = state.again.first().map_or(first, |again| again.0.min(first));
        state.last = state.last.min(EntryId(first - 1));
        state.load += 1;
        state.is_loading = false;
        self.changed.notify_one();
    }

    /// It is not handled any more in this life of the process, and stays stored.
    pub(super) fn give_back(&self, id: EntryId) {
        self.leave(id);
        self.state().left += 1;
    }

    /// It is handled no more.
    pub(super) fn leave(&self, id: EntryId) {
        let mut state = self.state();
        if let Some(taken) = state.taken.remove(&id) {
            state.bytes -= taken.bytes;
        }
        drop(state);
        self.changed.notify_one();
    }

    /// What comes of an entry that was taken begins now; not where it was removed.
    pub(super) fn start(&self, id: EntryId) -> bool {
        let mut state = self.state();
        if let Some(taken) = state.taken.get_mut(&id) {
            taken.is_started = true;
        }
        !state.removed.remove(&id)
    }

    /// Let an unfinished entry go that was not begun, unless `delete` fails. Whether it was one.
    ///
    /// Nothing begins meanwhile.
    pub(super) fn remove<E>(&self, id: EntryId, delete: impl FnOnce() -> Result<(), E>) -> Result<bool, E> {
        let mut state = self.state();
        let state = &mut *state;
        if let Some(taken) = state.taken.get(&id) {
            if taken.is_started {
                return Ok(false);
            }
            delete()?;
            state.bytes -= taken.bytes;
            state.taken.remove(&id);
            state.removed.insert(id);
        } else if let Some(at) = state.ready.iter().position(|entry| entry.id == id) {
            delete()?;
            let removed = state.ready.remove(at);
            state.bytes -= removed.map_or(0, |entry| entry.event.bytes());
        } else if state.postponed.contains(&id) {
            delete()?;
            state.postponed.remove(&id);
        } else if id > state.latest || state.again.contains(&id) {
            delete()?;
            state.again.remove(&id);
            state.stored = state.stored.saturating_sub(1);
        } else {
            return Ok(false);
        }
        self.changed.notify_one();
        Ok(true)
    }

    pub(super) fn note(&self, stored_bytes: u64, dead: usize) {
        let mut state = self.state();
        (state.stored_bytes, state.dead) = (stored_bytes, dead);
    }

    /// An action of it begins.
    pub(super) fn begins(&self, id: EntryId) {
        if let Some(taken) = self.state().taken.get_mut(&id) {
            taken.has_begun = true;
        }
    }

    /// The entries that are handled, in the order of arrival.
    pub(super) fn cut_off(&self) -> Vec<CutOff> {
        let cut_off = |taken: &Taken| CutOff { trace_id: taken.trace_id, has_begun: taken.has_begun };
        self.state().taken.values().map(cut_off).collect()
    }

    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.wake();
    }

    pub(super) fn stop(&self) {
        self.state().is_stopped = true;
        self.wake();
    }

    /// Who waits learns that there is nothing more, and who comes later, too.
    fn wake(&self) {
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    pub(super) fn counts(&self) -> Queued {
        let State { ready, taken, bytes, stored, left, postponed, stored_bytes, dead, .. } = &*self.state();
        Queued {
            waiting: ready.len() + stored + postponed.len() + left,
            in_flight: taken.len(),
            bytes: *bytes,
            stored_bytes: *stored_bytes,
            dead: *dead,
        }
    }
}

impl State {
    fn push(&mut self, entry: Entry) {
        self.bytes += entry.event.bytes();
        self.last = entry.id;
        self.latest = self.latest.max(entry.id);
        self.ready.push_back(Arc::new(entry));
    }
}
