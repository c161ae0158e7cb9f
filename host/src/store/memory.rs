//! The store in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rules::Event;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::entry::{Counts, DeadLetter, Due, DueId, Entry, EntryId, Progress, Record, Step};
use super::error::{Refused, StoreError};
use crate::telemetry::TraceId;

/// What is remembered of what is over; the oldest goes first.
const REMEMBERED_MAX: usize = 1_000;

/// Holds everything as long as the process lives.
#[derive(Debug)]
pub struct Memory {
    entries_max: usize,
    bytes_max: usize,
    // A blocking mutex, because nothing waits while it is held.
    state: Mutex<State>,
    arrival: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// In the order of arrival.
    unfinished: BTreeMap<EntryId, Unfinished>,
    /// What their events take.
    bytes: usize,
    waiting: VecDeque<Arc<Entry>>,
    closed: bool,
    history: VecDeque<Record>,
    dead_letters: VecDeque<DeadLetter>,
    dues: BTreeMap<DueId, Due>,
    next: u64,
}

#[derive(Debug)]
struct Unfinished {
    record: Record,
    /// What its event takes.
    bytes: usize,
}

impl Memory {
    pub(super) fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self { entries_max, bytes_max, state: Mutex::default(), arrival: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change below is complete before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn accept(&self, event: Event, trace_id: TraceId) -> Result<(), Refused> {
        let bytes = event.bytes();
        let mut state = self.state();
        if state.closed {
            return Err(Refused::Closed);
        }
        // One alone is accepted whatever its size, or there would be no right time to send it again.
        let too_large = state.bytes > 0 && state.bytes.saturating_add(bytes) > self.bytes_max;
        if too_large || state.unfinished.len() >= self.entries_max {
            return Err(Refused::Full);
        }
        let id = EntryId(state.number());
        state.bytes += bytes;
        state.unfinished.insert(id, Unfinished { record: Record { trace_id, progress: Vec::new() }, bytes });
        state.waiting.push_back(Arc::new(Entry { id, uid: rand::random(), event, trace_id, received: Instant::now() }));
        drop(state);
        self.arrival.notify_one();
        Ok(())
    }

    pub(super) async fn next(&self) -> Option<Arc<Entry>> {
        loop {
            let arrival = self.arrival.notified();
            {
                let mut state = self.state();
                if let Some(entry) = state.waiting.pop_front() {
                    if !state.waiting.is_empty() {
                        // Two arrivals before anyone waits leave a single wake-up behind.
                        self.arrival.notify_one();
                    }
                    return Some(entry);
                }
                if state.closed {
                    return None;
                }
            }
            arrival.await;
        }
    }

    pub(super) fn begin(&self, id: EntryId, step: Step) -> Result<(), StoreError> {
        self.state().record(id)?.progress.push(Progress { step, status: None });
        Ok(())
    }

    pub(super) fn end(&self, id: EntryId, status: &'static str) -> Result<(), StoreError> {
        if let Some(last) = self.state().record(id)?.progress.last_mut() {
            last.status = Some(status);
        }
        Ok(())
    }

    pub(super) fn finish(&self, id: EntryId) -> Result<(), StoreError> {
        let mut state = self.state();
        let record = state.take(id)?;
        remember(&mut state.history, record);
        Ok(())
    }

    pub(super) fn bury(&self, id: EntryId, reason: &str) -> Result<(), StoreError> {
        let mut state = self.state();
        let record = state.take(id)?;
        remember(&mut state.dead_letters, DeadLetter { record, reason: reason.to_owned() });
        Ok(())
    }

    pub(super) fn owe(&self, due: Due) -> DueId {
        let mut state = self.state();
        let id = DueId(state.number());
        state.dues.insert(id, due);
        id
    }

    pub(super) fn settle(&self, id: DueId) {
        self.state().dues.remove(&id);
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.arrival.notify_waiters();
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.state();
        let waiting = state.waiting.len();
        Counts { waiting, in_flight: state.unfinished.len() - waiting, bytes: state.bytes }
    }

    pub(super) fn unfinished(&self) -> Vec<Record> {
        self.state().unfinished.values().map(|entry| entry.record.clone()).collect()
    }

    pub(super) fn history(&self) -> Vec<Record> {
        self.state().history.iter().cloned().collect()
    }

    pub(super) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.state().dead_letters.iter().cloned().collect()
    }

    pub(super) fn dues(&self) -> Vec<Due> {
        self.state().dues.values().cloned().collect()
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn record(&mut self, id: EntryId) -> Result<&mut Record, StoreError> {
        self.unfinished.get_mut(&id).map(|entry| &mut entry.record).ok_or(StoreError::Unknown(id))
    }

    fn take(&mut self, id: EntryId) -> Result<Record, StoreError> {
        let Unfinished { record, bytes } = self.unfinished.remove(&id).ok_or(StoreError::Unknown(id))?;
        self.bytes -= bytes;
        Ok(record)
    }
}

fn remember<T>(list: &mut VecDeque<T>, one: T) {
    if list.len() >= REMEMBERED_MAX {
        list.pop_front();
    }
    list.push_back(one);
}

#[cfg(test)]
mod tests;
