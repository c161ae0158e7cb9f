//! The audit record: one line for each host call, whatever became of it.
//!
//! A line says who asked for what, which grant allowed it or why none did, and how it ended. A call that was cancelled
//! may have been carried out once something was sent: its line says `unknown` then. Lines go to the file that the
//! configuration names, or else to the log at level `debug`.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use policy::Request;
use tokio::time::Instant;

use super::calls::Calls;
use super::logs::{Level, Logger};
use super::text::cut;

/// What is asked for, and the fields that it touches, are cut where their text becomes longer than this.
const TEXT_BYTES_MAX: usize = 2_048;

/// Where the record is kept.
#[derive(Clone)]
pub struct Audit {
    logger: Logger,
    level: Level,
}

/// What a line is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Identifies the event.
    pub trace_id: &'a str,
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
    grant: Option<usize>,
    opened: Instant,
}

struct Pending {
    audit: Audit,
    trace_id: String,
    actionner: String,
    fields: String,
    dry_run: bool,
    bytes: Option<u64>,
}

impl Audit {
    /// Keep the record in a place of its own.
    pub fn to_file(logger: Logger) -> Self {
        Self { logger, level: Level::Info }
    }

    /// Keep the record among the debug lines of the log.
    pub fn to_log(logger: Logger) -> Self {
        Self { logger, level: Level::Debug }
    }

    /// Begin the line of a host call.
    pub fn open(&self, subject: Subject<'_>, requests: &[Request<'_>]) -> Entry {
        let Subject { trace_id, actionner, capability, is_write, dry_run, calls } = subject;
        let line = self.logger.enabled(self.level).then(|| Pending {
            audit: self.clone(),
            trace_id: trace_id.to_owned(),
            actionner: actionner.to_owned(),
            fields: touched(requests),
            dry_run: dry_run && is_write,
            bytes: None,
        });
        Entry {
            line,
            calls: Some(calls.clone()),
            request: joined(requests),
            capability,
            is_write,
            is_sent: Arc::default(),
            grant: None,
            opened: Instant::now(),
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

    /// The call has ended in this way: `host/README.md` lists them.
    pub fn close(mut self, status: &str, error: Option<&str>) {
        self.write(status, error);
    }

    fn write(&mut self, status: &str, error: Option<&str>) {
        if let Some(line) = self.line.take() {
            line.write(self, status, error);
        }
        if let Some(calls) = self.calls.take() {
            calls.ended(self.capability, &self.request, status, error);
        }
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
        let Self { audit, trace_id, actionner, fields, dry_run, bytes } = self;
        let grant = entry.grant.map(|grant| grant.to_string()).unwrap_or_default();
        let bytes = bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
        let duration_us = entry.opened.elapsed().as_micros().to_string();
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
            .field("request", &entry.request)
            .field("status", status)
            .field("trace_id", trace_id);
        if let Some(error) = &error {
            line = line.error(error);
        }
        line.write();
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
