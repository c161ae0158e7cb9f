//! What is looked at when somebody asks: the values of gauges that nobody sets meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All looks. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Looks(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    looks: BTreeMap<u64, Arc<dyn Fn() + Send + Sync>>,
    next: u64,
}

/// One look, which is taken until this is dropped.
#[must_use = "nobody looks once it is dropped"]
#[derive(Debug)]
pub struct Look {
    looks: Looks,
    id: u64,
}

impl Looks {
    pub(super) fn add(&self, look: impl Fn() + Send + Sync + 'static) -> Look {
        let mut known = self.lock();
        let id = known.next;
        known.next += 1;
        known.looks.insert(id, Arc::new(look));
        Look { looks: self.clone(), id }
    }

    pub(super) fn take(&self) {
        // Not while it is locked: what they look at may take locks of its own.
        let looks: Vec<_> = self.lock().looks.values().cloned().collect();
        looks.iter().for_each(|look| look());
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Each change is complete before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        let look = self.looks.lock().looks.remove(&self.id);
        // What it holds may end with it, which takes its time.
        drop(look);
    }
}

impl fmt::Debug for Looks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Looks").finish_non_exhaustive()
    }
}
