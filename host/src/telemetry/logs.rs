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

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use prometheus::IntCounter;

#[cfg(test)]
pub(super) use format::VALUE_BYTES_MAX;
use format::{Field, Record};
pub use level::{Format, Level};
use writer::{Flush, Gap, Writer};

/// What waits for the writer thread at most; beyond it lines are left out, counted and reported.
const WAITING_BYTES_MAX: usize = 8 << 20;

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
        let (writer, flush) = Writer::start(out, WAITING_BYTES_MAX, move |gap| line_about(format, gap));
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

    fn send(&self, line: &[u8]) {
        match &self.sink {
            Sink::Thread(writer) => writer.push(line),
            Sink::Direct(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                // A log that can't be written has no better place to complain than itself.
                let _ = writer.write_all(line).and_then(|()| writer.flush());
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
fn line_about(format: Format, Gap { lines, since }: Gap) -> String {
    let since = show_time(&since.to_zoned(TimeZone::system()));
    let error = format!(
        "{lines} lines are missing here, the first of {since}: the log was not read in time, or its disk is full"
    );
    let mut line = String::new();
    let mut record = Record { level: Level::Warn, tag: "log", fields: Vec::new(), error: Some(&error) };
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
        let Line { logger: Some(logger), record, error } = self else {
            return;
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
            logger.send(line.as_bytes());
            line.shrink_to(KEPT_BUFFER_BYTES_MAX);
            text.shrink_to(KEPT_BUFFER_BYTES_MAX);
            cell.set(Buffers { line, error: text, clock });
        });
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
mod tests {
    use super::*;

    /// What was written, readable while the logger still holds its end.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn writes_a_line_with_the_time() {
        let written = Written::default();
        let logger = Logger::new(Format::Text, written.clone());
        logger.line(Level::Info, "rules").field("result", "rules file valid").write();
        let text = written.text();
        let (time, rest) = text.split_once(' ').unwrap();
        assert_eq!(rest, "INF rules result=\"rules file valid\"\n");
        let time: Timestamp = time.parse().expect("an RFC 3339 time");
        assert!((Timestamp::now().as_second() - time.as_second()).abs() <= 5);
    }

    #[test]
    fn leaves_out_lines_below_the_level() {
        let written = Written::default();
        let logger = Logger::new(Format::Text, written.clone());
        logger.line(Level::Debug, "http").field("result", "unseen").write();
        assert_eq!(written.text(), "");
        let logger = logger.from_level(Level::Debug);
        logger.line(Level::Debug, "http").field("result", "seen").write();
        assert!(written.text().ends_with(" DBG http result=seen\n"));
    }

    #[test]
    fn leaves_out_empty_values_and_errors() {
        let written = Written::default();
        let logger = Logger::new(Format::Text, written.clone());
        let objects = [("pod", ""), ("namespace", "shop")];
        logger.line(Level::Info, "action").field("rule", "").objects(&objects).error(&"").write();
        assert!(written.text().ends_with(" INF action namespace=shop\n"));
    }

    #[test]
    fn an_error_may_log_while_it_is_displayed() {
        struct Talkative(Logger);
        impl fmt::Display for Talkative {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.line(Level::Info, "inner").write();
                f.write_str("outer error")
            }
        }
        let written = Written::default();
        let logger = Logger::new(Format::Text, written.clone());
        logger.line(Level::Error, "outer").error(&Talkative(logger.clone())).write();
        let text = written.text();
        let tags: Vec<_> = text.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
        assert_eq!(tags, ["inner", "outer"]);
    }

    #[test]
    fn the_guard_writes_what_waits() {
        let written = Written::default();
        let (logger, guard) = Logger::threaded(Format::Text, written.clone());
        for number in 0..1000 {
            logger.line(Level::Info, "init").field("result", &number.to_string()).write();
        }
        drop(guard);
        let text = written.text();
        assert_eq!(text.lines().count(), 1000);
        assert!(text.ends_with("result=999\n"));
    }

    #[test]
    fn what_is_missing_is_a_line_like_others() {
        let since = "2024-09-05T14:42:28.7Z".parse().unwrap();
        let line = line_about(Format::Text, Gap { lines: 3, since });
        let (time, rest) = line.split_once(' ').unwrap();
        time.parse::<Timestamp>().expect("an RFC 3339 time");
        let since = show_time(&since.to_zoned(TimeZone::system()));
        let expected = format!(
            "WRN log error=\"3 lines are missing here, the first of {since}: the log was not read in time, or its disk is \
             full\"\n"
        );
        assert_eq!(rest, expected);
    }

    #[test]
    fn shows_time_as_go_does() {
        let time: Timestamp = "2024-09-05T14:42:28.7Z".parse().unwrap();
        let zone = |name: &str| time.in_tz(name).unwrap();
        assert_eq!(show_time(&zone("UTC")), "2024-09-05T14:42:28Z");
        let offset = |hours| TimeZone::fixed(jiff::tz::offset(hours));
        assert_eq!(show_time(&time.to_zoned(offset(2))), "2024-09-05T16:42:28+02:00");
        assert_eq!(show_time(&time.to_zoned(offset(-7))), "2024-09-05T07:42:28-07:00");
    }

    #[test]
    fn reads_levels() {
        assert_eq!("DEBUG".parse(), Ok(Level::Debug));
        assert_eq!("warning".parse(), Ok(Level::Warn));
        assert_eq!("fatal".parse::<Level>(), Err(level::UnknownLevel));
    }
}
