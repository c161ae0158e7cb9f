//! What keeps the audit record from being written, said in the log and to whoever asks for the host's health.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::super::logs::{Level, Logger};
use super::super::throttle::Throttle;
use crate::health::{Check, Health};

/// Whether the record can be written. Clones are about the same.
#[derive(Clone)]
pub(super) struct Trouble(Arc<Inner>);

struct Inner {
    path: PathBuf,
    logger: Logger,
    health: Health,
    throttle: Throttle,
    is_there: AtomicBool,
}

impl Trouble {
    pub(super) fn new(path: &Path, logger: Logger, health: Health) -> Self {
        health.ok(Check::Audit);
        let (throttle, is_there) = (Throttle::new(), AtomicBool::new(false));
        Self(Arc::new(Inner { path: path.to_owned(), logger, health, throttle, is_there }))
    }

    /// What was to be written was not.
    pub(super) fn is(&self, error: &io::Error) {
        // The kind is for anybody who asks, the rest for the log.
        self.report(&error.kind(), error);
    }

    /// Lines come faster than they can be written, or a write does not return.
    pub(super) fn is_behind(&self) {
        let why = "it takes in nothing, or less than comes";
        self.report(&why, &why);
    }

    /// The file goes on as it is, since it can't be set aside, or what was set aside can't be removed.
    pub(super) fn is_about_old_files(&self, error: &io::Error) {
        let error = format!("an old file of the audit record {} is where it was: {error}", self.0.path.display());
        self.say(&error);
    }

    /// All of it was written.
    pub(super) fn is_over(&self) {
        if !self.0.is_there.load(Ordering::Relaxed) || !self.0.is_there.swap(false, Ordering::Relaxed) {
            return;
        }
        self.0.health.ok(Check::Audit);
        let result = format!("the audit record is written again: {}", self.0.path.display());
        self.0.logger.line(Level::Info, "audit").field("result", &result).write();
    }

    fn report(&self, why: &dyn Display, error: &dyn Display) {
        self.0.health.wrong(Check::Audit, format!("the audit record can't be written: {why}"));
        if !self.0.is_there.swap(true, Ordering::Relaxed) {
            let path = self.0.path.display();
            self.say(&format!("the audit record can't be written, and what is missing is counted: {path}: {error}"));
        }
    }

    fn say(&self, error: &str) {
        if let Some(others) = self.0.throttle.admit(Instant::now()) {
            self.0.logger.line(Level::Error, "audit").error(&error).field("result", &others).write();
        }
    }
}
