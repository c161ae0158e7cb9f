//! Watches the files behind the rules in force, and loads them anew when they hold something else, or when it is asked
//! for.
//!
//! Events say that it is time to look, and what the files hold says whether anything has changed. Where no event comes,
//! be it that the system gives no watch or that a file system has none, it is looked all the same, every half minute.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use super::load::Loader;
use super::loaded::Generation;
use super::problem::Problem;
use super::ways::{Contents, Ways};
use crate::health::Check;
use crate::telemetry::logs::{Level, Logger};

/// Changes come in bursts; the files are read once it has been quiet for so long,
const QUIET: Duration = Duration::from_millis(200);

/// and where it does not become quiet, so long after the first change.
const LATEST: Duration = Duration::from_millis(600);

/// How often the files are compared where no event comes.
const UNASKED: Duration = Duration::from_secs(30);

/// What is wrong where new rules were refused.
const REFUSED: &str = "they are invalid, and those loaded before stay in force; the log says what is wrong";

/// Load the files anew each time that they change, where there is a `watch`, and each time that it is `asked` for; put
/// in force what is right.
///
/// Never returns; to be dropped when the host stops.
pub(crate) async fn keep_current(
    mut watch: Option<Watch>,
    asked: Arc<Notify>,
    loader: Arc<Loader>,
    generation: Arc<ArcSwap<Generation>>,
) {
    let mut refused = Vec::new();
    loop {
        let changed = match &mut watch {
            Some(watch) => {
                watch.follow(&generation.load(), &refused).await;
                watch.changed(&asked, &loader.reporting.logger).await
            }
            None => {
                asked.notified().await;
                Vec::new()
            }
        };
        refused = reload(&loader, &generation, &changed).await;
    }
}

/// Watches for changes until it is dropped.
pub(crate) struct Watch {
    /// What the configuration names.
    configured: Vec<PathBuf>,
    /// What rules name: those in force, and those that were refused for it.
    scripts: BTreeSet<PathBuf>,
    /// What the files held when they were last read.
    seen: Contents,
    eyes: Eyes,
    changes: mpsc::Receiver<()>,
    /// What was last said of folders that can't be watched.
    complaint: Option<String>,
}

/// What hears of events.
struct Eyes {
    /// Stops watching when it is dropped.
    watcher: Option<RecommendedWatcher>,
    /// What the names lead through. The watcher asks it at each event.
    ways: Arc<ArcSwap<Ways>>,
    sender: mpsc::Sender<()>,
    open: Open,
}

type Open = fn(Arc<ArcSwap<Ways>>, mpsc::Sender<()>) -> notify::Result<RecommendedWatcher>;

impl Watch {
    /// Remember what the files behind `loader` hold, which is to be loaded after that.
    pub(crate) async fn new(loader: &Loader) -> Self {
        Self::over(loader.paths(), open).await
    }

    async fn over(configured: Vec<PathBuf>, open: Open) -> Self {
        // One place is enough: it says that there is something to read, not what.
        let (sender, changes) = mpsc::channel(1);
        let mut watch = Self {
            configured,
            scripts: BTreeSet::new(),
            seen: Contents::default(),
            eyes: Eyes { watcher: None, ways: Arc::default(), sender, open },
            changes,
            complaint: None,
        };
        let names = watch.names();
        watch.seen = spawn_blocking(move || Contents::of(&names)).await.unwrap_or_default();
        watch
    }

    /// Watch the files that the rules name which are in force now, and those for which others were refused.
    async fn follow(&mut self, generation: &Generation, refused: &[PathBuf]) {
        let scripts: BTreeSet<PathBuf> = generation.files.keys().chain(refused).cloned().collect();
        for script in self.scripts.difference(&scripts) {
            self.seen.0.remove(script);
        }
        // Of those in force it is known what was read.
        for (script, digest) in &generation.files {
            self.seen.0.entry(script.clone()).or_insert_with(|| digest.clone());
        }
        // What can be read by now may have come after rules were refused for it: that is a change.
        let fresh: Vec<PathBuf> = refused.iter().filter(|file| !self.seen.0.contains_key(*file)).cloned().collect();
        let fresh = spawn_blocking(move || Contents::of(&fresh)).await.unwrap_or_default();
        self.seen.0.extend(fresh.unreadable().0);
        self.scripts = scripts;
    }

    fn names(&self) -> Vec<PathBuf> {
        self.configured.iter().chain(&self.scripts).cloned().collect()
    }

    /// The files that hold something else than before, waited for; perhaps none where it is `asked` for.
    async fn changed(&mut self, asked: &Notify, logger: &Logger) -> Vec<PathBuf> {
        let mut is_asked = false;
        loop {
            // First to watch and then to read, so that no change falls in between.
            let now = self.look(logger).await;
            let changed = now.changed_since(&self.seen);
            self.seen = now;
            if is_asked || !changed.is_empty() {
                return changed;
            }
            tokio::select! {
                () = asked.notified() => is_asked = true,
                () = self.noticed() => {}
            }
        }
    }

    /// Watch where the names lead through now, and see what the files hold.
    async fn look(&mut self, logger: &Logger) -> Contents {
        let (names, mut eyes) = (self.names(), self.eyes.take());
        let looked = spawn_blocking(move || {
            let watched = eyes.watch(Ways::of(&names));
            (eyes, watched, Contents::of(&names))
        });
        // Should it panic, it is done again in half a minute.
        let Ok((eyes, watched, contents)) = looked.await else { return self.seen.clone() };
        self.eyes = eyes;
        let complaint = watched.err();
        if let Some(complaint) = complaint.as_ref().filter(|_| complaint != self.complaint) {
            logger.line(Level::Warn, "rules").error(complaint).write();
        }
        self.complaint = complaint;
        contents
    }

    /// Wait until it is time to look.
    async fn noticed(&mut self) {
        if timeout(UNASKED, self.changes.recv()).await.is_err() {
            return;
        }
        let latest = Instant::now() + LATEST;
        while Instant::now() < latest {
            let quiet = (Instant::now() + QUIET).min(latest);
            if timeout_at(quiet, self.changes.recv()).await.is_err() {
                return;
            }
        }
    }
}

impl Eyes {
    fn take(&mut self) -> Self {
        let (ways, sender) = (self.ways.clone(), self.sender.clone());
        Self { watcher: self.watcher.take(), ways, sender, open: self.open }
    }

    /// Watch these ways, and no others.
    ///
    /// # Errors
    ///
    /// A warning, where not all of them can be watched.
    fn watch(&mut self, ways: Ways) -> Result<(), String> {
        let before = self.ways.swap(Arc::new(ways));
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            None => {
                let opened = (self.open)(self.ways.clone(), self.sender.clone());
                self.watcher.insert(opened.map_err(|error| complaint("the files", &error))?)
            }
        };
        // A folder that was made anew has the name of the one that was watched, and is another.
        for folder in &before.folders {
            let _ = watcher.unwatch(folder);
        }
        let mut complaints = Vec::new();
        for folder in &self.ways.load().folders {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                complaints.push(complaint(&folder.display().to_string(), &error));
            }
        }
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("; ")) }
    }
}

fn open(ways: Arc<ArcSwap<Ways>>, sender: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // What was only read is the same as before, and an error may stand for anything.
        if event.map_or(true, |event| !event.kind.is_access() && ways.load().concern(&event)) {
            // A full channel holds the same message already.
            let _ = sender.try_send(());
        }
    })
}

fn complaint(what: &str, error: &notify::Error) -> String {
    let reason = match &error.kind {
        notify::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    };
    format!("{what} can't be watched ({reason}), so changes are noticed within {} seconds", UNASKED.as_secs())
}

/// Load the files, some of which have changed or which somebody asks for; the files of rules that were not loaded for
/// them.
async fn reload(loader: &Loader, generation: &ArcSwap<Generation>, changed: &[PathBuf]) -> Vec<PathBuf> {
    let logger = &loader.reporting.logger;
    let files: Vec<String> = changed.iter().map(|file| file.display().to_string()).collect();
    let files = files.join(", ");
    let result = if changed.is_empty() { "asked to load them anew" } else { "changes detected" };
    logger.line(Level::Info, "rules").field("result", result).field("files", &files).write();
    match loader.load().await {
        Ok(loaded) => {
            report(logger, Level::Warn, &loaded.warnings);
            let result = loaded.generation.loaded_text();
            generation.store(Arc::new(loaded.generation));
            logger.line(Level::Info, "rules").field("result", &result).write();
            loader.reporting.metrics.reloaded(true);
            loader.reporting.health.ok(Check::Rules);
            Vec::new()
        }
        Err(problems) => {
            report(logger, Level::Error, &problems);
            logger.line(Level::Error, "rules").error(&"invalid rules").write();
            loader.reporting.metrics.reloaded(false);
            loader.reporting.health.wrong(Check::Rules, REFUSED);
            let script = |problem: Problem| match problem {
                Problem::Script { path, .. } => Some(path),
                _ => None,
            };
            problems.into_iter().filter_map(script).collect()
        }
    }
}

fn report(logger: &Logger, level: Level, problems: &[Problem]) {
    for problem in problems {
        problem.report(logger, level);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use notify::ErrorKind;

    use super::*;
    use crate::actionner::tests::silent;

    #[tokio::test(start_paused = true)]
    async fn where_nothing_can_be_watched_contents_are_compared() {
        let folder = tempfile::tempdir().unwrap();
        let (rules, policy) = (folder.path().join("rules.yaml"), folder.path().join("policy.yaml"));
        fs::write(&rules, "first").unwrap();
        let names = vec![rules.clone(), policy.clone()];
        let mut watch = Watch::over(names, |_, _| Err(notify::Error::new(ErrorKind::MaxFilesWatch))).await;
        let logger = silent().logger;
        assert!(watch.look(&logger).await.changed_since(&watch.seen).is_empty());
        assert_eq!(
            watch.complaint.as_deref(),
            Some("the files can't be watched (OS file watch limit reached.), so changes are noticed within 30 seconds")
        );
        let began = Instant::now();
        watch.noticed().await;
        assert_eq!(began.elapsed(), UNASKED);
        fs::write(&rules, "other").unwrap();
        let asked = Notify::new();
        assert_eq!(watch.changed(&asked, &logger).await, [rules]);
        fs::write(&policy, "version: 1").unwrap();
        assert_eq!(watch.changed(&asked, &logger).await, [policy]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_waits_for_no_change() {
        let mut watch = Watch::over(Vec::new(), open).await;
        let (asked, began) = (Notify::new(), Instant::now());
        asked.notify_one();
        assert!(watch.changed(&asked, &silent().logger).await.is_empty());
        assert!(began.elapsed() < UNASKED, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn changes_that_do_not_end_are_looked_at_all_the_same() {
        let mut watch = Watch::over(Vec::new(), open).await;
        let sender = watch.eyes.sender.clone();
        let began = Instant::now();
        let storm = tokio::spawn(async move {
            loop {
                let _ = sender.send(()).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        watch.noticed().await;
        assert!(began.elapsed() <= LATEST, "{:?}", began.elapsed());
        storm.abort();
    }
}
