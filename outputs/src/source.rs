//! An artifact that is read for an upload: piece by piece, on threads that may block.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::artifact::Artifact;
use super::digests::Digests;
use super::error::OutputError;

/// No object has more parts; S3's own limit.
const PARTS_MAX: u64 = 10_000;

/// A part of an upload: as little as S3 takes, since clients hold what they send more than once. Google wants a multiple
/// of 256 KiB.
const PART_BYTES_MIN: u64 = 5 << 20;

/// An artifact on its way. Clones are the same.
#[derive(Debug, Clone)]
pub struct Source {
    artifact: Arc<Mutex<Artifact>>,
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) bytes: u64,
}

impl Source {
    /// Of an artifact, which comes back by [`Source::into_artifact`].
    pub fn new(artifact: Artifact) -> Self {
        let (name, media_type, bytes) = (artifact.name.clone(), artifact.media_type.clone(), artifact.bytes());
        Self { artifact: Arc::new(Mutex::new(artifact)), name, media_type, bytes }
    }

    /// The artifact, for another attempt; none where it is still read.
    pub fn into_artifact(self) -> Option<Artifact> {
        Arc::into_inner(self.artifact).map(|artifact| artifact.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// How large each part is, but for the last.
    pub(crate) fn part_bytes(&self) -> u64 {
        self.bytes.div_ceil(PARTS_MAX).next_multiple_of(256 << 10).max(PART_BYTES_MIN)
    }

    /// How many parts it has.
    pub(crate) fn parts(&self) -> usize {
        usize::try_from(self.bytes.div_ceil(self.part_bytes())).unwrap_or(usize::MAX)
    }

    /// What is at `offset`, up to so many bytes.
    pub(crate) async fn read(&self, offset: u64, bytes_max: u64) -> Result<Bytes, OutputError> {
        self.with(move |artifact| artifact.part(offset, bytes_max)).await
    }

    /// What proves that it is whole.
    pub(crate) async fn digests(&self) -> Result<Digests, OutputError> {
        let part_bytes = self.part_bytes();
        self.with(move |artifact| Digests::read(artifact.read()?, part_bytes)).await
    }

    async fn with<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Artifact) -> io::Result<T> + Send + 'static,
    ) -> Result<T, OutputError> {
        let artifact = Arc::clone(&self.artifact);
        // Each read begins by seeking, so that nothing is left half done.
        let read = move || read(&mut artifact.lock().unwrap_or_else(PoisonError::into_inner));
        let read = spawn_blocking(read).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        read.map_err(OutputError::Unreadable)
    }
}
