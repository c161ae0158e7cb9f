//! Compiled components and their descriptions on disk, so that a start takes milliseconds instead of seconds.
//!
//! A compiled component is machine code, and whoever can write it runs in the host. So each
//! entry carries a MAC under a key that lies in the same directory, readable by the host
//! alone, and an entry that does not carry it is compiled anew. The cache is a convenience:
//! where it can't be used, components are compiled at each start.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use wasmtime::Engine;
use wasmtime::component::Component;

const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;

/// A directory of compiled components.
#[derive(Clone)]
pub struct Cache {
    directory: PathBuf,
    key: hmac::Key,
}

impl Cache {
    /// Use `directory`, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// Where it can't be made or written, or others than its owner may write it.
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let found = fs::metadata(directory)?;
        if found.permissions().mode() & 0o022 != 0 {
            return Err(io::Error::other(format!(
                "others may write it (mode {:o})",
                found.permissions().mode() & 0o777
            )));
        }
        // The files of a process belong to its effective user. Where there is no such folder,
        // the mode has to do.
        if fs::metadata("/proc/self").is_ok_and(|process| process.uid() != found.uid()) {
            return Err(io::Error::other("it belongs to another user"));
        }
        let key = read_or_make_key(&directory.join("key"))?;
        Ok(Self { directory: directory.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, &key) })
    }

    /// The component of this digest as compiled by an engine like `engine`, if it is here.
    pub(super) fn get(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let code = self.read(&self.path(engine, digest))?;
        #[expect(unsafe_code, reason = "the MAC proves that this host compiled the code itself")]
        // SAFETY: `deserialize` asks for bytes that `serialize` made. Only `put` signs a name of
        // this kind, and it signs nothing else.
        let component = unsafe { Component::deserialize(engine, &code) };
        component.ok()
    }

    /// Keep a compiled component. That it could not be kept is of no concern to the caller:
    /// it will be compiled again.
    pub(super) fn put(&self, engine: &Engine, digest: &str, component: &Component) -> io::Result<()> {
        let code = component.serialize().map_err(io::Error::other)?;
        self.write(&self.path(engine, digest), &code)
    }

    /// What the component of this digest has said of itself, if it is here.
    pub(super) fn description(&self, digest: &str) -> Option<String> {
        String::from_utf8(self.read(&self.description_path(digest))?).ok()
    }

    /// Keep what a component has said of itself.
    pub(super) fn put_description(&self, digest: &str, text: &str) -> io::Result<()> {
        self.write(&self.description_path(digest), text.as_bytes())
    }

    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let mut entry = fs::read(path).ok()?;
        let content = entry.split_off(MAC_BYTES.min(entry.len()));
        hmac::verify(&self.key, &signed(path, &content), &entry).ok()?;
        Some(content)
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mac = hmac::sign(&self.key, &signed(path, content));
        let unfinished = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(mac.as_ref())?;
        file.write_all(content)?;
        fs::rename(unfinished, path)
    }

    fn description_path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{}.json", digest.trim_start_matches("sha256:")))
    }

    /// An engine of another version or with other settings has entries of its own.
    fn path(&self, engine: &Engine, digest: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let digest = digest.trim_start_matches("sha256:");
        self.directory.join(format!("{digest}-{:016x}.cwasm", hasher.finish()))
    }
}

/// The name is signed along: digest, engine and kind, so that no entry can be put in the place of another, and a
/// description, which is a guest's words, never in that of code.
fn signed(path: &Path, content: &[u8]) -> Vec<u8> {
    let name = path.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
    [name, b"\0", content].concat()
}

fn read_or_make_key(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Ok(key) if key.len() == KEY_BYTES => return Ok(key),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut key = vec![0; KEY_BYTES];
    SystemRandom::new().fill(&mut key).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let unfinished = path.with_extension(format!("{}.new", std::process::id()));
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?.write_all(&key)?;
    // Of two hosts that start at once the later one wins; the entries of the other are
    // compiled again.
    fs::rename(unfinished, path)?;
    Ok(key)
}
