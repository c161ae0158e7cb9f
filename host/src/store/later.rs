//! Changes that nobody waits for: they are written with the next group that somebody does wait for, or a moment later.
//!
//! So they wake the writer once for all that come meanwhile, and share a group. The end of the process takes those of
//! the last moment with it, which is as if they had come that much later.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::change::Change;

#[derive(Debug, Default)]
pub(super) struct Later(Mutex<Vec<Change>>);

impl Later {
    /// Have this written too. Whether it is the first, so that the writer has to be woken.
    pub(super) fn push(&self, change: Change) -> bool {
        let mut changes = self.lock();
        changes.push(change);
        changes.len() == 1
    }

    /// All that came since, in their order.
    pub(super) fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *self.lock())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Change>> {
        // A push is complete before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
