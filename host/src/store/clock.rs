//! The time of a store: that of the machine when the process began, and what has passed since.
//!
//! A machine's clock can be set while events wait, and none is to be older or younger for it.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began_ms: i64,
    began: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { began_ms: Timestamp::now().as_millisecond(), began: Instant::now() }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.began_ms.saturating_add(milliseconds(self.began.elapsed()))
    }

    /// How long ago that was; nothing where it is still to come, since the clock was set back.
    pub(super) fn age(&self, of_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(self.now_ms().saturating_sub(of_ms)).unwrap_or_default())
    }
}

pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
