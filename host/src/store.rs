//! What this host must not forget: events that wait with their progress, what ended, and what could not be brought to
//! an end.
//!
//! It is a SQLite database in the folder that the configuration names, or else in memory, lost with the process. One
//! thread writes it, in groups. What is said to be stored is with the operating system, which survives the end of the
//! process; what must survive the end of the machine, too, is synced first. Knows nothing of HTTP, rules or actionners.

mod entry;
mod error;

mod front;
mod recent;
mod usage;

mod clock;
mod schema;

mod delivery;
mod due;
mod notification;

mod change;
mod command;
mod inbox;
mod rows;

mod folder;
mod history;
mod key;
mod trouble;

mod edit;

mod writer;

mod recovery;

mod deliveries;
mod edits;
mod notifications;

mod offline;
mod reader;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ring::hmac;
use rusqlite::Connection;
use tokio::sync::oneshot;

pub(crate) use delivery::{Delivered, Delivery, DeliveryId, Due};
pub(crate) use edit::EditError;
pub use entry::Outcome;
pub(crate) use entry::{
    Acceptance, Arrival, Attempted, Entry, EntryId, Fingerprint, Progress, Step, StepEnd, StepHash, WHICHEVER,
};
pub(crate) use error::Refused;
pub(crate) use error::{Closed, OpenError};
pub(crate) use folder::{Damage, folder_of};
pub(crate) use notification::{Notification, Told, Waiting};
pub(crate) use offline::Offline;
pub(crate) use reader::{EntryStatus, Filter, Reader, Record, Shown, StepRecord};
pub(crate) use recent::Window;
pub use usage::Limits;

use change::Change;
use clock::Clock;
use command::{Command, Written};
use due::Left;
use folder::Folder;
pub(crate) use front::CutOff;
use front::{Front, Next};
use history::Keep;
use inbox::Inbox;
use key::key;
use recent::Recent;
use trouble::Trouble;
use usage::Usage;
use writer::Writer;

use crate::config::History;
use crate::telemetry::Reporting;
use crate::telemetry::metrics::Queued;

/// What a store is to hold, and for how long.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of what is unfinished.
    pub limits: Limits,
    /// When an event is a repeat of another.
    pub window: Window,
    /// What is kept of what ended.
    pub history: History,
}

impl Settings {
    /// A store with these limits, to which no event is a repeat, and which keeps nothing of what ended.
    pub fn of(limits: Limits) -> Self {
        let window = Window { length: Duration::ZERO, events_max: 0 };
        Self { limits, window, history: History { keep: Duration::ZERO, bytes_max: 0, redact: Vec::new() } }
    }
}

/// A store. Clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    front: Arc<Front>,
    inbox: Arc<Inbox>,
    thread: Mutex<Option<JoinHandle<()>>>,
    clock: Clock,
    redact: Vec<String>,
    /// For what is not to be read from a hash.
    key: hmac::Key,
    /// Held as long as the store is used; none where it is in memory.
    folder: Option<Folder>,
}

/// What was found in a store that was opened.
#[derive(Debug, Default)]
pub struct Found {
    /// Unfinished entries, which are handed out first.
    pub waiting: usize,
    /// Entries during which the process ended twice: they are dead letters now. By their trace ids.
    pub poisoned: Vec<String>,
    /// A file that was set aside.
    pub damage: Option<Damage>,
    /// What is to be delivered, in the order of the next attempts.
    pub due: Vec<Due>,
    /// What lies in the spool and is wanted there.
    pub files: HashSet<String>,
    /// How many notifications wait for each notifier for which some do.
    pub notifications: Vec<(String, usize)>,
}

impl Store {
    /// A store in memory, whose entries are lost with the process.
    ///
    /// # Errors
    ///
    /// Where there is no memory for it.
    pub fn in_memory(settings: Settings, reporting: &Reporting) -> Result<Store, OpenError> {
        let mut connection = Connection::open_in_memory()?;
        folder::prepare(&mut connection)?;
        let (store, _) = Self::over(connection, None, settings, reporting)?;
        Ok(store)
    }

    /// The store in this folder, made where there is none.
    ///
    /// # Errors
    ///
    /// Where the folder can't be used, another process has it, or a newer version has written it. A file that is
    /// damaged is set aside instead.
    pub fn open(data_dir: &Path, settings: Settings, reporting: &Reporting) -> Result<(Store, Found), OpenError> {
        let folder = Folder::take(data_dir)?;
        let (connection, damage) = folder.open()?;
        let (store, found) = Self::over(connection, Some(folder), settings, reporting)?;
        Ok((store, Found { damage, ..found }))
    }

    fn over(
        mut connection: Connection,
        folder: Option<Folder>,
        settings: Settings,
        reporting: &Reporting,
    ) -> Result<(Store, Found), OpenError> {
        let Settings { limits, window, history } = settings;
        let (front, trouble) = (Arc::new(Front::new(limits)), Trouble::new(reporting));
        let (clock, key, redact) = (Clock::new(), key(&connection)?, history.redact.clone());
        // What is replaced by a hash is not to stay in what is free of the file.
        connection.pragma_update(None, "secure_delete", !redact.is_empty())?;
        history::remember_secrets(&connection, &redact)?;
        let poisoned = recovery::poisoned(&mut connection, clock.now_ms())?;
        let mut writer = Writer {
            usage: Usage::new(limits),
            recent: Recent::new(window),
            front: Arc::clone(&front),
            trouble,
            keep: Keep::new(history, &connection)?,
            has_secrets: !redact.is_empty(),
            next_id: recovery::next_id(&connection)?,
            is_spooled: folder.is_some(),
            is_miscounted: false,
            pending: std::collections::VecDeque::new(),
            is_synced: false,
            clock,
            connection,
        };
        let waiting = writer.recover()?;
        let Left { due, files } = due::left(&writer.connection, &clock)?;
        let notifications = notification::counts(&writer.connection)?;
        front.waits(waiting);
        front.note(writer.usage.bytes(), writer.keep.dead());
        let inbox = Arc::<Inbox>::default();
        let commands = Arc::clone(&inbox);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run(&commands));
        let thread = thread.map_err(|error| OpenError::Folder { path: "store".into(), error })?;
        let inner = Inner { front, inbox, thread: Mutex::new(Some(thread)), clock, redact, key, folder };
        Ok((Store(Arc::new(inner)), Found { waiting, poisoned, damage: None, due, files, notifications }))
    }

    /// Whether what waits is still there after the process.
    pub fn is_lasting(&self) -> bool {
        self.0.folder.is_some()
    }

    /// A key for fingerprints, which lasts as long as the store.
    pub fn key(&self) -> &hmac::Key {
        &self.0.key
    }

    /// Accept an event, unless it is a repeat: from here on it is the host's to finish.
    ///
    /// # Errors
    ///
    /// Where there is no room, it can't be written, or the program is about to end.
    pub async fn accept(&self, arrival: Arrival) -> Result<Acceptance, Refused> {
        let (answer, accepted) = oneshot::channel();
        self.ask(Command::Accept(Box::new(arrival), answer));
        accepted.await.unwrap_or(Err(Refused::Closed))
    }

    /// The next entry in the order of arrival, or none once there will be no more.
    ///
    /// Loses nothing when the future is dropped before it is ready.
    pub async fn next(&self) -> Option<Arc<Entry>> {
        loop {
            let changed = self.0.front.changed();
            match self.0.front.next() {
                Next::Entry(entry) => return Some(entry),
                Next::End => return None,
                Next::Load(after, load) => self.ask(Command::Load(after, load)),
                Next::Wait => {}
            }
            changed.await;
        }
    }

    /// An attempt at a step of an entry begins, which is its `number`th: from here on it may have its effect. Ready
    /// once that is synced, which the machine's end does not undo.
    ///
    /// # Errors
    ///
    /// Where the store has ended: then it must not begin.
    pub async fn begin_synced(&self, id: EntryId, number: u32, step: &Step, attempts: u32) -> Result<(), Closed> {
        self.0.front.begins(id);
        self.change_written(Change::Begin { id, number, step: Box::new(step.clone()), attempts }, true).await
    }

    /// The same for a step that is repeatable, and may begin before that is written.
    pub fn begin(&self, id: EntryId, number: u32, step: &Step, attempts: u32) {
        self.0.front.begins(id);
        self.change(Change::Begin { id, number, step: Box::new(step.clone()), attempts });
    }

    /// An attempt has ended, and another one may follow.
    pub fn attempted(&self, id: EntryId, number: u32, attempted: Attempted) {
        self.change(Change::Attempted { id, number, attempted });
    }

    /// The step has ended, in this way.
    pub fn end(&self, id: EntryId, number: u32, end: StepEnd) {
        self.change(Change::End { id, number, end: Box::new(end), deliveries: Vec::new() });
    }

    /// The entry is nobody's to finish any more. Where it is dead, `reason` says why.
    pub fn finish(&self, entry: &Entry, outcome: Outcome, reason: &str) {
        // What is dead may be replayed, so it is kept as it is.
        let redacted = match outcome {
            Outcome::Done => history::redacted(&entry.event, &self.0.redact, &self.0.key),
            Outcome::Dead => None,
        };
        self.change(Change::Close { id: entry.id, outcome, reason: reason.to_owned(), redacted });
        self.0.front.leave(entry.id);
    }

    /// What comes of an entry that was handed out begins now, so that nobody may remove it any more. Not where somebody
    /// has: then it is no longer there.
    pub(crate) fn start(&self, id: EntryId) -> bool {
        self.0.front.start(id)
    }

    /// The entry is not handled any more in this life of the process, and stays stored.
    pub fn leave(&self, id: EntryId) {
        self.0.front.give_back(id);
    }

    /// The entry is not handled now, and takes no memory until [`Store::resume`].
    pub fn postpone(&self, id: EntryId) {
        self.0.front.postpone(id);
    }

    /// Hand out what was postponed, in the order of arrival, before what came later.
    pub fn resume(&self) {
        self.0.front.resume();
    }

    /// Take the next event of its kind for the first, since nothing came of this one.
    pub fn forget(&self, fingerprint: Fingerprint) {
        self.ask(Command::Forget(fingerprint));
    }

    /// How many entries there are.
    pub fn counts(&self) -> Queued {
        self.0.front.counts()
    }

    /// Hand out no further events: what waits stays stored. In memory it goes on, or it would be lost.
    pub fn stop(&self) {
        if self.is_lasting() {
            self.0.front.stop();
        }
    }

    /// Accept no further events.
    pub fn close(&self) {
        self.0.front.close();
    }

    /// The entries that are handled now.
    pub fn cut_off(&self) -> Vec<CutOff> {
        self.0.front.cut_off()
    }

    /// What is still under way is cut off by the host itself, so that it is not what ends the process.
    pub fn interrupt(&self) {
        // Where that can't be written, it counts as one end of the process.
        self.ask(Command::Ask(Box::new(|connection| drop(recovery::interrupt(connection)))));
    }

    /// Write what is left, and end. Blocks meanwhile.
    pub fn end_writing(&self) {
        self.ask(Command::Stop);
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has said what went wrong.
            let _ = thread.join();
        }
    }

    /// Asked for at once, whether or not anybody waits for it.
    fn change_written(
        &self,
        change: Change,
        is_synced: bool,
    ) -> impl Future<Output = Result<(), Closed>> + Send + use<> {
        let (done, written) = oneshot::channel();
        let is_synced = is_synced && self.is_lasting();
        self.ask(Command::Change(change, Some(Written { is_synced, done })));
        async move { written.await.map_err(|_| Closed) }
    }

    /// What this finds in the database, behind all that was asked before.
    async fn ask_for<T: Send + 'static>(
        &self,
        find: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T, Closed> {
        let (answer, found) = oneshot::channel();
        self.ask(Command::Ask(Box::new(move |connection| drop(answer.send(find(connection))))));
        found.await.map_err(|_| Closed)
    }

    fn change(&self, change: Change) {
        self.ask(Command::Change(change, None));
    }

    fn ask(&self, command: Command) {
        // Whoever waits for an answer hears that the store has ended.
        self.0.inbox.push(command);
    }
}

impl Drop for Inner {
    /// Nobody is left who could ask.
    fn drop(&mut self) {
        self.inbox.push(Command::Stop);
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("is_lasting", &self.is_lasting()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
