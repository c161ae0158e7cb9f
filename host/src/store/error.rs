//! Why a store did not do what it was asked.

use std::io;
use std::path::PathBuf;

/// Why an event was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many entries as the store may hold are unfinished, or they take as much memory or disk as they may; the same
    /// event may be accepted later.
    #[error("the queue is full")]
    Full,
    /// This host or this Falco rule has its share of the places that are left; others are accepted.
    #[error("the queue is full for this source")]
    Share,
    /// It can't be written now, for this reason.
    #[error("the event can't be stored: {0}")]
    Unwritable(String),
    /// The program is about to end.
    #[error("the queue is closed")]
    Closed,
}

/// The store has ended, with its process or before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is closed")]
pub struct Closed;

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder can't be used.
    #[error("the folder '{}' can't be used: {error}", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is somebody else's, or no folder.
    #[error("'{}' must be a folder that belongs to the user that the program runs as", .0.display())]
    NotOwn(PathBuf),
    /// Another process has it.
    #[error("another process uses the folder '{}'", .0.display())]
    Locked(PathBuf),
    /// A newer version has written it.
    #[error("the store in '{}' has the format {found}, and this version knows formats up to {known}: a newer version has written it", .path.display())]
    Newer {
        /// Where.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// There is none.
    #[error("there is no store in '{}': a host with this 'data_dir' makes it", .0.display())]
    Missing(PathBuf),
    /// An older version has written it, and it is only read.
    #[error("the store in '{}' has the format {found} of an older version: the next start of the host makes it {known}", .path.display())]
    Older {
        /// Where.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format that is read.
        known: i64,
    },
    /// The database can't be used.
    #[error("the store can't be used: {0}")]
    Database(#[from] rusqlite::Error),
}
