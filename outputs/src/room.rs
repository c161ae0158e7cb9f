//! How much all artifacts of a process may take together, in memory and on disk, and where those lie that outlive it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a file takes of a disk at least, so that their number is bounded as well.
const BLOCK_BYTES: u64 = 4_096;

/// How the names of files begin that are not kept yet.
pub(super) const UNFINISHED: &str = ".";

/// A number of bytes that artifacts share. Clones are the same room.
#[derive(Debug, Clone)]
pub struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes_max: u64,
    held: AtomicU64,
    folder: Option<PathBuf>,
}

/// Others take all of it.
#[derive(Debug, thiserror::Error)]
#[error("artifacts take all of the {bytes_max} bytes that the host holds of them: there may be room later")]
pub struct NoRoom {
    /// How much it is in all.
    bytes_max: u64,
}

impl Room {
    /// Room for so many bytes, which are lost with the process.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self(Arc::new(Inner { bytes_max, held: AtomicU64::new(0), folder: None }))
    }

    /// Room for so many bytes, those in this folder among them, in which artifacts can be kept. The folder must be the
    /// room's alone; what is in it counts from [`Room::retain`] on.
    #[must_use]
    pub fn lasting(bytes_max: u64, folder: &Path) -> Self {
        Self(Arc::new(Inner { bytes_max, held: AtomicU64::new(0), folder: Some(folder.to_owned()) }))
    }

    /// Whether artifacts can be kept in it for the next process.
    pub fn is_lasting(&self) -> bool {
        self.0.folder.is_some()
    }

    /// Take in what processes before have kept, and remove all that is not wanted; how many files that was. Where
    /// nobody can say what is wanted, what was kept is moved to `aside` instead. Blocks.
    ///
    /// # Errors
    ///
    /// Where the folder can't be read, or a file not be removed.
    pub fn retain(&self, is_wanted: impl Fn(&str) -> bool, aside: Option<&Path>) -> io::Result<usize> {
        let Some(folder) = &self.0.folder else { return Ok(0) };
        let mut removed = 0;
        if let Some(aside) = aside {
            fs::create_dir(aside)?;
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(&is_wanted) {
                self.0.held.fetch_add(entry.metadata()?.len().max(BLOCK_BYTES), Ordering::Relaxed);
                continue;
            }
            match aside {
                Some(aside) if !name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) => {
                    fs::rename(entry.path(), aside.join(name))?;
                }
                _ => fs::remove_file(entry.path())?,
            }
            removed += 1;
        }
        Ok(removed)
    }

    /// Remove what was kept under this name, and give back what it took. Nothing where it is not there. Blocks.
    ///
    /// # Errors
    ///
    /// Where it can't be removed.
    pub fn remove(&self, file: &str) -> io::Result<()> {
        let Some(path) = self.path(file) else { return Ok(()) };
        let removed = fs::metadata(&path).and_then(|metadata| fs::remove_file(&path).map(|()| metadata.len()));
        match removed {
            Ok(bytes) => {
                self.0.held.fetch_sub(bytes.max(BLOCK_BYTES), Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Where a file of this name lies.
    pub(super) fn path(&self, file: &str) -> Option<PathBuf> {
        self.0.folder.as_ref().map(|folder| folder.join(file))
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
        let Inner { bytes_max, held, .. } = &*self.room.0;
        let fits = |held: u64| held.checked_add(bytes).filter(|held| held <= bytes_max);
        let taken = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.map_err(|_| NoRoom { bytes_max: *bytes_max })?;
        self.bytes += bytes;
        Ok(())
    }

    /// Take as much as a file takes at least.
    pub(super) fn take_block(&mut self) -> Result<(), NoRoom> {
        self.take(BLOCK_BYTES.saturating_sub(self.bytes))
    }

    /// Leave it taken, until the file is removed.
    pub(super) fn leave(mut self) {
        self.bytes = 0;
    }

    pub(super) fn folder(&self) -> Option<&Path> {
        self.room.0.folder.as_deref()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
