//! How a call has what it changes for itself: part of the way in through the gate.
//!
//! Does not know how objects are taken and waited for, nor who runs a call anew.

use policy::{Address, Learnt, ObjectId, Request, Target};

use super::call::{Call, Closed};
use super::catalogue::Capability;
use super::error::Stop;
use super::flights::{Busy, Flight};
use crate::clients::{Ending, RequestError};
use crate::telemetry::audit::Entry;

impl Call {
    /// The same, on a flight that knows what other calls of the host change.
    #[must_use]
    pub(crate) fn on(mut self, flight: Flight) -> Self {
        self.flight = flight;
        self
    }

    /// What it must be run anew after, where it was ended for that.
    pub(crate) fn take_busy(&mut self) -> Option<Busy> {
        self.busy.take()
    }

    /// Whether what the event is about went while this waited for another action.
    pub(crate) fn was_outrun(&self) -> bool {
        self.flight.was_outrun
    }

    /// Have what is to be changed for itself, or end, where another call has it. A dry run changes nothing.
    pub(super) fn have_for_itself(
        &mut self,
        entry: Entry,
        capability: Capability,
        requests: &[Request<'_>],
    ) -> Result<Entry, Closed> {
        if self.dry_run || !capability.changes_object() {
            return Ok(entry);
        }
        let object = |request: &Request<'_>| match request {
            Request::Kubernetes(request) => request.object(),
            _ => None,
        };
        let Err(busy) = self.flight.take(requests.iter().filter_map(object), self.grants.limits.deadline_max) else {
            return Ok(entry);
        };
        entry.close(Ending::NotSent.as_str(), Some(&busy.to_string()));
        self.busy = Some(busy);
        Err(Stop::Busy.into())
    }

    /// Note that the object at `address` is gone, if it is what the event is about, and was there when this began to
    /// wait.
    pub(super) fn note_outrun(&mut self, address: &Address<'_>, error: &RequestError) {
        let (RequestError::NotFound, None) = (error, address.subresource()) else { return };
        let was_there = |id: ObjectId| {
            let named = |target: &Target| target.learnt == Learnt::Named && target.object == id;
            self.facts.targets.iter().any(named) && self.facts.targets.uid(&id).is_some()
        };
        if self.flight.has_waited() && ObjectId::at(address).is_some_and(was_there) {
            self.flight.was_outrun = true;
        }
    }
}
