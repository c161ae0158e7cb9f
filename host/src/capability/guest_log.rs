//! The log as one guest sees it: its words are data, and there is an end to them.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU32};

use crate::telemetry::logs::{Level, Logger};

/// A guest that floods the log is cut off here, so that others can still be read.
const LINES_MAX: u32 = 100;

/// The log as one call sees it: its clones count together.
#[derive(Clone)]
pub(crate) struct GuestLog {
    logger: Logger,
    actionner: Arc<str>,
    trace_id: Arc<str>,
    lines: Arc<AtomicU32>,
}

impl GuestLog {
    pub(super) fn new(logger: Logger, actionner: &str, trace_id: &str) -> Self {
        Self { logger, actionner: actionner.into(), trace_id: trace_id.into(), lines: Arc::default() }
    }

    /// Write one line, or drop it past the limit.
    pub(crate) fn line(&self, level: Level, message: &str) {
        let cut = format!("more than {LINES_MAX} lines: the rest is dropped");
        let lines = self.lines.fetch_add(1, atomic::Ordering::Relaxed) + 1;
        let (level, message) = match lines.cmp(&LINES_MAX) {
            Ordering::Less => (level, message),
            Ordering::Equal => (Level::Warn, cut.as_str()),
            Ordering::Greater => return,
        };
        self.logger
            .line(level, "actionner")
            .field("actionner", &self.actionner)
            .field("output", message)
            .field("trace_id", &self.trace_id)
            .write();
    }
}
