//! The audit record: one line for each host call, whatever became of it.
//!
//! A line says who asked for what, which grant allowed it or why none did, and how it ended. A call that was cancelled
//! may have been carried out once something was sent: its line says `unknown` then. Lines go to a file, which a thread
//! writes, or else to the log at level `debug`. Where the record is required, a write is not sent before a line that it
//! begins stands in the file.

pub(crate) mod aside;
mod trouble;

mod file;

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use policy::Request;
use prometheus::IntCounter;
use tokio::time::{Instant, timeout_at};

use super::calls::Calls;
use super::logs::{FlushGuard, Format, Level, Line, Logger};
use super::parent::Parent;
use super::spans::{Kind, Span};
use super::text::cut;
use crate::health::Health;
pub(crate) use aside::Keep;
use file::RecordFile;
use trouble::Trouble;

/// What is asked for, and the fields that it touches, are cut where their text becomes longer than this.
const TEXT_BYTES_MAX: usize = 2_048;

/// The status of the line that a write begins.
pub(crate) const BEGUN: &str = "begun";

/// Longer than a write to a disk takes that is well.
const BEGIN_WAIT_MAX: Duration = Duration::from_secs(5);

/// Where the record is kept.
#[derive(Clone)]
pub struct Audit {
    logger: Logger,
    level: Level,
    /// None where the record is not in a file of its own.
    trouble: Option<Trouble>,
    /// Whether nothing is changed while it can't be written.
    is_required: bool,
}

/// How the file of the record is kept.
pub(crate) struct FileSettings<'a> {
    /// Where it is.
    pub(crate) path: &'a Path,
    /// How long it may become; zero for any length.
    pub(crate) bytes_max: u64,
    /// What is kept of files that were set aside.
    pub(crate) keep: Keep,
    /// Whether nothing is changed while it can't be written.
    pub(crate) is_required: bool,
}

/// A write must not begin, since nobody could know of it afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit record, which is required, can't be written now")]
pub(crate) struct Unwritable;

/// What a line is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Identifies the event.
    pub trace_id: &'a str,
    /// The pod that the event names, as `namespace/name`; empty for none.
    pub pod: &'a str,
    /// Who asks.
    pub actionner: &'a str,
    /// The function that was called, e.g. `kubernetes-read.get`.
    pub capability: &'static str,
    /// Whether it is to change something.
    pub is_write: bool,
    /// Whether nothing is changed whatever is asked for.
    pub dry_run: bool,
    /// Where the end of the call is noted, too.
    pub calls: &'a Calls,
    /// The span that its own is below, where there is one.
    pub parent: Option<Parent>,
}

/// The line of one host call, written when it is closed or dropped.
#[must_use = "an entry that is dropped is recorded as cancelled"]
pub struct Entry {
    /// None once written, and where no record is kept.
    line: Option<Pending>,
    /// None once noted.
    calls: Option<Calls>,
    request: String,
    capability: &'static str,
    is_write: bool,
    is_sent: Arc<AtomicBool>,
    /// Whether the record says that it begins.
    is_begun: AtomicBool,
    grant: Option<usize>,
    opened: Instant,
    span: Span,
}

struct Pending {
    audit: Audit,
    trace_id: String,
    pod: String,
    actionner: String,
    fields: String,
    dry_run: bool,
    bytes: Option<u64>,
}

impl Audit {
    /// Keep the record in a file, which a thread writes until the guard is dropped. What is wrong with that is said in
    /// `log` and to `health`, and lines that are missing are counted in `missing`.
    ///
    /// # Errors
    ///
    /// Where the file can't be opened.
    pub(crate) fn to_file(
        settings: &FileSettings<'_>,
        log: &Logger,
        health: &Health,
        missing: IntCounter,
    ) -> io::Result<(Self, FlushGuard)> {
        let FileSettings { path, bytes_max, keep, is_required } = *settings;
        let trouble = Trouble::new(path, log.clone(), health.clone());
        let file = RecordFile::open(path, bytes_max, keep, trouble.clone())?;
        let (logger, flush) = Logger::threaded_saying(Format::Json, file, "audit", "the record could not be written");
        logger.count_dropped_in(missing);
        Ok((Self { logger, level: Level::Info, trouble: Some(trouble), is_required }, flush))
    }

    /// Keep the record among the debug lines of the log.
    pub fn to_log(logger: Logger) -> Self {
        Self { logger, level: Level::Debug, trouble: None, is_required: false }
    }

    /// Keep no record.
    pub(crate) fn nowhere(logger: Logger) -> Self {
        Self::to_log(logger.from_level(Level::Fatal))
    }

    fn is_behind(&self) {
        if let Some(trouble) = &self.trouble {
            trouble.is_behind();
        }
    }

    /// Begin the line of a host call.
    pub fn open(&self, subject: Subject<'_>, requests: &[Request<'_>]) -> Entry {
        let Subject { trace_id, pod, actionner, capability, is_write, dry_run, calls, parent } = subject;
        let line = self.logger.enabled(self.level).then(|| Pending {
            audit: self.clone(),
            trace_id: trace_id.to_owned(),
            pod: pod.to_owned(),
            actionner: actionner.to_owned(),
            fields: touched(requests),
            dry_run: dry_run && is_write,
            bytes: None,
        });
        let span = parent.map(|parent| Span::new(capability, Kind::Internal, parent.trace_id(), Some(parent)));
        let span = span.unwrap_or_default();
        span.describe(|span| span.flag("call.dry_run", dry_run && is_write));
        Entry {
            line,
            calls: Some(calls.clone()),
            request: joined(requests),
            capability,
            is_write,
            is_sent: Arc::default(),
            is_begun: AtomicBool::new(false),
            grant: None,
            opened: Instant::now(),
            span,
        }
    }
}

impl Entry {
    /// The function that was called, e.g. `kubernetes-read.get`.
    pub fn capability(&self) -> &'static str {
        self.capability
    }

    /// Whether it is to change something.
    pub fn is_write(&self) -> bool {
        self.is_write
    }

    /// The grant that allowed the call, if one did.
    pub fn grant(&self) -> Option<usize> {
        self.grant
    }

    /// How long the call takes by now.
    pub fn elapsed(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Whether something was sent whose end is not known; who sends it says so.
    pub fn is_sent(&self) -> Arc<AtomicBool> {
        self.is_sent.clone()
    }

    /// Note which grant of the actionner's entry allowed the call, counted from zero.
    pub fn allowed(mut self, grant: usize) -> Self {
        self.grant = Some(grant);
        self
    }

    /// Note that it only reads, where the function can do both.
    pub fn reads(mut self) -> Self {
        self.is_write = false;
        if let Some(line) = &mut self.line {
            line.dry_run = false;
        }
        self
    }

    /// Say what it is about in these words.
    pub fn about(mut self, words: &str) -> Self {
        words.clone_into(&mut self.request);
        self
    }

    /// Note how many bytes it was, in all.
    pub fn bytes(&mut self, bytes: u64) {
        if let Some(line) = &mut self.line {
            line.bytes = Some(bytes);
        }
    }

    /// Have the record say that this write begins, where nothing is changed without it. Once is enough.
    ///
    /// # Errors
    ///
    /// Where that does not stand in the file, for now or until then.
    pub(crate) async fn begin(&self, until: Instant) -> Result<(), Unwritable> {
        let Some(line) = self.line.as_ref().filter(|line| line.audit.is_required) else { return Ok(()) };
        if self.is_begun.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Then it is tried again by itself, and not by each write that comes along.
        if line.audit.logger.is_behind() {
            return Err(Unwritable);
        }
        let written = line.compose(self, BEGUN, None, |line: Line<'_>| line.write_and_hear());
        let until = until.min(Instant::now() + BEGIN_WAIT_MAX);
        match timeout_at(until, written).await {
            Ok(Ok(())) => self.is_begun.store(true, Ordering::Relaxed),
            Ok(Err(_)) => return Err(Unwritable),
            Err(_) => {
                line.audit.is_behind();
                return Err(Unwritable);
            }
        }
        Ok(())
    }

    /// The call has ended in this way: `host/README.md` lists them.
    pub fn close(mut self, status: &str, error: Option<&str>) {
        self.write(status, error);
    }

    fn write(&mut self, status: &str, error: Option<&str>) {
        if let Some(line) = self.line.take() {
            line.write(self, status, error);
        }
        // It ends with the call, and not with whoever holds this.
        let span = std::mem::take(&mut self.span);
        self.trace(&span, status, error);
        if let Some(calls) = self.calls.take() {
            calls.ended(self.capability, &self.request, status, error);
        }
    }
}

impl Entry {
    fn trace(&self, span: &Span, status: &str, error: Option<&str>) {
        span.describe(|span| {
            span.text("call.request", &self.request);
            span.text("call.status", status);
            match (self.grant, status) {
                (_, "denied") => span.text("call.decision", "denied"),
                (Some(grant), _) => {
                    span.text("call.decision", "allowed");
                    span.number("call.grant", grant as u64);
                }
                // What reaches nothing needs no grant, and what makes no sense is asked of nobody.
                (None, _) => {}
            }
            match error {
                Some(error) => span.failed(error),
                None => span.ok(),
            }
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (status, error) = match (self.is_write, self.is_sent.load(Ordering::Relaxed)) {
            (false, _) => ("failure", "the call was cancelled"),
            (true, false) => ("not_sent", "the call was cancelled before this was sent"),
            (true, true) => ("unknown", "the call was cancelled; it may or may not have been carried out"),
        };
        self.write(status, Some(error));
    }
}

impl Pending {
    fn write(&self, entry: &Entry, status: &str, error: Option<&str>) {
        if !self.compose(entry, status, error, |line: Line<'_>| line.write_if_room()) {
            self.audit.is_behind();
        }
    }

    fn compose<T>(&self, entry: &Entry, status: &str, error: Option<&str>, write: impl FnOnce(Line<'_>) -> T) -> T {
        let Self { audit, trace_id, pod, actionner, fields, dry_run, bytes } = self;
        let grant = entry.grant.map(|grant| grant.to_string()).unwrap_or_default();
        let bytes = bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
        // What begins has taken no time.
        let duration_us = if status == BEGUN { String::new() } else { entry.opened.elapsed().as_micros().to_string() };
        let mut line = audit
            .logger
            .line(audit.level, "audit")
            .field("actionner", actionner)
            .field("bytes", &bytes)
            .field("capability", entry.capability)
            .field("dry_run", if *dry_run { "true" } else { "" })
            .field("duration_us", &duration_us)
            .field("fields", fields)
            .field("grant", &grant)
            .field("pod", pod)
            .field("request", &entry.request)
            .field("status", status)
            .field("trace_id", trace_id);
        if let Some(error) = &error {
            line = line.error(error);
        }
        write(line)
    }
}

/// The paths that the requests touch; the same body may be the subject of two of them.
fn touched(requests: &[Request<'_>]) -> String {
    let fields = requests.iter().find_map(|request| match request {
        Request::Kubernetes(request) if !request.fields.is_empty() => Some(request.fields),
        _ => None,
    });
    let paths: Vec<_> = fields.into_iter().flatten().map(|field| &field.path).collect();
    joined(&paths)
}

/// Texts with commas between, and never more of them than a line may have.
fn joined(items: &[impl Display]) -> String {
    let mut text = String::new();
    for (at, item) in items.iter().enumerate() {
        let item = item.to_string();
        if text.len() + item.len() > TEXT_BYTES_MAX && at > 0 {
            return format!("{text}, and {} more", items.len() - at);
        }
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(cut(&item, TEXT_BYTES_MAX));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(joined(&["a", "b"]), "a, b");
        let many = vec!["a".repeat(1_000); 5];
        let text = joined(&many);
        assert!(text.ends_with("a, and 3 more") && text.len() < TEXT_BYTES_MAX + 100, "{}", text.len());
        assert_eq!(joined(&["a".repeat(5_000)]).len(), TEXT_BYTES_MAX);
        assert_eq!(joined(&[""; 0]), "");
    }
}
