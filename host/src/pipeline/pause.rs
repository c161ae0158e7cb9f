//! The wait before the next attempt.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::config::Retry;

/// Behind so many failures the wait is the longest in any case.
const GROWS_FOR: u32 = 64;

/// The wait after so many failures in a row.
pub(super) fn pause(retry: Retry, failures: u32) -> Duration {
    let Retry { backoff_min, backoff_max, .. } = retry;
    let backoff = ExponentialBuilder::default()
        .with_min_delay(backoff_min)
        .with_max_delay(backoff_max)
        .without_max_times()
        .with_jitter();
    let pauses = failures.saturating_sub(1).min(GROWS_FOR);
    backoff.build().nth(pauses as usize).unwrap_or(backoff_max)
}

/// What is said of what was refused with this message for all the time that there was.
pub(super) fn given_up_after(message: &str, within: Duration) -> String {
    format!("{message}; given up after {} s", within.as_secs())
}
