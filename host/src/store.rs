//! What this host must not forget: events that wait with their progress, deliveries that are still
//! due, what ended, and what could not be brought to an end.
//!
//! A closed set of stores with one interface, whose calls are asynchronous and can fail, so that a
//! store on disk can take its place among them: today the one in memory, lost with the process,
//! which is why shutting down drains it. Knows nothing of HTTP, rules or actionners.

mod entry;
mod error;

mod memory;

use std::sync::Arc;

pub(crate) use entry::{Counts, DeadLetter, Due, DueId, Entry, EntryId, Record, Step};
pub(crate) use error::{Refused, StoreError};
pub(crate) use memory::Memory;

use crate::telemetry::TraceId;

/// A store. Clones are the same store.
#[derive(Debug, Clone)]
pub enum Store {
    /// In the memory of this process.
    Memory(Arc<Memory>),
}

impl Store {
    /// A store in memory for `entries_max` unfinished entries, whose events take `bytes_max` together. An event that
    /// alone takes more is accepted when there is no other.
    pub fn memory(entries_max: usize, bytes_max: usize) -> Store {
        Store::Memory(Arc::new(Memory::new(entries_max, bytes_max)))
    }

    /// Accept an event: from here on it is the host's to finish, and counts against the capacity.
    ///
    /// # Errors
    ///
    /// Where there is no room, or the program is about to end.
    pub async fn accept(&self, event: rules::Event, trace_id: TraceId) -> Result<(), Refused> {
        match self {
            Store::Memory(memory) => memory.accept(event, trace_id),
        }
    }

    /// The next entry in the order of arrival, or none once the store is closed and none waits.
    ///
    /// Loses nothing when the future is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// None in memory.
    pub async fn next(&self) -> Result<Option<Arc<Entry>>, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.next().await),
        }
    }

    /// An action of the entry begins: from here on it may have had its effect.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`].
    pub async fn begin(&self, id: EntryId, step: Step) -> Result<(), StoreError> {
        match self {
            Store::Memory(memory) => memory.begin(id, step),
        }
    }

    /// The action that began last has ended, in this way.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`].
    pub async fn end(&self, id: EntryId, status: &'static str) -> Result<(), StoreError> {
        match self {
            Store::Memory(memory) => memory.end(id, status),
        }
    }

    /// All that the event asked for is done: the entry goes, and what is left of it is history.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`].
    pub async fn finish(&self, id: EntryId) -> Result<(), StoreError> {
        match self {
            Store::Memory(memory) => memory.finish(id),
        }
    }

    /// The entry can't be brought to an end, for this reason: it goes, and is a dead letter.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`].
    pub async fn bury(&self, id: EntryId, reason: &str) -> Result<(), StoreError> {
        match self {
            Store::Memory(memory) => memory.bury(id, reason),
        }
    }

    /// Something is due to be delivered, an upload for one.
    ///
    /// # Errors
    ///
    /// None in memory.
    pub async fn owe(&self, due: Due) -> Result<DueId, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.owe(due)),
        }
    }

    /// What was due has arrived, or was given up and reported.
    ///
    /// # Errors
    ///
    /// None in memory.
    pub async fn settle(&self, id: DueId) -> Result<(), StoreError> {
        match self {
            Store::Memory(memory) => {
                memory.settle(id);
                Ok(())
            }
        }
    }

    /// Accept no further events; those accepted are still handed out.
    ///
    /// # Errors
    ///
    /// None in memory.
    pub async fn close(&self) -> Result<(), StoreError> {
        match self {
            Store::Memory(memory) => {
                memory.close();
                Ok(())
            }
        }
    }

    /// How many entries wait to be taken, how many were taken and are not finished, and how much memory all of them take.
    ///
    /// # Errors
    ///
    /// None in memory.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.counts()),
        }
    }

    /// The entries that are not finished, in the order of arrival.
    ///
    /// # Errors
    ///
    /// None in memory.
    pub async fn unfinished(&self) -> Result<Vec<Record>, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.unfinished()),
        }
    }

    /// What was finished lately, the newest last.
    ///
    /// # Errors
    ///
    /// None in memory.
    pub async fn history(&self) -> Result<Vec<Record>, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.history()),
        }
    }

    /// What could not be brought to an end lately, the newest last.
    ///
    /// # Errors
    ///
    /// None in memory.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.dead_letters()),
        }
    }

    /// What is due to be delivered.
    ///
    /// # Errors
    ///
    /// None in memory.
    pub async fn dues(&self) -> Result<Vec<Due>, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.dues()),
        }
    }
}
