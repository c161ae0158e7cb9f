//! A machine that is treated badly: its power is cut, its disk fills, its clock is set.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Loaded into a process before the C library.
const SOURCE: &str = include_str!("machine.c");

/// What `machine.c` is compiled to, `None` where there is no C compiler; then it says so.
pub(crate) fn library(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (folder.join("machine.c"), folder.join("machine.so"));
    fs::write(&source, SOURCE).unwrap();
    let mut compiler = Command::new("cc");
    let compiled = compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).status();
    if compiled.is_err() {
        eprintln!("skipped: there is no C compiler `cc`");
        return None;
    }
    assert!(compiled.unwrap().success());
    Some(library)
}

/// Take away what was not synced of the files in a folder; or leave it, as a disk may have written it all the same.
pub(crate) fn cut_power(store: &Path, may_stay: impl Fn() -> bool) {
    for name in ["store.db", "store.db-wal"] {
        let (file, synced) = (store.join(name), store.join(format!("{name}.synced")));
        if may_stay() {
            continue;
        }
        match fs::rename(&synced, &file) {
            // Nothing of it was.
            Err(error) if error.kind() == ErrorKind::NotFound => drop(fs::remove_file(&file)),
            renamed => renamed.unwrap(),
        }
    }
    // Memory that processes share.
    let _ = fs::remove_file(store.join("store.db-shm"));
    // What is there now is on the disk.
    for name in ["store.db", "store.db-wal"] {
        let _ = fs::copy(store.join(name), store.join(format!("{name}.synced")));
    }
}

/// A small disk, gone with this value.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// One of so many bytes at this path, `None` where we may not mount it; then it says so.
    pub(crate) fn mount(path: &Path, bytes: usize) -> Option<Disk> {
        fs::create_dir(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=0700"), "none"]).arg(path);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            eprintln!("skipped: a small disk can't be mounted here");
        }
        is_mounted.then(|| Disk(path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Leave no byte.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        for size in [1 << 16, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// The clock of a process.
pub(crate) struct Clock(PathBuf);

impl Clock {
    pub(crate) fn new(folder: &Path) -> Self {
        let clock = Self(folder.join("clock"));
        fs::write(&clock.0, [0; 8]).unwrap();
        clock
    }

    /// What tells it to a process.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Set it, so many hours off.
    pub(crate) fn set(&self, hours: i64) {
        let file = File::options().write(true).open(&self.0).unwrap();
        file.write_all_at(&(hours * 3600).to_ne_bytes(), 0).unwrap();
    }
}
