//! The capability `log`: words for the host's log, under the trace id of the event.
//!
//! What was done belongs into the report; this is for what helps to understand it.

use crate::bindings::falco_talon::actionner::log::{Level, write};

/// For someone who searches for a mistake.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// For someone who wants to know what went on.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Something is not as it should be, and the action goes on.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// Something went wrong.
pub fn error(message: &str) {
    write(Level::Error, message);
}
