//! What a call takes, and which part of that are its calls to the host.

use std::time::Duration;

use super::Call;
use crate::telemetry::metrics::Running;

impl Call {
    /// It runs from now on, until what is returned is dropped.
    pub(crate) fn running(&self) -> Running {
        self.reporting.metrics.running(&self.grants.actionner)
    }

    /// It has ended by itself, after so long. What its calls to the host did not take is the sandbox's, with the wait for
    /// others that compute.
    pub(crate) fn ended(&self, took: Duration) {
        let overhead = took.saturating_sub(self.host_calls.total());
        self.reporting.metrics.sandbox_took(&self.grants.actionner, overhead);
    }

    /// A call of it to the host has ended.
    pub(super) fn took(&self, capability: &'static str, took: Duration) {
        self.host_calls.add(took);
        self.reporting.metrics.host_call_took(capability, took);
    }
}
