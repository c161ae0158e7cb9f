//! What keeps the store from writing, said once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::health::{Check, Health};
use crate::telemetry::Reporting;
use crate::telemetry::logs::{Level, Logger};

/// Whether events can be stored, and why not.
#[derive(Debug)]
pub(super) struct Trouble {
    logger: Logger,
    health: Health,
    // A blocking mutex, because nothing waits while it is held.
    reason: Mutex<Option<String>>,
}

impl Trouble {
    pub(super) fn new(Reporting { logger, health, .. }: &Reporting) -> Self {
        health.ok(Check::Store);
        Self { logger: logger.clone(), health: health.clone(), reason: Mutex::default() }
    }

    pub(super) fn reason(&self) -> Option<String> {
        self.lock().clone()
    }

    pub(super) fn is(&self, reason: &str) {
        let before = self.lock().replace(reason.to_owned());
        if before.as_deref() != Some(reason) {
            self.health.wrong(Check::Store, reason);
            let error = format!("events can't be stored, and are refused until they can: {reason}");
            self.logger.line(Level::Error, "store").error(&error).write();
        }
    }

    pub(super) fn is_over(&self) {
        if self.lock().take().is_some() {
            self.health.ok(Check::Store);
            self.logger.line(Level::Info, "store").field("result", "events can be stored again").write();
        }
    }

    /// One entry is not what it was.
    pub(super) fn lost(&self, what: &str) {
        self.logger.line(Level::Error, "store").error(&what).write();
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
