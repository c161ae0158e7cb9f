//! A file on its way to where a rule sends it.
//!
//! Small ones are held in memory. Others lie in a file without a name, which the operating system removes with the
//! process, however that ends; or, where their room has a folder, in a file of it from the start, so that what is to
//! outlive the process need not be copied.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::{Builder, NamedTempFile, SpooledTempFile};

use super::room::{Room, Share, UNFINISHED};

/// Past this size the bytes go to disk: log excerpts and configuration files stay in memory.
const MEMORY_BYTES_MAX: usize = 256 << 10;

/// A file of evidence. Plain data: it knows neither what made it nor where it goes.
#[derive(Debug)]
pub struct Artifact {
    /// What its maker calls it, e.g. `tcpdump.pcap` or `/etc/passwd`.
    pub name: String,
    /// E.g. `application/vnd.tcpdump.pcap`.
    pub media_type: String,
    content: Content,
    bytes: u64,
    share: Option<Share>,
}

/// Where the bytes are.
#[derive(Debug)]
enum Content {
    /// In memory, and then in a file without a name.
    Unnamed(SpooledTempFile),
    /// In a file of the room's folder, which is removed with the artifact.
    Named(NamedTempFile),
    /// In a file of the room's folder, which stays.
    Kept(File),
}

trait Stream: Read + Write + Seek {}

impl<T: Read + Write + Seek> Stream for T {}

impl Content {
    fn stream(&mut self) -> &mut dyn Stream {
        match self {
            Self::Unnamed(file) => file,
            Self::Named(file) => file,
            Self::Kept(file) => file,
        }
    }
}

impl Artifact {
    /// An artifact without content.
    pub fn new(name: String, media_type: String) -> Self {
        let content = Content::Unnamed(SpooledTempFile::new(MEMORY_BYTES_MAX));
        Self { name, media_type, content, bytes: 0, share: None }
    }

    /// Which takes its bytes of a room that others share, for as long as it exists.
    #[must_use]
    pub fn within(self, room: &Room) -> Self {
        Self { share: Some(room.share()), ..self }
    }

    /// One that was kept in the folder of a room, maybe by another process.
    ///
    /// # Errors
    ///
    /// Where it is not there, or can't be opened.
    pub fn open(room: &Room, file: &str, name: String, media_type: String) -> io::Result<Self> {
        let file = File::open(room.path(file).ok_or(io::ErrorKind::NotFound)?)?;
        let bytes = file.metadata()?.len();
        Ok(Self { name, media_type, content: Content::Kept(file), bytes, share: None })
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Append bytes. Blocks while they are written to disk.
    ///
    /// # Errors
    ///
    /// Where there is no room on the disk, or others take all that they share.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let more = bytes.len() as u64;
        if let Some(share) = &mut self.share {
            share.take(more).map_err(|error| io::Error::new(io::ErrorKind::QuotaExceeded, error))?;
        }
        if self.bytes + more > MEMORY_BYTES_MAX as u64
            && let Some(folder) = self.folder()
        {
            self.name_in(&folder)?;
        }
        self.content.stream().write_all(bytes)?;
        self.bytes += more;
        Ok(())
    }

    /// Read it from its beginning. Blocks while it reads from disk.
    ///
    /// # Errors
    ///
    /// Where the file can't be read again.
    pub fn read(&mut self) -> io::Result<impl Read> {
        let stream = self.content.stream();
        stream.seek(SeekFrom::Start(0))?;
        Ok(stream)
    }

    /// What is at `offset`, up to so many bytes: fewer only where it ends. Blocks while it reads from disk.
    ///
    /// # Errors
    ///
    /// Where the file can't be read again.
    pub fn part(&mut self, offset: u64, bytes_max: u64) -> io::Result<Bytes> {
        let stream = self.content.stream();
        stream.seek(SeekFrom::Start(offset))?;
        let expected = self.bytes.saturating_sub(offset).min(bytes_max);
        let mut part = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
        stream.take(expected).read_to_end(&mut part)?;
        if (part.len() as u64) < expected {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(part.into())
    }

    /// Let it lie in the folder of its room under this name, also after the process and after the machine. What it
    /// takes of the room it takes until [`Room::remove`]. Blocks while it is synced.
    ///
    /// # Errors
    ///
    /// Where its room has no folder, or the disk or the room no place for it. It can be read all the same.
    pub fn keep(&mut self, file: &str) -> io::Result<()> {
        let folder = self.folder().ok_or(io::ErrorKind::Unsupported)?;
        self.name_in(&folder)?;
        if let Some(share) = &mut self.share {
            share.take_block().map_err(|error| io::Error::new(io::ErrorKind::QuotaExceeded, error))?;
        }
        let unnamed = Content::Unnamed(SpooledTempFile::new(0));
        match mem::replace(&mut self.content, unnamed) {
            Content::Named(named) => {
                if let Err(error) = named.as_file().sync_all() {
                    self.content = Content::Named(named);
                    return Err(error);
                }
                match named.persist_noclobber(folder.join(file)) {
                    Ok(file) => self.content = Content::Kept(file),
                    Err(error) => {
                        self.content = Content::Named(error.file);
                        return Err(error.error);
                    }
                }
            }
            content => self.content = content,
        }
        if let Some(share) = self.share.take() {
            share.leave();
        }
        File::open(&folder)?.sync_all()
    }

    fn folder(&self) -> Option<PathBuf> {
        self.share.as_ref()?.folder().map(Path::to_owned)
    }

    /// Let its bytes lie in a file of this folder.
    fn name_in(&mut self, folder: &Path) -> io::Result<()> {
        let Content::Unnamed(content) = &mut self.content else { return Ok(()) };
        // Created with mode 0600.
        let mut named = Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
        content.seek(SeekFrom::Start(0))?;
        io::copy(content, &mut named)?;
        self.content = Content::Named(named);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn artifact(room: &Room, bytes: usize) -> Artifact {
        let mut artifact = Artifact::new("x".to_owned(), "text/plain".to_owned()).within(room);
        artifact.append(&vec![7; bytes / 2]).unwrap();
        artifact.append(&vec![7; bytes - bytes / 2]).unwrap();
        artifact
    }

    fn content(artifact: &mut Artifact) -> Vec<u8> {
        let mut bytes = Vec::new();
        artifact.read().unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_kept_is_there_for_the_next_process_and_for_the_host_alone() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::lasting(10 << 20, folder.path());
        for (file, bytes) in [("a", 10), ("b", 1 << 20)] {
            let mut kept = artifact(&room, bytes);
            kept.keep(file).unwrap();
            assert_eq!(content(&mut kept), vec![7; bytes]);
            drop(kept);
            let mut again = Artifact::open(&room, file, "x".to_owned(), String::new()).unwrap();
            assert_eq!((again.bytes(), content(&mut again)), (bytes as u64, vec![7; bytes]));
            let mode = fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let mut taken = artifact(&room, 10);
        assert_eq!(taken.keep("a").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(content(&mut taken), [7; 10]);
        drop(taken);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left behind");
        assert_eq!(
            Artifact::open(&room, "c", String::new(), String::new()).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn it_is_read_in_parts() {
        let room = Room::new(10 << 20);
        for bytes in [10, 1 << 20] {
            let mut artifact = artifact(&room, bytes);
            let bytes = bytes as u64;
            for (offset, max, expected) in [(0, 4, 4), (bytes - 2, 4, 2), (bytes, 4, 0), (bytes + 1, 4, 0)] {
                assert_eq!(artifact.part(offset, max).unwrap().len(), expected);
            }
        }
    }

    #[test]
    fn what_is_not_kept_goes_with_the_artifact() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::lasting(10 << 20, folder.path());
        let large = artifact(&room, 1 << 20);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(large);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut elsewhere = artifact(&Room::new(10 << 20), 1 << 20);
        assert_eq!(elsewhere.keep("a").unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(content(&mut elsewhere), vec![7; 1 << 20]);
    }

    #[test]
    fn what_nobody_can_say_anything_of_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, aside) = (folder.path().join("spool"), folder.path().join("aside"));
        fs::create_dir(&spool).unwrap();
        for name in ["wanted", "unknown", ".unfinished"] {
            fs::write(spool.join(name), name).unwrap();
        }
        let room = Room::lasting(10_000, &spool);
        assert_eq!(room.retain(|file| file == "wanted", Some(&aside)).unwrap(), 2);
        let names = |folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        assert_eq!((names(&spool), names(&aside)), (vec!["wanted".into()], vec!["unknown".into()]));
    }

    #[test]
    fn what_is_kept_takes_room_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::lasting(10_000, folder.path());
        artifact(&room, 6_000).keep("a").unwrap();
        let fits =
            |room: &Room, bytes| Artifact::new(String::new(), String::new()).within(room).append(&vec![0; bytes]);
        assert!(fits(&room, 5_000).is_err());
        // The next process counts it as well, and not what nobody names.
        fs::write(folder.path().join("left"), vec![0; 9_000]).unwrap();
        let room = Room::lasting(10_000, folder.path());
        assert_eq!(room.retain(|file| file == "a", None).unwrap(), 1);
        assert!(fits(&room, 5_000).is_err());
        room.remove("a").unwrap();
        room.remove("a").unwrap();
        assert!(fits(&room, 10_000).is_ok() && fits(&room, 10_001).is_err());
        // A small one takes a block of the disk.
        artifact(&room, 1).keep("b").unwrap();
        assert!(fits(&room, 6_000).is_err());
        let error = artifact(&Room::lasting(100, folder.path()), 1).keep("c").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    }
}
