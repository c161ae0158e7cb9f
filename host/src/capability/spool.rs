//! What a guest collects during its call: in memory while it is little, and then on disk.
//!
//! Does not know where it goes afterwards.

use std::io;

use outputs::Artifact;
use wasmtime::component::Resource;

use crate::clients::RequestError;

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
    files: Vec<Artifact>,
    bytes: u64,
    bytes_max: u64,
}

impl Spool {
    /// None yet, of so many bytes in all.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { files: Vec::new(), bytes: 0, bytes_max }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Begin another one, and hand out its handle.
    pub(super) fn add(&mut self, artifact: Artifact) -> Resource<Handle> {
        let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(artifact);
        Resource::new_own(number)
    }

    /// All of them, in the order in which they were begun.
    pub(super) fn into_files(self) -> Vec<Artifact> {
        self.files
    }

    /// Append bytes to one, within the limit for all of them.
    pub(super) async fn append(&mut self, handle: Handle, bytes: Vec<u8>) -> Result<(), RequestError> {
        let Self { files, bytes: total, bytes_max } = self;
        let too_large = RequestError::TooLarge { bytes_max: *bytes_max };
        *total += bytes.len() as u64;
        if *total > *bytes_max {
            return Err(too_large);
        }
        let unknown = || RequestError::Other("there is no such artifact".to_owned());
        let file = files.get_mut(handle.0 as usize).ok_or_else(unknown)?;
        // Writing can block on the disk, which must not hold up other events.
        let mut taken = std::mem::replace(file, Artifact::new(String::new(), String::new()));
        let append = move || {
            let result = taken.append(&bytes);
            (taken, result)
        };
        let (taken, result) = tokio::task::spawn_blocking(append).await.map_err(|error| no_room(&error.into()))?;
        *file = taken;
        result.map_err(|error| no_room(&error))
    }
}

fn no_room(error: &io::Error) -> RequestError {
    RequestError::Other(format!("the host can't hold the artifact: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_limit_is_that_of_all_together() {
        let mut spool = Spool::new(10);
        spool.files = vec![Artifact::new("a".into(), String::new()), Artifact::new("b".into(), String::new())];
        spool.append(Handle(0), vec![0; 6]).await.unwrap();
        spool.append(Handle(1), vec![0; 4]).await.unwrap();
        let error = spool.append(Handle(0), vec![0; 1]).await.unwrap_err();
        assert!(matches!(error, RequestError::TooLarge { bytes_max: 10 }), "{error}");
        let sizes: Vec<u64> = spool.into_files().iter().map(Artifact::bytes).collect();
        assert_eq!(sizes, [6, 4]);
    }
}
