//! What the calls of all actionners share, and what each of them takes of it.
//!
//! A place is cheap. What is scarce is bounded by itself: the memory of the calls, requests to the API server, and the
//! threads that compute. Of each an actionner leaves something for the others, so that a slow one holds up itself alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fair::{Held, Pool, Share};
use crate::telemetry::metrics::Metrics;

/// By how much the memory of nearly every call grows.
const GROWTH_BYTES_MIN: usize = 128 << 10;

/// What the calls of all actionners share.
#[derive(Clone)]
pub(super) struct Pools {
    /// As many as calls may run at once.
    pub(super) places: Arc<Pool>,
    /// What there is of memories besides one for each place.
    pub(super) memories: Arc<Pool>,
    /// Of all memories together.
    pub(super) bytes: Arc<Pool>,
    /// To the API server, that wait for an answer.
    pub(super) requests: Arc<Pool>,
    /// Threads that compute for long, and how many there are.
    pub(super) workers: Arc<Semaphore>,
    pub(super) workers_max: usize,
}

/// What the calls of one actionner take of it.
#[derive(Clone)]
pub(super) struct Shares {
    places: Share,
    memories: Share,
    bytes: Share,
    /// Of requests to the API server.
    pub(super) requests: Share,
    /// Of the threads that compute for long.
    pub(super) turns: Turns,
    /// How much memory there is for all.
    bytes_max: usize,
    /// By how much the memory of earlier calls grew.
    growth_bytes: Arc<AtomicUsize>,
}

/// The right of calls of one actionner to compute for long. Actionners take turns, and so do the calls of each.
#[derive(Clone)]
pub(super) struct Turns {
    own: Arc<Semaphore>,
    of_all: Arc<Semaphore>,
}

/// One turn, over when it is dropped.
pub(super) struct Turn {
    _of_all: Option<OwnedSemaphorePermit>,
    _own: Option<OwnedSemaphorePermit>,
}

/// What a call begins with, given back when it is dropped.
pub(super) struct Place {
    _place: [Option<Held>; 2],
    /// The memory that it may have so far.
    held: Held,
    at_start_bytes: usize,
    /// The most that it had.
    bytes: usize,
    growth_bytes: Arc<AtomicUsize>,
}

/// A call asks for more memory than others leave it, or than there is.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no memory left")]
pub(super) struct NoMemoryLeft {
    /// What all share.
    pub(super) bytes_max: usize,
}

impl Pools {
    /// The shares of one more actionner.
    pub(super) fn shares(&self) -> Shares {
        let turns = Turns { own: Arc::new(Semaphore::new(self.workers_max)), of_all: Arc::clone(&self.workers) };
        Shares {
            places: self.places.share(),
            memories: self.memories.share(),
            bytes: self.bytes.share(),
            requests: self.requests.share(),
            turns,
            bytes_max: self.bytes.units_max(),
            growth_bytes: Arc::default(),
        }
    }

    /// Say what is left of it.
    pub(super) fn report(&self, metrics: &Metrics) {
        metrics.places_free("concurrency.events_max", self.places.free());
        metrics.places_free("concurrency.requests_max", self.requests.free());
        metrics.memory_free(self.bytes.free());
    }
}

impl Shares {
    /// What a call of a component with so many memories begins with, waited for.
    ///
    /// # Errors
    ///
    /// Where there is never so much memory.
    pub(super) async fn enter(&self, memories: u32, bytes_at_start: usize) -> Result<Place, NoMemoryLeft> {
        // All take them in this order, and what runs waits for none of them.
        let never = NoMemoryLeft { bytes_max: self.bytes_max };
        // With what earlier calls needed, so that one that has begun need not end for want of it.
        let growth_bytes = self.growth_bytes.load(Ordering::Relaxed).max(GROWTH_BYTES_MIN);
        let with_growth = bytes_at_start.saturating_add(growth_bytes).min(self.bytes_max);
        let held = self.bytes.take(with_growth.max(bytes_at_start)).await.ok_or(never)?;
        let place = self.place(memories).await;
        let growth_bytes = Arc::clone(&self.growth_bytes);
        Ok(Place { _place: place, held, at_start_bytes: bytes_at_start, bytes: 0, growth_bytes })
    }

    /// A place alone. There is always one in the end.
    pub(super) async fn place(&self, memories: u32) -> [Option<Held>; 2] {
        let beyond_one = memories.saturating_sub(1) as usize;
        [self.places.take(1).await, self.memories.take(beyond_one).await]
    }
}

impl Place {
    /// Have so much memory, if other calls leave it.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), NoMemoryLeft> {
        self.bytes = self.bytes.max(bytes);
        if self.held.grow_to(bytes) { Ok(()) } else { Err(NoMemoryLeft { bytes_max: self.held.of_all() }) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What was needed once is forgotten in time.
        let grew = self.bytes.saturating_sub(self.at_start_bytes);
        let before = self.growth_bytes.load(Ordering::Relaxed);
        self.growth_bytes.store(grew.max(before - before / 8), Ordering::Relaxed);
    }
}

impl Turns {
    /// The next turn.
    pub(super) async fn take(&self) -> Turn {
        // The semaphores are never closed, so there is always a permit in the end.
        let own = Arc::clone(&self.own).acquire_owned().await.ok();
        let of_all = Arc::clone(&self.of_all).acquire_owned().await.ok();
        Turn { _of_all: of_all, _own: own }
    }
}
