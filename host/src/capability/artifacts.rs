//! `artifacts`: evidence that an actionner collects.
//!
//! The host holds the bytes, in memory while they are few and then on disk, and hands them on
//! once the actionner has succeeded. Does not know where they go.

use policy::Request;
use wasmtime::component::Resource;

use super::bindings::falco_talon::actionner::artifacts::{Host, HostArtifact};
use super::call::{Call, Closed};
use super::catalogue::Capability;
use super::media_type::check_media_type;
use super::spool::Handle;
use crate::clients::RequestError;

/// More files than this of one event are a mistake of the actionner.
const ARTIFACTS_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 4_096;

impl Host for Call {}

impl HostArtifact for Call {
    async fn create(&mut self, name: String, media_type: String) -> Result<Resource<Handle>, Closed> {
        self.understand(Capability::ArtifactCreate, || check(&name, &media_type, self.spool.len()))?;
        let entry = self.gate(Capability::ArtifactCreate, &[Request::Artifact])?.about(&format!("make {name}"));
        let handle = self.spool.add(name, media_type);
        self.close(entry, Ok::<_, RequestError>(handle))
    }

    /// One line of the record for all writes to the same file, since there can be thousands: it is closed with the
    /// call, or by an error.
    async fn write(&mut self, artifact: Resource<Handle>, content: Vec<u8>) -> Result<(), Closed> {
        let handle = Handle::from(&artifact);
        let entry = if self.spool.has_entry(handle) {
            self.again()?;
            self.spool.take_entry(handle)
        } else {
            None
        };
        let entry = match entry {
            Some(entry) => entry,
            None => self.gate(Capability::ArtifactWrite, &[])?.about(&format!("write {}", self.spool.name(handle))),
        };
        let bytes = content.len() as u64;
        match self.spool.append(handle, content).await {
            Ok(()) => {
                self.spool.keep_entry(handle, entry, bytes);
                Ok(())
            }
            Err(error) => self.close(entry, Err(error)),
        }
    }

    async fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        // The file stays: what was collected is stored, whether or not the guest holds on to it.
        Ok(())
    }
}

/// A name becomes a part of a file's name and of log lines, a media type a header.
fn check(name: &str, media_type: &str, before: usize) -> Result<(), String> {
    if before >= ARTIFACTS_MAX {
        return Err(format!("more than {ARTIFACTS_MAX} artifacts"));
    }
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(format!("an artifact's name has 1 to {NAME_BYTES_MAX} bytes, and no control characters"));
    }
    check_media_type(media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_fit_for_files_and_headers() {
        let good = ["text/plain; charset=utf-8", "application/vnd.tcpdump.pcap"];
        assert!(good.iter().all(|media_type| check("/etc/passwd", media_type, 0).is_ok()));
        for (name, media_type) in [
            ("", "text/plain"),
            ("a\nb", "text/plain"),
            ("a", "text"),
            ("a", "text/"),
            ("a", "text/plain\r\nX: y"),
            ("a", "text/plain; x=\r\n"),
        ] {
            assert!(check(name, media_type, 0).is_err(), "{name:?} {media_type:?}");
        }
    }
}
