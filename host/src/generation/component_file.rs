//! Files of a directory that anybody may have put there: what would never end, or not fit, is not read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

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
    let too_large = |len: u64| io::Error::other(format!("it has {len} bytes, more than the {BYTES_MAX} that are read"));
    let mut bytes = Vec::new();
    if found.len() <= BYTES_MAX as u64 {
        // It may grow meanwhile.
        File::open(path)?.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    }
    match (bytes.len() as u64).max(found.len()) {
        len if len > BYTES_MAX as u64 => Err(too_large(len)),
        _ => Ok(bytes),
    }
}

/// What is named as a component in a folder, in the order of the names.
///
/// # Errors
///
/// Where it is not a folder, or can't be read.
pub(crate) fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| is_named(path));
    paths.sort();
    Ok(paths)
}

/// Whether a name is that of a component.
pub(crate) fn is_named(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wasm"))
}
