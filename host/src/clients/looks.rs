//! When it is looked again whether files have changed that a client was made of.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often files are looked at. Those of a cluster change within minutes.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// When files are looked at next, whether or not anything is refused.
// A blocking mutex, because nothing waits while it is held.
pub(super) struct Looks(Mutex<Instant>);

impl Looks {
    /// They have been looked at now.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now() + LOOK_EVERY))
    }

    /// Whether it is time, which it is for one of those that ask.
    pub(super) fn is_due(&self) -> bool {
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_due = now >= *due;
        if is_due {
            *due = now + LOOK_EVERY;
        }
        is_due
    }
}
