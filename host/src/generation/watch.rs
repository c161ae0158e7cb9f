//! Watches the files behind the rules in force, and loads them anew when they change.
//!
//! Directories are watched, not files: an editor replaces a file, and a Kubernetes ConfigMap
//! swaps a symlink two levels up, and neither writes to the file that was there before. What
//! was read is compared by content, so a burst of events about the same files is one reload.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::component_file;
use super::load::Loader;
use super::loaded::Generation;
use super::problem::Problem;
use crate::actionner::digest;
use crate::telemetry::logs::{Level, Logger};

/// Changes come in bursts; the files are read once it has been quiet for so long.
const QUIET: Duration = Duration::from_millis(200);

/// The files can't be watched.
#[derive(Debug, thiserror::Error)]
#[error("the files can't be watched: {0}")]
pub(crate) struct WatchError(#[from] notify::Error);

/// Watches for changes until it is dropped.
pub(crate) struct Watch {
    /// Stops watching when it is dropped.
    watcher: notify::RecommendedWatcher,
    changes: mpsc::Receiver<()>,
    paths: Vec<PathBuf>,
    /// What the files held when they were last read.
    seen: String,
}

impl Watch {
    /// Begin to watch everything that `loader` reads, and what the rules in force name.
    ///
    /// # Errors
    ///
    /// Where the system refuses to watch a directory.
    pub(crate) fn new(loader: &Loader, generation: &Generation) -> Result<Self, WatchError> {
        // One place is enough: it says that there is something to read, not what.
        let (sender, changes) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // A full channel holds the same message already.
                let _ = sender.try_send(());
            }
        })?;
        let mut watch = Self { watcher, changes, paths: Vec::new(), seen: String::new() };
        watch.look_at(loader, generation)?;
        Ok(watch)
    }

    /// Watch what is in force now. Whether that is something else than before.
    fn look_at(&mut self, loader: &Loader, generation: &Generation) -> Result<bool, WatchError> {
        let paths: Vec<PathBuf> = loader.paths().into_iter().chain(generation.files.iter().cloned()).collect();
        if paths == self.paths {
            return Ok(false);
        }
        self.paths = paths;
        for directory in directories(&self.paths) {
            // Watching a directory twice is watching it once.
            self.watcher.watch(&directory, RecursiveMode::NonRecursive)?;
        }
        self.seen = fingerprint(&self.paths);
        Ok(true)
    }

    /// Load the files anew each time that they change, and put in force what is right.
    ///
    /// Never returns; to be dropped when the host stops.
    pub(crate) async fn run(mut self, loader: Arc<Loader>, generation: Arc<ArcSwap<Generation>>) {
        while self.changed().await {
            reload(&loader, &generation).await;
            match self.look_at(&loader, &generation.load()) {
                Ok(false) => {}
                // A file that is new to it can have changed since it was read.
                Ok(true) => reload(&loader, &generation).await,
                Err(error) => loader.reporting.logger.line(Level::Error, "rules").error(&error).write(),
            }
        }
    }

    /// Wait until the files hold something else than before.
    async fn changed(&mut self) -> bool {
        loop {
            if self.changes.recv().await.is_none() {
                return false;
            }
            while let Ok(Some(())) = timeout(QUIET, self.changes.recv()).await {}
            let now = fingerprint(&self.paths);
            if now != self.seen {
                self.seen = now;
                return true;
            }
        }
    }
}

async fn reload(loader: &Loader, generation: &ArcSwap<Generation>) {
    let logger = &loader.reporting.logger;
    logger.line(Level::Info, "rules").field("result", "changes detected").write();
    match loader.load().await {
        Ok(loaded) => {
            report(logger, Level::Warn, &loaded.warnings);
            let result = loaded.generation.loaded_text();
            generation.store(Arc::new(loaded.generation));
            logger.line(Level::Info, "rules").field("result", &result).write();
            loader.reporting.metrics.reloaded(true);
        }
        Err(problems) => {
            report(logger, Level::Error, &problems);
            logger.line(Level::Error, "rules").error(&"invalid rules").write();
            loader.reporting.metrics.reloaded(false);
        }
    }
}

fn report(logger: &Logger, level: Level, problems: &[Problem]) {
    for problem in problems {
        problem.report(logger, level);
    }
}

/// Where changes to `paths` show: in the directories of the files, of what they link to, and
/// of the links in between.
fn directories(paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    for path in paths {
        let mut path = path.clone();
        // A chain of links is as long as the file system allows, which is finite.
        loop {
            if path.is_dir() {
                directories.insert(path.clone());
            }
            if let Some(parent) = path.parent() {
                directories.insert(if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() });
            }
            match std::fs::read_link(&path) {
                Ok(target) => path = path.parent().unwrap_or(Path::new(".")).join(target),
                Err(_) => break,
            }
        }
    }
    directories.retain(|directory| directory.is_dir());
    directories
}

/// What all the files hold, in one digest; a missing file differs from an empty one.
fn fingerprint(paths: &[PathBuf]) -> String {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        match std::fs::read_dir(path) {
            Ok(entries) => files.extend(entries.flatten().map(|entry| entry.path())),
            Err(_) => files.push(path.clone()),
        }
    }
    files.sort();
    let digests = files.iter().map(|file| {
        let held = component_file::read(file).map_or_else(|error| error.to_string(), |bytes| digest(&bytes));
        format!("{} {held}\n", file.display())
    });
    digest(digests.collect::<String>().as_bytes())
}
