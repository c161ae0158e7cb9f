//! What came of a call, what it took, and which part of that its calls to the host did.

use std::sync::atomic::Ordering;
use std::time::Duration;

use outputs::Artifact;
use policy::{ObjectId, Uids};

use super::Call;
use crate::clients::Circuit;
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

    /// Whether nobody knows what became of one of its writes, whatever the guest says of that.
    pub(crate) fn has_unknown_end(&self) -> bool {
        self.has_unknown_end.load(Ordering::Relaxed)
    }

    /// Whether the policy has denied one of its calls, whatever the guest makes of that.
    pub(crate) fn was_denied(&self) -> bool {
        self.was_denied.load(Ordering::Relaxed)
    }

    /// Which objects were found, in this attempt and in those before it.
    pub(crate) fn learnt(&self) -> Uids {
        self.facts.targets.uids()
    }

    /// How long a server has asked to wait before it is asked again; nothing where none has.
    pub(crate) fn asked_to_wait(&self) -> Duration {
        self.meter.asked_to_wait()
    }

    /// The circuit of a server that it could not reach, of several the last one.
    pub(crate) fn away(&self) -> Option<Circuit> {
        self.meter.away()
    }

    /// What the guest has made, in its order, and what the event is about, where that was found to be gone.
    pub fn into_output(self) -> (Vec<Artifact>, Option<ObjectId>) {
        (self.spool.into_files(), self.replaced)
    }
}
