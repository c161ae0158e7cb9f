//! The file of the audit record: set aside where it becomes too long, and opened anew where another takes its place.
//!
//! Each write looks first whether the file of that name is still the one that is open, since who turns it over by name,
//! as logrotate does, tells nobody. Knows of what it writes where its lines end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::aside::{self, Keep};
use super::trouble::Trouble;

/// The file of the record. What is written to it says where a line ends.
pub(super) struct RecordFile {
    path: PathBuf,
    /// How long it may become; zero for any length.
    bytes_max: u64,
    keep: Keep,
    trouble: Trouble,
    /// None once it could not be opened anew.
    open: Option<Open>,
    /// Whether the last thing written to it was a whole line.
    is_at_line: bool,
}

struct Open {
    file: File,
    /// Device and number.
    id: (u64, u64),
    bytes: u64,
    /// A terminal, a pipe or a device is no file that could be set aside.
    is_regular: bool,
}

impl RecordFile {
    /// Open it, or make it, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// Where it can't be opened.
    pub(super) fn open(path: &Path, bytes_max: u64, keep: Keep, trouble: Trouble) -> io::Result<Self> {
        let open = Some(Open::at(path)?);
        let file = Self { path: path.to_owned(), bytes_max, keep, trouble, open, is_at_line: true };
        file.prune();
        Ok(file)
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A line that begins with the end of the one before is none that belongs behind it.
        let ends_torn = !self.is_at_line && bytes.first() == Some(&b'\n');
        let is_another = (self.is_at_line || ends_torn) && self.renew()?;
        if is_another && ends_torn {
            return Ok(1);
        }
        let fitting = if self.is_at_line { self.make_room(bytes)? } else { bytes };
        let Some(open) = &mut self.open else { return Err(ErrorKind::NotFound.into()) };
        let count = open.file.write(fitting)?;
        open.bytes = open.bytes.saturating_add(count as u64);
        if let Some(last) = count.checked_sub(1).and_then(|last| fitting.get(last)) {
            self.is_at_line = *last == b'\n';
        }
        Ok(count)
    }

    /// Have the file of that name open; whether it is another than before.
    fn renew(&mut self) -> io::Result<bool> {
        if let Some(open) = &mut self.open {
            if !open.is_regular {
                return Ok(false);
            }
            if let Ok(found) = fs::metadata(&self.path)
                && open.id == (found.dev(), found.ino())
            {
                // Others may have emptied it.
                open.bytes = open.bytes.min(found.len());
                return Ok(false);
            }
        }
        // Nothing goes to a file that nobody finds any more.
        self.open = None;
        self.open = Some(Open::at(&self.path)?);
        self.is_at_line = true;
        Ok(true)
    }

    /// Set the file aside where these lines would make it too long; those of them that fit.
    fn make_room<'a>(&mut self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let Some(open) = self.open.as_mut().filter(|open| self.bytes_max > 0 && open.is_regular) else {
            return Ok(bytes);
        };
        let room = usize::try_from(self.bytes_max.saturating_sub(open.bytes)).unwrap_or(usize::MAX);
        let Some((within, _)) = bytes.split_at_checked(room) else { return Ok(bytes) };
        if let Some(end) = within.iter().rposition(|byte| *byte == b'\n') {
            return Ok(&within[..=end]);
        }
        if open.bytes > 0 {
            match aside::set_aside(&self.path, Timestamp::now()) {
                Ok(()) => {
                    self.renew()?;
                    self.prune();
                    return self.make_room(bytes);
                }
                Err(error) => {
                    self.trouble.is_about_old_files(&error);
                    // It is not tried again with each line.
                    open.bytes = 0;
                }
            }
        }
        // One line alone is longer.
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        Ok(&bytes[..end])
    }

    fn prune(&self) {
        if self.open.as_ref().is_some_and(|open| open.is_regular)
            && let Err(error) = aside::prune(&self.path, self.keep, Timestamp::now())
        {
            self.trouble.is_about_old_files(&error);
        }
    }
}

impl Write for RecordFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.try_write(bytes);
        match &written {
            Ok(count) if *count == bytes.len() => self.trouble.is_over(),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => self.trouble.is(error),
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
        if file.as_ref().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
            // What may only be written, such as a pipe of others.
            file = OpenOptions::new().append(true).open(path);
        }
        let mut file = file?;
        let metadata = file.metadata()?;
        let (id, bytes, is_regular) = ((metadata.dev(), metadata.ino()), metadata.len(), metadata.is_file());
        // The process may have ended in the middle of a line.
        let is_torn = is_regular && bytes > 0 && last_byte(&mut file).is_ok_and(|last| last != b'\n');
        if is_torn {
            file.write_all(b"\n")?;
        }
        Ok(Self { file, id, bytes: bytes + u64::from(is_torn), is_regular })
    }
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last[0])
}

#[cfg(test)]
mod tests;
