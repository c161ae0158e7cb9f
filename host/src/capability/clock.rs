//! `clock`: the time of day, and pauses.
//!
//! Needs no grant, since it reaches nothing; each call counts, so that nobody pauses in a loop without an end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep_until};

use super::bindings::falco_talon::actionner::clock::Host;
use super::call::Call;
use super::catalogue::Capability;

impl Host for Call {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        let entry = self.free(Capability::ClockNow)?;
        entry.close("success", None);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn pause(&mut self, duration_ms: u32) -> wasmtime::Result<u32> {
        let entry = self.free(Capability::ClockPause)?;
        let began = Instant::now();
        sleep_until(self.wait_until(duration_ms)).await;
        entry.close("success", None);
        // Never longer than what was asked for, but for the width of a timer.
        let paused = began.elapsed().min(Duration::from_millis(duration_ms.into()));
        Ok(u32::try_from(paused.as_millis()).unwrap_or(u32::MAX))
    }
}
