//! What a guest collects during its call: in memory while it is little, and then on disk.
//!
//! Does not know where it goes afterwards.

use std::error::Error;
use std::io;

use outputs::{Artifact, NoRoom, Room};
use wasmtime::component::Resource;

use crate::clients::{RequestError, Sink};
use crate::telemetry::audit::Entry;

/// What a guest's handle stands for: its number is the place of an artifact in the list of its
/// call, where each stays to the end.
#[derive(Debug, Clone, Copy)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Handle(u32);

impl From<&Resource<Handle>> for Handle {
    fn from(resource: &Resource<Handle>) -> Self {
        Self(resource.rep())
    }
}

/// The artifacts of one call, held until it has succeeded.
pub(super) struct Spool {
    files: Vec<File>,
    bytes: u64,
    bytes_max: u64,
    room: Room,
}

struct File {
    artifact: Artifact,
    line: Line,
}

/// The line of the audit record about what was written to a file. What was written has succeeded, whatever comes after.
#[derive(Default)]
struct Line {
    entry: Option<Entry>,
    bytes: u64,
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            entry.close("success", None);
        }
    }
}

/// One file, to pour into.
pub(super) struct SpoolFile<'a> {
    spool: &'a mut Spool,
    handle: Handle,
    taken: u64,
}

impl SpoolFile<'_> {
    /// How many bytes were poured into it.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }
}

impl Sink for SpoolFile<'_> {
    async fn take(&mut self, bytes: Vec<u8>) -> Result<(), RequestError> {
        let length = bytes.len() as u64;
        self.spool.append(self.handle, bytes).await?;
        self.taken = self.taken.saturating_add(length);
        Ok(())
    }
}

impl Spool {
    /// None yet, of so many bytes in all, for which there must be room.
    pub(super) fn new(bytes_max: u64, room: Room) -> Self {
        Self { files: Vec::new(), bytes: 0, bytes_max, room }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Begin another one, and hand out its handle.
    pub(super) fn add(&mut self, name: String, media_type: String) -> Resource<Handle> {
        let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let artifact = Artifact::new(name, media_type).within(&self.room);
        self.files.push(File { artifact, line: Line::default() });
        Resource::new_own(number)
    }

    /// What one is called.
    pub(super) fn name(&self, handle: Handle) -> &str {
        self.files.get(handle.0 as usize).map(|file| file.artifact.name.as_str()).unwrap_or_default()
    }

    /// One of them, to pour into.
    pub(super) fn file(&mut self, artifact: &Resource<Handle>) -> SpoolFile<'_> {
        SpoolFile { spool: self, handle: artifact.into(), taken: 0 }
    }

    /// Whether there is an open line about what was written to one.
    pub(super) fn has_entry(&self, handle: Handle) -> bool {
        self.files.get(handle.0 as usize).is_some_and(|file| file.line.entry.is_some())
    }

    /// The open line about what was written to one.
    pub(super) fn take_entry(&mut self, handle: Handle) -> Option<Entry> {
        self.files.get_mut(handle.0 as usize)?.line.entry.take()
    }

    /// Keep the line about what was written to one open, for more than these bytes.
    pub(super) fn keep_entry(&mut self, handle: Handle, mut entry: Entry, bytes: u64) {
        if let Some(File { line, .. }) = self.files.get_mut(handle.0 as usize) {
            line.bytes = line.bytes.saturating_add(bytes);
            entry.bytes(line.bytes);
            line.entry = Some(entry);
        }
    }

    /// All of them, in the order in which they were begun.
    pub(super) fn into_files(self) -> Vec<Artifact> {
        self.files.into_iter().map(|file| file.artifact).collect()
    }

    /// Append bytes to one, within the limit for all of them.
    pub(super) async fn append(&mut self, handle: Handle, bytes: Vec<u8>) -> Result<(), RequestError> {
        let Self { files, bytes: before, bytes_max, .. } = self;
        let too_large = RequestError::TooLarge { bytes_max: *bytes_max };
        let total = before.checked_add(bytes.len() as u64).filter(|total| total <= bytes_max).ok_or(too_large)?;
        let unknown = || RequestError::Other("there is no such artifact".to_owned());
        let file = &mut files.get_mut(handle.0 as usize).ok_or_else(unknown)?.artifact;
        // Writing can block on the disk, which must not hold up other events.
        let mut taken = std::mem::replace(file, Artifact::new(String::new(), String::new()));
        let append = move || {
            let result = taken.append(&bytes);
            (taken, result)
        };
        let (taken, result) = tokio::task::spawn_blocking(append).await.map_err(|error| no_room(&error.into()))?;
        *file = taken;
        result.map_err(|error| no_room(&error))?;
        *before = total;
        Ok(())
    }
}

fn no_room(error: &io::Error) -> RequestError {
    if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<NoRoom>) {
        return RequestError::Unavailable(error.to_string());
    }
    RequestError::Other(format!("the host can't hold the artifact: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(bytes_max: u64, room: u64) -> Spool {
        let mut spool = Spool::new(bytes_max, Room::new(room));
        for name in ["a", "b"] {
            spool.add(name.to_owned(), "text/plain".to_owned());
        }
        spool
    }

    #[tokio::test]
    async fn the_limit_is_that_of_all_together() {
        let mut spool = spool(10, 100);
        spool.append(Handle(0), vec![0; 6]).await.unwrap();
        let error = spool.append(Handle(1), vec![0; 5]).await.unwrap_err();
        assert!(matches!(error, RequestError::TooLarge { bytes_max: 10 }), "{error}");
        // What was refused takes nothing.
        spool.append(Handle(1), vec![0; 4]).await.unwrap();
        assert!(spool.append(Handle(0), vec![0; 1]).await.is_err());
        let sizes: Vec<u64> = spool.into_files().iter().map(Artifact::bytes).collect();
        assert_eq!(sizes, [6, 4]);
    }

    #[tokio::test]
    async fn there_is_one_room_for_all_calls() {
        let room = Room::new(10);
        let (mut one, mut other) = (Spool::new(100, room.clone()), Spool::new(100, room));
        for spool in [&mut one, &mut other] {
            spool.add("a".to_owned(), "text/plain".to_owned());
        }
        one.append(Handle(0), vec![0; 8]).await.unwrap();
        let error = other.append(Handle(0), vec![0; 3]).await.unwrap_err();
        assert!(matches!(error, RequestError::Unavailable(_)), "{error}");
        other.append(Handle(0), vec![0; 2]).await.unwrap();
        // What was handed on takes room until it has arrived.
        let files = one.into_files();
        assert!(other.append(Handle(0), vec![0; 3]).await.is_err());
        drop(files);
        other.append(Handle(0), vec![0; 3]).await.unwrap();
    }
}
