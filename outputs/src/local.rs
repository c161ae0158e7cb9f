//! `local:file`: a folder of the host's own file system.
//!
//! A file appears under its name when it is whole, and never in place of another. Blocks, as
//! files do: the caller chooses the thread.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use tempfile::Builder;

use super::digests::Digests;
use super::key::numbered;
use super::{Artifact, OutputError, Stored};

/// Several artifacts of one pod can have the same name within a second.
const SAME_NAME_MAX: u32 = 1_000;

/// How much of two files is compared at once.
const COMPARED_BYTES: usize = 64 << 10;

/// Store an artifact as `<destination>/<key>`, readable by the host's user alone.
///
/// Where there is such a file already, a number is put behind the key; but where it is the same, it is taken for what
/// an attempt before has stored, of which nobody knows any more.
///
/// # Errors
///
/// Where the folder is missing, or can't be written to.
pub fn store(destination: &str, key: &str, artifact: &mut Artifact) -> Result<Stored, OutputError> {
    let folder = Path::new(destination);
    if !folder.is_dir() {
        return Err(OutputError::NoFolder(destination.to_owned()));
    }
    let digests = artifact.read().and_then(|content| Digests::read(content, u64::MAX));
    let digests = digests.map_err(OutputError::Unreadable)?;
    let failed = |error: io::Error| OutputError::File { folder: destination.to_owned(), error };
    // Beside where it goes, so that it can be moved there; created with mode 0600.
    let mut file = Builder::new().prefix(".falco-talon-").tempfile_in(folder).map_err(failed)?;
    io::copy(&mut artifact.read().map_err(failed)?, file.as_file_mut()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    for number in 1..SAME_NAME_MAX {
        let path = folder.join(numbered(key, number));
        match file.persist_noclobber(&path) {
            Ok(_) => return Ok(stored(artifact, &path, digests)),
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                if is_same(artifact, &path).map_err(failed)? {
                    return Ok(stored(artifact, &path, digests));
                }
                file = error.file;
            }
            Err(error) => return Err(failed(error.error)),
        }
    }
    Err(failed(ErrorKind::AlreadyExists.into()))
}

/// Whether a file has this content.
fn is_same(artifact: &mut Artifact, path: &Path) -> io::Result<bool> {
    let has_its_length = |metadata: Metadata| metadata.is_file() && metadata.len() == artifact.bytes();
    if !fs::symlink_metadata(path).is_ok_and(has_its_length) {
        return Ok(false);
    }
    let Ok(file) = File::open(path) else { return Ok(false) };
    let (mut one, mut other) = (vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]);
    let (mut artifact, mut file) = (artifact.read()?, file);
    loop {
        let count = artifact.read(&mut one)?;
        if count == 0 {
            return Ok(true);
        }
        // It has not become shorter since it was looked at, or it is not the same.
        if file.read_exact(&mut other[..count]).is_err() || one[..count] != other[..count] {
            return Ok(false);
        }
    }
}

fn stored(artifact: &Artifact, path: &Path, digests: Digests) -> Stored {
    let path = path.display().to_string();
    let base_name = artifact.name.rsplit('/').next().unwrap_or_default();
    Stored {
        message: format!("the file '{base_name}' has been copied to '{path}'"),
        objects: vec![("file", artifact.name.clone()), ("destination", path), ("sha256", digests.sha256)],
    }
}

/// A destination with the values of the variables that it names, as `$NAME` or `${NAME}`.
///
/// # Errors
///
/// Where one is not set.
pub fn expand(destination: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, OutputError> {
    let mut expanded = String::new();
    let mut rest = destination;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let (name, left) = braced.unwrap_or_else(|| {
            let is_outside = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
            after.split_at(after.find(is_outside).unwrap_or(after.len()))
        });
        rest = left;
        if name.is_empty() {
            expanded.push('$');
            continue;
        }
        let missing = || OutputError::NoVariable { folder: destination.to_owned(), variable: name.to_owned() };
        expanded.push_str(&variable(name).ok_or_else(missing)?);
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn artifact(content: &[u8]) -> Artifact {
        let mut artifact = Artifact::new("/var/log/x.log".to_owned(), "text/plain".to_owned());
        artifact.append(content).unwrap();
        artifact
    }

    #[test]
    fn a_file_is_stored_whole_and_for_the_host_alone() {
        let folder = tempfile::tempdir().unwrap();
        let destination = format!("{}/", folder.path().display());
        let large = vec![7; 3 << 20];
        let stored = store(&destination, "key_x.log", &mut artifact(&large)).unwrap();
        let path = folder.path().join("key_x.log");
        assert_eq!(stored.message, format!("the file 'x.log' has been copied to '{}'", path.display()));
        let sha256 = Digests::read(&large[..], 1).unwrap().sha256;
        let destination = path.display().to_string();
        let objects = [("file", "/var/log/x.log".to_owned()), ("destination", destination), ("sha256", sha256)];
        assert_eq!(stored.objects, objects);
        assert_eq!(fs::read(&path).unwrap(), large);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().display().to_string();
        for (key, expected) in [("a.pcap", "a.pcap"), ("a.pcap", "a_2.pcap"), ("a.pcap", "a_3.pcap"), ("log", "log")] {
            store(&destination, key, &mut artifact(expected.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(folder.path().join(expected)).unwrap(), expected);
        }
        store(&destination, "log", &mut artifact(b"2")).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("log_2")).unwrap(), "2");
    }

    #[test]
    fn what_is_there_already_is_not_stored_twice() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().display().to_string();
        let large = vec![7; 1 << 20];
        let other = [&large[1..], &[8]].concat();
        for (content, name) in [(&large, "a.pcap"), (&large, "a.pcap"), (&other, "a_2.pcap"), (&other, "a_2.pcap")] {
            let stored = store(&destination, "a.pcap", &mut artifact(content)).unwrap();
            assert!(stored.message.ends_with(&format!("/{name}'")), "{}", stored.message);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn variables_of_a_destination_have_their_values() {
        let variable = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        let check = |given, expected| assert_eq!(expand(given, variable).unwrap(), expected);
        check("/tmp", "/tmp");
        check("$HOME/x", "/root/x");
        check("/a${HOME}b$HOME", "/a/rootb/root");
        check("/a$/b$", "/a$/b$");
        let error = expand("/x/${NODE}/y", variable).unwrap_err();
        assert_eq!(error.to_string(), "the folder '/x/${NODE}/y' names the variable 'NODE', which is not set");
    }

    #[test]
    fn a_folder_must_exist_and_let_files_be_made() {
        let error = store("/nowhere/at/all", "key", &mut artifact(b"x")).unwrap_err();
        assert_eq!(error.to_string(), "folder '/nowhere/at/all' does not exist");
        let error = store("/proc", "key", &mut artifact(b"x")).unwrap_err();
        assert!(error.to_string().starts_with("can't write to the folder '/proc': "), "{error}");
    }
}
