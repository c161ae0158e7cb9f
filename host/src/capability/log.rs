//! `log`: words of a guest, in the host's log.
//!
//! The words are data: the logger neutralises control characters and cuts long text. Needs
//! no grant, since it reaches nothing but the log; the number of lines is limited.

use super::bindings::falco_talon::actionner::log::{Host, Level as Wit};
use super::call::Call;
use crate::telemetry::logs::Level;

impl Host for Call {
    async fn write(&mut self, level: Wit, message: String) -> wasmtime::Result<()> {
        self.log.line(convert_level(level), &message);
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
