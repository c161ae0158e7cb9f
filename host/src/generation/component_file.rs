//! Files of a directory that anybody may have put there: what would never end, or not fit, is not read.

use std::fs;
use std::io;
use std::path::Path;

use crate::actionner::BYTES_MAX;

/// What a file holds.
///
/// # Errors
///
/// Where it can't be read, is no file (a pipe would be waited for), or is larger than any component.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if found.len() > BYTES_MAX as u64 {
        let len = found.len();
        return Err(io::Error::other(format!("it has {len} bytes, more than the {BYTES_MAX} that are read")));
    }
    fs::read(path)
}
