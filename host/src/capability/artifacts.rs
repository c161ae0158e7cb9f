//! `artifacts`: evidence that an actionner collects.
//!
//! The host holds the bytes, in memory while they are few and then on disk, and hands them on
//! once the actionner has succeeded. Does not know where they go.

use std::io;

use outputs::Artifact;
use wasmtime::component::Resource;

use super::bindings::falco_talon::actionner::artifacts::{Host, HostArtifact};
use super::{Call, CapabilityError};
use crate::decide::Request;

/// More files than this of one event are a mistake of the actionner.
const ARTIFACTS_MAX: u32 = 64;
const NAME_BYTES_MAX: usize = 4_096;
const MEDIA_TYPE_BYTES_MAX: usize = 127;

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

/// The artifacts of one call.
pub(super) struct Artifacts {
    files: Vec<Artifact>,
    bytes: u64,
    bytes_max: u64,
}

impl Artifacts {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { files: Vec::new(), bytes: 0, bytes_max }
    }

    pub(super) fn into_files(self) -> Vec<Artifact> {
        self.files
    }

    /// Append bytes to one, within the limit for all of them.
    pub(super) async fn append(&mut self, handle: Handle, bytes: Vec<u8>) -> Result<(), CapabilityError> {
        let Self { files, bytes: total, bytes_max } = self;
        let too_large = CapabilityError::TooLarge { bytes_max: *bytes_max };
        *total += bytes.len() as u64;
        if *total > *bytes_max {
            return Err(too_large);
        }
        let unknown = || CapabilityError::Other("there is no such artifact".to_owned());
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

fn no_room(error: &io::Error) -> CapabilityError {
    CapabilityError::Other(format!("the host can't hold the artifact: {error}"))
}

impl Host for Call {}

impl HostArtifact for Call {
    async fn create(&mut self, name: String, media_type: String) -> Result<Resource<Handle>, CapabilityError> {
        const CAPABILITY: &str = "artifacts.create";
        check(&name, &media_type).map_err(|reason| self.invalid(CAPABILITY, reason))?;
        let number = u32::try_from(self.artifacts.files.len()).unwrap_or(u32::MAX);
        if number >= ARTIFACTS_MAX {
            return Err(self.invalid(CAPABILITY, format!("more than {ARTIFACTS_MAX} artifacts")));
        }
        let entry = self.gate(CAPABILITY, &[Request::Artifact])?;
        self.artifacts.files.push(Artifact::new(name, media_type));
        entry.close(Ok(Resource::new_own(number)))
    }

    async fn write(&mut self, artifact: Resource<Handle>, content: Vec<u8>) -> Result<(), CapabilityError> {
        self.count()?;
        self.artifacts.append(Handle::from(&artifact), content).await
    }

    async fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        // The file stays: what was collected is stored, whether or not the guest holds on to it.
        Ok(())
    }
}

/// A name becomes a part of a file's name and of log lines, a media type a header.
fn check(name: &str, media_type: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(format!("an artifact's name has 1 to {NAME_BYTES_MAX} bytes, and no control characters"));
    }
    let is_word = |word: &str| {
        let mut bytes = word.bytes();
        !word.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let (essence, parameters) = media_type.split_once(';').unwrap_or((media_type, ""));
    let is_type = essence.split_once('/').is_some_and(|(kind, subtype)| is_word(kind) && is_word(subtype));
    let printable = parameters.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if !is_type || !printable || media_type.len() > MEDIA_TYPE_BYTES_MAX {
        return Err("a media type is written as `text/plain`".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_fit_for_files_and_headers() {
        let good = ["text/plain; charset=utf-8", "application/vnd.tcpdump.pcap"];
        assert!(good.iter().all(|media_type| check("/etc/passwd", media_type).is_ok()));
        for (name, media_type) in [
            ("", "text/plain"),
            ("a\nb", "text/plain"),
            ("a", "text"),
            ("a", "text/"),
            ("a", "text/plain\r\nX: y"),
            ("a", "text/plain; x=\r\n"),
        ] {
            assert!(check(name, media_type).is_err(), "{name:?} {media_type:?}");
        }
    }

    #[tokio::test]
    async fn the_limit_is_that_of_all_together() {
        let mut artifacts = Artifacts::new(10);
        artifacts.files = vec![Artifact::new("a".into(), String::new()), Artifact::new("b".into(), String::new())];
        artifacts.append(Handle(0), vec![0; 6]).await.unwrap();
        artifacts.append(Handle(1), vec![0; 4]).await.unwrap();
        let error = artifacts.append(Handle(0), vec![0; 1]).await.unwrap_err();
        assert!(matches!(error, CapabilityError::TooLarge { bytes_max: 10 }), "{error}");
        let sizes: Vec<u64> = artifacts.into_files().iter().map(Artifact::bytes).collect();
        assert_eq!(sizes, [6, 4]);
    }
}
