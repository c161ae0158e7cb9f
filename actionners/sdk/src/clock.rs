//! The capability `clock`: the time of day, and pauses.
//!
//! The event carries the time at which it happened; this is the time now.

pub use crate::bindings::falco_talon::actionner::clock::{now, pause};
