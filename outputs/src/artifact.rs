//! A file on its way to where a rule sends it.
//!
//! Small ones are held in memory, others in a file without a name, which the operating system
//! removes with the process, however that ends.

use std::io::{self, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

use super::room::{Room, Share};

/// Past this size the bytes go to disk: log excerpts and configuration files stay in memory.
const MEMORY_BYTES_MAX: usize = 256 << 10;

/// A file of evidence. Plain data: it knows neither what made it nor where it goes.
#[derive(Debug)]
pub struct Artifact {
    /// What its maker calls it, e.g. `tcpdump.pcap` or `/etc/passwd`.
    pub name: String,
    /// E.g. `application/vnd.tcpdump.pcap`.
    pub media_type: String,
    content: SpooledTempFile,
    bytes: u64,
    share: Option<Share>,
}

impl Artifact {
    /// An artifact without content.
    pub fn new(name: String, media_type: String) -> Self {
        Self { name, media_type, content: SpooledTempFile::new(MEMORY_BYTES_MAX), bytes: 0, share: None }
    }

    /// Which takes its bytes of a room that others share, for as long as it exists.
    #[must_use]
    pub fn within(self, room: &Room) -> Self {
        Self { share: Some(room.share()), ..self }
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Append bytes. Blocks while they are written to disk.
    ///
    /// # Errors
    ///
    /// Where the temporary directory of the system has no room, or others take all that they share.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let more = bytes.len() as u64;
        if let Some(share) = &mut self.share {
            share.take(more).map_err(|error| io::Error::new(io::ErrorKind::QuotaExceeded, error))?;
        }
        self.content.write_all(bytes)?;
        self.bytes += more;
        Ok(())
    }

    /// Read it from its beginning. Blocks while it reads from disk.
    ///
    /// # Errors
    ///
    /// Where the file can't be read again.
    pub fn read(&mut self) -> io::Result<impl Read> {
        self.content.seek(SeekFrom::Start(0))?;
        Ok(&mut self.content)
    }
}
