//! The audit record: one line for each host call, whatever became of it.
//!
//! A line says who asked for what, which grant allowed it or why none did, and how it
//! ended. A call that was cancelled may have been carried out: its line says `unknown`.
//! Lines go to the file that the configuration names, or else to the log at level `debug`.

use std::time::Duration;

use policy::Request;
use tokio::time::Instant;

use super::logs::{Level, Logger};

/// Where the record is kept.
#[derive(Clone)]
pub struct Audit {
    logger: Logger,
    level: Level,
}

/// The line of one host call, written when it is closed or dropped.
#[must_use = "an entry that is dropped is recorded as `unknown`"]
pub struct Entry {
    /// None once written, and where no record is kept.
    line: Option<Pending>,
    capability: &'static str,
    grant: Option<usize>,
    opened: Instant,
}

struct Pending {
    audit: Audit,
    trace_id: String,
    actionner: String,
    capability: &'static str,
    request: String,
    grant: Option<usize>,
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
    pub fn open(&self, trace_id: &str, actionner: &str, capability: &'static str, requests: &[Request<'_>]) -> Entry {
        if !self.logger.enabled(self.level) {
            return Entry { line: None, capability, grant: None, opened: Instant::now() };
        }
        Entry {
            capability,
            grant: None,
            opened: Instant::now(),
            line: Some(Pending {
                audit: self.clone(),
                trace_id: trace_id.to_owned(),
                actionner: actionner.to_owned(),
                capability,
                request: requests.iter().map(Request::to_string).collect::<Vec<_>>().join(", "),
                grant: None,
            }),
        }
    }
}

impl Entry {
    /// The function that was called, e.g. `kubernetes-read.get`.
    pub fn capability(&self) -> &'static str {
        self.capability
    }

    /// The grant that allowed the call, if one did.
    pub fn grant(&self) -> Option<usize> {
        self.grant
    }

    /// How long the call takes by now.
    pub fn elapsed(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Note which grant of the actionner's entry allowed the call, counted from zero.
    pub fn allowed(mut self, grant: usize) -> Self {
        self.grant = Some(grant);
        if let Some(line) = &mut self.line {
            line.grant = Some(grant);
        }
        self
    }

    /// The call has ended in this way: `success`, `denied`, `failure` or `unknown`.
    pub fn close(mut self, status: &str, error: Option<&str>) {
        self.write(status, error);
    }

    fn write(&mut self, status: &str, error: Option<&str>) {
        if let Some(line) = self.line.take() {
            line.write(self.opened, status, error);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.write("unknown", Some("the call was cancelled; it may or may not have been carried out"));
    }
}

impl Pending {
    fn write(&self, opened: Instant, status: &str, error: Option<&str>) {
        let Self { audit, trace_id, actionner, capability, request, grant } = self;
        let grant = grant.map(|grant| grant.to_string()).unwrap_or_default();
        let duration_us = opened.elapsed().as_micros().to_string();
        let mut line = audit
            .logger
            .line(audit.level, "audit")
            .field("actionner", actionner)
            .field("capability", capability)
            .field("duration_us", &duration_us)
            .field("grant", &grant)
            .field("request", request)
            .field("status", status)
            .field("trace_id", trace_id);
        if let Some(error) = &error {
            line = line.error(error);
        }
        line.write();
    }
}
