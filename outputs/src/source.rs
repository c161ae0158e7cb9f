//! An artifact that is read for an upload: piece by piece, on threads that may block.

use std::io;
use std::ops::DerefMut;
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
    /// Of an artifact, which is there for as long as one of the clones is.
    pub fn new(artifact: Artifact) -> Self {
        let (name, media_type, bytes) = (artifact.name.clone(), artifact.media_type.clone(), artifact.bytes());
        Self { artifact: Arc::new(Mutex::new(artifact)), name, media_type, bytes }
    }

    /// The artifact. Blocks while others read it.
    pub fn lock(&self) -> impl DerefMut<Target = Artifact> {
        // Each read begins by seeking, so that nothing is left half done.
        self.artifact.lock().unwrap_or_else(PoisonError::into_inner)
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
        let source = self.clone();
        let read = move || read(&mut source.lock());
        let read = spawn_blocking(read).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        read.map_err(OutputError::Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn an_attempt_that_is_dropped_in_a_read_leaves_it_to_the_next() {
        let mut artifact = Artifact::new("x".to_owned(), "text/plain".to_owned());
        artifact.append(b"evidence").unwrap();
        let held = Source::new(artifact);
        let attempt = held.clone();
        let other = held.lock();
        {
            let mut read = pin!(attempt.read(0, 4));
            let is_pending = poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_pending())).await;
            assert!(is_pending, "it waits for the other one");
        }
        drop((attempt, other));
        assert_eq!(held.read(4, 100).await.unwrap(), "ence");
    }

    #[tokio::test]
    async fn a_read_that_panics_leaves_it_to_the_next() {
        let mut artifact = Artifact::new("x".to_owned(), "text/plain".to_owned());
        artifact.append(b"evidence").unwrap();
        let held = Source::new(artifact);
        assert!(held.with(|_| -> io::Result<()> { panic!("no luck") }).await.is_err());
        assert_eq!(held.read(4, 100).await.unwrap(), "ence");
    }
}
