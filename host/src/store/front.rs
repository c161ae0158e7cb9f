//! The entries that come next, in memory, and those that were taken.
//!
//! What arrives goes straight to who takes it, as long as nothing older waits in the store and there is room. Beyond
//! that entries wait in the store alone, and are loaded again in their order.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::entry::{Entry, EntryId};
use super::usage::Limits;
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
    /// Taken and not given back, with what their events take.
    taken: HashMap<EntryId, usize>,
    /// What the events of both take.
    bytes: usize,
    /// Entries that wait in the store alone.
    stored: usize,
    /// The last one that was loaded or came straight.
    last: EntryId,
    is_loading: bool,
    closed: Option<Close>,
    stored_bytes: u64,
    dead: usize,
}

/// What becomes of what waits once nothing is accepted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// It is handed out, since it would be lost.
    Drain,
    /// It stays stored.
    Stop,
}

/// What who asks for an entry gets.
#[derive(Debug)]
pub(super) enum Next {
    Entry(Arc<Entry>),
    /// Entries behind this one must be loaded first, by whom this is said to.
    Load(EntryId),
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
        match state.closed {
            Some(Close::Stop) => return Next::End,
            Some(Close::Drain) if state.ready.is_empty() && state.stored == 0 => return Next::End,
            _ => {}
        }
        let Limits { in_flight_max, loaded_bytes_max, .. } = self.limits;
        let is_full = state.taken.len() >= in_flight_max || state.bytes > loaded_bytes_max;
        // One is always handled, whatever its size.
        if is_full && !state.taken.is_empty() {
            return Next::Wait;
        }
        if let Some(entry) = state.ready.pop_front() {
            state.taken.insert(entry.id, entry.event.bytes());
            if !state.ready.is_empty() || state.stored > 0 {
                // Two arrivals before anyone waits leave a single wake-up behind.
                self.changed.notify_one();
            }
            return Next::Entry(entry);
        }
        if state.stored > 0 && !state.is_loading {
            state.is_loading = true;
            return Next::Load(state.last);
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

    /// The entries behind the last one were loaded. `gone` more of them are no longer to be handled.
    pub(super) fn loaded(&self, entries: Vec<Entry>, gone: usize) {
        let mut state = self.state();
        state.is_loading = false;
        state.stored = state.stored.saturating_sub(entries.len() + gone);
        for entry in entries {
            state.push(entry);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// It is handled no more.
    pub(super) fn leave(&self, id: EntryId) {
        let mut state = self.state();
        if let Some(bytes) = state.taken.remove(&id) {
            state.bytes -= bytes;
        }
        drop(state);
        self.changed.notify_one();
    }

    pub(super) fn note(&self, stored_bytes: u64, dead: usize) {
        let mut state = self.state();
        (state.stored_bytes, state.dead) = (stored_bytes, dead);
    }

    pub(super) fn close(&self, how: Close) {
        self.state().closed = Some(how);
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed.is_some()
    }

    pub(super) fn counts(&self) -> Queued {
        let State { ready, taken, bytes, stored, stored_bytes, dead, .. } = &*self.state();
        Queued {
            waiting: ready.len() + stored,
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
        self.ready.push_back(Arc::new(entry));
    }
}
