//! `log`: words of a guest, in the host's log.
//!
//! The words are data: the logger neutralises control characters and cuts long text. Needs
//! no grant, since it reaches nothing but the log; the number of lines is limited.

use super::bindings::falco_talon::actionner::log::{Host, Level as Wit};
use super::{Call, LOG_LINES_MAX};
use crate::telemetry::logs::Level;

impl Host for Call {
    async fn write(&mut self, level: Wit, message: String) -> wasmtime::Result<()> {
        self.log_lines += 1;
        let (level, message) = match self.log_lines.cmp(&LOG_LINES_MAX) {
            std::cmp::Ordering::Less => (convert_level(level), message),
            std::cmp::Ordering::Equal => (Level::Warn, format!("more than {LOG_LINES_MAX} lines: the rest is dropped")),
            std::cmp::Ordering::Greater => return Ok(()),
        };
        self.reporting
            .logger
            .line(level, "actionner")
            .field("actionner", &self.grants.actionner)
            .field("output", &message)
            .field("trace_id", &self.trace_id)
            .write();
        Ok(())
    }
}

fn convert_level(level: Wit) -> Level {
    match level {
        Wit::Debug => Level::Debug,
        Wit::Info => Level::Info,
        Wit::Warn => Level::Warn,
        Wit::Error => Level::Error,
    }
}
