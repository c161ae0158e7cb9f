//! What is known of a call once it has ended, beside what its actionner says of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use outputs::Artifact;
use policy::{ObjectId, Uids};

use super::call::Call;
use crate::clients::Circuit;

impl Call {
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
