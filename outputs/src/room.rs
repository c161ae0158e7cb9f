//! How much all artifacts of a process may take together, in memory and on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number of bytes that artifacts share. Clones are the same room.
#[derive(Debug, Clone)]
pub struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes_max: u64,
    held: AtomicU64,
}

/// Others take all of it.
#[derive(Debug, thiserror::Error)]
#[error("artifacts take all of the {bytes_max} bytes that the host holds of them: there may be room later")]
pub struct NoRoom {
    /// How much it is in all.
    bytes_max: u64,
}

impl Room {
    /// Room for so many bytes.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self(Arc::new(Inner { bytes_max, held: AtomicU64::new(0) }))
    }

    /// A share of it, of nothing yet.
    pub(super) fn share(&self) -> Share {
        Share { room: self.clone(), bytes: 0 }
    }
}

/// What one artifact takes of a room, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Room,
    bytes: u64,
}

impl Share {
    /// Take room for so many bytes more.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), NoRoom> {
        let Inner { bytes_max, held } = &*self.room.0;
        let fits = |held: u64| held.checked_add(bytes).filter(|held| held <= bytes_max);
        let taken = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.map_err(|_| NoRoom { bytes_max: *bytes_max })?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
