//! The log: one line a record, in the formats that Falco Talon's users already parse.
//!
//! A [`Line`] only borrows what it shows, is formatted into a buffer that is used again, and is
//! handed to a writer thread, so that nothing waits for a slow terminal or for a reader who has stalled.

mod level;

mod format;
mod writer;

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use prometheus::IntCounter;
use tokio::sync::oneshot;

#[cfg(test)]
pub(super) use format::VALUE_BYTES_MAX;
use format::{Field, Record};
pub use level::{Format, Level};
use writer::{Flush, Gap, Writer};

/// What waits for the writer thread at most; beyond it lines are left out, counted and reported.
const WAITING_BYTES_MAX: usize = 8 << 20;

/// How often it is tried to say what is missing.
const RETRY: Duration = Duration::from_secs(1);

/// Why lines of the log are missing.
const WHY_MISSING: &str = "the log was not read in time, or its disk is full";

/// A buffer that grew beyond this is given back rather than kept for the next line.
const KEPT_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Where lines go, from which level on, and how they look. Clones write to the same place.
#[derive(Clone)]
pub struct Logger {
    format: Format,
    level: Level,
    sink: Sink,
}

#[derive(Clone)]
enum Sink {
    Thread(Writer),
    Direct(Arc<Mutex<dyn Write + Send>>),
}

impl Logger {
    /// A logger that writes each line to `writer` at once, from level `info` on.
    pub fn new(format: Format, writer: impl Write + Send + 'static) -> Logger {
        Logger { format, level: Level::Info, sink: Sink::Direct(Arc::new(Mutex::new(writer))) }
    }

    /// A logger that leaves writing to a thread, for which nobody waits, and the guard that writes what is left when
    /// dropped.
    ///
    /// The guard waits about a second at most, so that a reader who has stalled can't hold up the
    /// end of the program.
    pub fn threaded(format: Format, out: impl Write + Send + 'static) -> (Logger, FlushGuard) {
        Logger::threaded_saying(format, out, "log", WHY_MISSING)
    }

    /// The same, of which what is missing is said under this tag, with this reason.
    pub(super) fn threaded_saying(
        format: Format,
        out: impl Write + Send + 'static,
        tag: &'static str,
        why: &'static str,
    ) -> (Logger, FlushGuard) {
        let describe = move |gap| line_about(format, tag, why, gap);
        let (writer, flush) = Writer::start(out, WAITING_BYTES_MAX, RETRY, describe);
        (Logger { format, level: Level::Info, sink: Sink::Thread(writer) }, FlushGuard(flush))
    }

    /// [`Logger::threaded`] to standard output.
    pub fn stdout(format: Format) -> (Logger, FlushGuard) {
        // Past the standard library's lock, which the thread would hold while nobody reads.
        match io::stdout().as_fd().try_clone_to_owned() {
            Ok(stdout) => Logger::threaded(format, File::from(stdout)),
            Err(_) => Logger::threaded(format, io::stdout()),
        }
    }

    /// Counts there the lines that are left out because nobody reads them in time.
    pub(crate) fn count_dropped_in(&self, counter: IntCounter) {
        if let Sink::Thread(writer) = &self.sink {
            writer.count_in(counter);
        }
    }

    /// Whether lines are missing, and that could not be said yet.
    pub(super) fn is_behind(&self) -> bool {
        match &self.sink {
            Sink::Thread(writer) => writer.is_behind(),
            Sink::Direct(_) => false,
        }
    }

    /// The same logger, showing only lines of this level and above.
    pub fn from_level(self, level: Level) -> Logger {
        Logger { level, ..self }
    }

    /// Whether a line of this level would be written: for work that is only done to be logged.
    pub fn enabled(&self, level: Level) -> bool {
        level >= self.level
    }

    /// Begins a line. Nothing is written before [`Line::write`].
    pub fn line<'a>(&'a self, level: Level, tag: &'a str) -> Line<'a> {
        let logger = self.enabled(level).then_some(self);
        // A line that will not be written allocates nothing.
        let fields = if logger.is_some() { Vec::with_capacity(16) } else { Vec::new() };
        Line { logger, record: Record { level, tag, fields, error: None }, error: None }
    }

    fn send(&self, line: &[u8], waiting: Option<oneshot::Sender<()>>) -> bool {
        match &self.sink {
            Sink::Thread(writer) => writer.push(line, waiting),
            Sink::Direct(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                // A log that can't be written has no better place to complain than itself.
                let is_written = writer.write_all(line).and_then(|()| writer.flush()).is_ok();
                if let Some(waiting) = waiting.filter(|_| is_written) {
                    // Who waits no longer need not know.
                    let _ = waiting.send(());
                }
                is_written
            }
        }
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Logger { format, level, sink: _ } = self;
        f.debug_struct("Logger").field("format", format).field("level", level).finish_non_exhaustive()
    }
}

/// Writes the lines that still wait when it is dropped.
#[must_use = "dropping the guard ends the writer thread"]
pub struct FlushGuard(#[expect(dead_code, reason = "held for its Drop")] Flush);

/// Stands where lines are missing. It is written from any level on: nobody knows which levels theirs were.
fn line_about(format: Format, tag: &'static str, why: &str, Gap { lines, since }: Gap) -> String {
    let since = show_time(&since.to_zoned(TimeZone::system()));
    let error = format!("{lines} lines are missing here, the first of {since}: {why}");
    let mut line = String::new();
    let mut record = Record { level: Level::Warn, tag, fields: Vec::new(), error: Some(&error) };
    format::render(&mut line, format, Clock::default().now(), &mut record);
    line
}

/// One line under construction.
#[must_use = "a line is only written by `write`"]
pub struct Line<'a> {
    logger: Option<&'a Logger>,
    record: Record<'a>,
    error: Option<&'a dyn fmt::Display>,
}

impl<'a> Line<'a> {
    /// Adds a value under one of our own keys. An empty value is left out.
    pub fn field(mut self, key: &'static str, value: &'a str) -> Line<'a> {
        if self.logger.is_some() && !value.is_empty() {
            self.record.fields.push(Field::named(key, value));
        }
        self
    }

    /// Adds what an action touched. Keys come from outside too: they are lower-cased, cleaned, and
    /// kept from posing as a field of ours.
    pub fn objects<K: AsRef<str>, V: AsRef<str>>(mut self, objects: &'a [(K, V)]) -> Line<'a> {
        if self.logger.is_some() {
            let objects = objects.iter().map(|(key, value)| (key.as_ref(), value.as_ref()));
            let shown = objects.filter(|(_, value)| !value.is_empty());
            self.record.fields.extend(shown.map(|(key, value)| Field::object(key, value)));
        }
        self
    }

    /// Adds why something went wrong; shown first.
    pub fn error(mut self, error: &'a dyn fmt::Display) -> Line<'a> {
        self.error = self.logger.is_some().then_some(error);
        self
    }

    /// Formats the line and hands it over.
    pub fn write(self) {
        self.hand_over(None);
    }

    /// The same; whether there was room for it, or it is not of interest.
    pub(super) fn write_if_room(self) -> bool {
        self.hand_over(None)
    }

    /// The same; it is heard of once it is written, and of its end where it can't be.
    pub(super) fn write_and_hear(self) -> oneshot::Receiver<()> {
        let (waiting, written) = oneshot::channel();
        self.hand_over(Some(waiting));
        written
    }

    fn hand_over(self, waiting: Option<oneshot::Sender<()>>) -> bool {
        let Line { logger: Some(logger), record, error } = self else {
            return true;
        };
        let _writing = Writing::begin();
        BUFFERS.with(|cell| {
            // Taken rather than borrowed, in case the error logs something while it is displayed.
            let Buffers { mut line, error: mut text, mut clock } = cell.take();
            line.clear();
            text.clear();
            if let Some(error) = error {
                // Writing to a String fails only if the error itself says so; what it wrote stays.
                let _ = fmt::Write::write_fmt(&mut text, format_args!("{error}"));
            }
            let mut record = Record { error: (!text.is_empty()).then_some(&*text), ..record };
            format::render(&mut line, logger.format, clock.now(), &mut record);
            let has_room = logger.send(line.as_bytes(), waiting);
            line.shrink_to(KEPT_BUFFER_BYTES_MAX);
            text.shrink_to(KEPT_BUFFER_BYTES_MAX);
            cell.set(Buffers { line, error: text, clock });
            has_room
        })
    }
}

thread_local! {
    static BUFFERS: Cell<Buffers> = Cell::default();
    static IS_WRITING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in the middle of a line. What a library reports meanwhile is about that
/// line, and would lead to another, and so on.
pub(super) fn is_writing() -> bool {
    IS_WRITING.get()
}

/// For as long as a line is being written.
struct Writing {
    before: bool,
}

impl Writing {
    fn begin() -> Writing {
        Writing { before: IS_WRITING.replace(true) }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        IS_WRITING.set(self.before);
    }
}

/// What a thread keeps between its lines.
#[derive(Default)]
struct Buffers {
    line: String,
    error: String,
    clock: Clock,
}

/// The time as lines show it, written anew once a second.
#[derive(Default)]
struct Clock {
    second: Option<i64>,
    text: String,
}

impl Clock {
    fn now(&mut self) -> &str {
        let now = Timestamp::now();
        if self.second != Some(now.as_second()) {
            self.second = Some(now.as_second());
            self.text = show_time(&now.to_zoned(TimeZone::system()));
        }
        &self.text
    }
}

/// RFC 3339 in seconds, with `Z` where the zone has no offset.
pub(crate) fn show_time(time: &Zoned) -> String {
    let format = if time.offset().is_zero() { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
    time.strftime(format).to_string()
}

#[cfg(test)]
mod tests;
