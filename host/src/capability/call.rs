//! One call of one actionner, as its capabilities see it: the way in, and the only way out.
//!
//! Every method of every capability goes in by [`Call::gate`], which counts it, asks [`decide`], and
//! opens its line of the audit record, and out by [`Call::close`] or [`Call::close_write`], which write how it ended.
//! Clients send for a [`Permit`] alone, which is made for what the gate has let in; and the contract's error is made of
//! a [`Closed`] alone, so that an interface which forgets its way in or out does not compile. Knows neither the
//! contract nor what any capability does.

mod end;

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use outputs::Room;
use policy::{Decision, Facts, Grants, ObjectId, Request, decide};
use tokio::time::Instant;

use super::catalogue::{Capability, Effect};
use super::error::{CapabilityError, Stop};
use super::flights::{Busy, Flight};
use super::guest_log::GuestLog;
use super::host_time::HostTime;
use super::seen::Seen;
use super::spool::Spool;
use crate::clients::{self, Clients, End, Exhausted, Meter, Permit, Refusal, RequestError, Said};
use crate::fair::Share;
use crate::telemetry::audit::{Entry, Subject};
use crate::telemetry::logs::Level;
use crate::telemetry::{Calls, Parent, Reporting};

/// One call of one actionner.
pub struct Call {
    /// What the policy grants to the actionner.
    pub(super) grants: Arc<Grants>,
    /// What the event names, and what was learnt from that during this call.
    pub(super) facts: Facts,
    /// When the call must have ended. Each client call heeds it.
    pub(super) deadline: Instant,
    /// Whether every write is a rehearsal.
    pub(super) dry_run: bool,
    /// The clients of the host.
    pub(super) clients: Clients,
    /// What is not the guest's own time.
    pub(super) host_time: HostTime,
    /// What its calls to the host took, waiting included.
    host_calls: HostTime,
    /// What the guest has made.
    pub(super) spool: Spool,
    /// Where the guest's words go.
    pub(super) log: GuestLog,
    /// Identifies the event in logs and in the audit record.
    trace_id: String,
    /// The pod that the event names, for the audit record.
    pod: String,
    reporting: Reporting,
    /// What was asked of the host.
    calls: Calls,
    /// The span of the action that it is made for.
    parent: Option<Parent>,
    /// What was read and written.
    pub(super) seen: Seen,
    /// What the event is about, where another object has its name by now.
    pub(super) replaced: Option<ObjectId>,
    /// The objects that it changes, and what it has to wait for.
    pub(super) flight: Flight,
    pub(super) busy: Option<Busy>,
    /// What the host does for it.
    pub(super) meter: Meter,
    /// Whether nobody knows what became of one of its writes.
    pub(super) has_unknown_end: AtomicBool,
    /// Whether the policy has denied one of its calls.
    pub(super) was_denied: AtomicBool,
}

/// An error that stands in the record. Only this module makes one.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it")]
pub struct Closed(Ending);

#[derive(Debug)]
enum Ending {
    Answered(CapabilityError),
    Stopped(Stop),
}

impl Closed {
    /// Why the call did not succeed, for an answer to the guest.
    ///
    /// # Errors
    ///
    /// Where the guest gets no answer, since the whole call must end.
    pub(super) fn into_error(self) -> Result<CapabilityError, Stop> {
        match self.0 {
            Ending::Answered(error) => Ok(error),
            Ending::Stopped(stop) => Err(stop),
        }
    }
}

impl From<Stop> for Closed {
    fn from(stop: Stop) -> Self {
        Self(Ending::Stopped(stop))
    }
}

impl From<Exhausted> for Closed {
    fn from(exhausted: Exhausted) -> Self {
        Stop::from(exhausted).into()
    }
}

impl Call {
    /// A call that begins now; what it collects takes of `room`, which others share.
    pub fn new(
        grants: Arc<Grants>,
        facts: Facts,
        dry_run: bool,
        trace_id: String,
        clients: Clients,
        room: Room,
        reporting: Reporting,
    ) -> Self {
        let deadline = Instant::now() + grants.limits.deadline_max;
        let log = GuestLog::new(reporting.logger.clone(), &grants.actionner, &trace_id);
        let spool = Spool::new(grants.limits.artifact_bytes_max, room);
        let meter = Meter::new(&grants.limits);
        let pod = facts.targets.named_pod().unwrap_or_default();
        Self {
            grants,
            facts,
            deadline,
            dry_run,
            clients,
            host_time: HostTime::default(),
            host_calls: HostTime::default(),
            spool,
            log,
            trace_id,
            pod,
            reporting,
            calls: Calls::default(),
            parent: None,
            seen: Seen::default(),
            replaced: None,
            flight: Flight::default(),
            busy: None,
            meter,
            has_unknown_end: AtomicBool::new(false),
            was_denied: AtomicBool::new(false),
        }
    }

    /// Note what is asked of the host behind what is noted there.
    pub(crate) fn noted_in(self, calls: &Calls) -> Self {
        Self { calls: calls.clone(), ..self }
    }

    /// Make the spans of what is asked of the host below this one.
    pub(crate) fn below(self, parent: Option<Parent>) -> Self {
        Self { parent, ..self }
    }

    /// What the policy grants.
    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// When the call must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Begin the time of the call anew: the wait for a place is not its own.
    pub(crate) fn restart(&mut self) {
        self.deadline = Instant::now() + self.grants.limits.deadline_max;
    }

    /// When to wait no longer, where a guest says how long.
    pub(super) fn end_of(&self, timeout_ms: Option<u32>) -> Instant {
        let end = timeout_ms.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms.into())));
        end.map_or(self.deadline, |end| end.min(self.deadline))
    }

    /// Let its requests to the API server be some of those that calls of one actionner may send.
    pub(crate) fn share_requests(&mut self, requests: &Share) {
        if let Some(kubernetes) = &mut self.clients.kubernetes {
            kubernetes.share_requests(requests);
        }
    }

    /// What the host spends on work for the guest.
    pub(crate) fn host_time(&self) -> &HostTime {
        &self.host_time
    }

    /// Where the guest's words go.
    pub(crate) fn log(&self) -> &GuestLog {
        &self.log
    }

    /// What a guest means, of which the size is bounded. What makes no sense is counted and recorded too, though there
    /// is nothing to ask the policy.
    pub(super) fn understand<T, E: Display>(
        &self,
        capability: Capability,
        understand: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, Closed> {
        self.work(understand)?.or_else(|reason| self.invalid(capability, &reason))
    }

    /// Count the call, and ask whether the policy allows all that it asks for: `requests`.
    ///
    /// The entry that is returned must be closed with the outcome; one that is dropped
    /// without it, because the call was cancelled, is recorded as that.
    pub(super) fn gate(&mut self, capability: Capability, requests: &[Request<'_>]) -> Result<Entry, Closed> {
        self.meter.host_call()?;
        let mut entry = self.work(|| self.open(capability, requests))?;
        let mut denials = Vec::new();
        for request in requests {
            match self.work(|| decide(request, &self.grants, &self.facts))? {
                Decision::Allowed { grant } => entry = entry.allowed(grant),
                Decision::Denied(denial) => denials.push(denial),
            }
        }
        if denials.is_empty() {
            return self.have_for_itself(entry, capability, requests);
        }
        self.close(entry, Err(CapabilityError::Denied(denials)))
    }

    /// Count a call that needs no grant, since it reaches nothing, and open its line.
    pub(super) fn free(&self, capability: Capability) -> Result<Entry, Exhausted> {
        self.meter.host_call()?;
        Ok(self.open(capability, &[]))
    }

    /// Count another call that belongs to a line which is still open.
    pub(super) fn again(&self) -> Result<(), Exhausted> {
        self.meter.host_call()
    }

    /// Leave for a client to send what the gate has let in.
    ///
    /// # Errors
    ///
    /// Where it would change something without a record that is required.
    pub(super) async fn permit(&self, entry: &Entry) -> Result<Permit, RequestError> {
        if entry.is_write() && !self.dry_run {
            let begun = entry.begin(self.deadline).await;
            begun.map_err(|error| RequestError::Unavailable(error.to_string()))?;
            self.flight.begin();
        }
        Ok(self.meter.permit(self.deadline, self.dry_run, entry.is_sent()))
    }

    /// A piece of the host's work on what a guest says: counted, and not begun after the deadline.
    pub(super) fn work<T>(&self, work: impl FnOnce() -> T) -> Result<T, Exhausted> {
        if Instant::now() >= self.deadline {
            return Err(Exhausted::Deadline(self.grants.limits.deadline_max));
        }
        self.meter.work(work)
    }

    /// Work by which the call itself learns something of an answer: counted, and done after the deadline, too.
    pub(super) fn work_on<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Result<T, Exhausted> {
        let meter = self.meter.clone();
        meter.work(|| work(self))
    }

    /// Write how a host call ended that changes nothing, or was not sent, and count the time that it took.
    ///
    /// # Errors
    ///
    /// The error of `result`.
    pub(super) fn close<T>(&self, entry: Entry, result: Result<T, impl Into<CapabilityError>>) -> Result<T, Closed> {
        let result = result.map_err(Into::into);
        let status = match &result {
            Ok(_) => "success",
            Err(CapabilityError::Denied(_)) => "denied",
            Err(CapabilityError::Request(_)) if entry.is_write() => clients::Ending::NotSent.as_str(),
            Err(CapabilityError::Request(_)) => "failure",
        };
        self.settle(entry, status, result)
    }

    /// The same for a read, of which the other side's words are for the log.
    pub(super) fn close_read<T>(&self, entry: Entry, result: Result<T, Refusal>) -> Result<T, Closed> {
        let result = result.map_err(|refusal| self.hush(entry.capability(), refusal));
        self.close(entry, result)
    }

    /// The same for a write, whose end only the client knows.
    pub(super) fn close_write<T>(&self, entry: Entry, end: End<T>) -> Result<T, Closed> {
        let capability = entry.capability();
        self.close_end(&|refusal| self.hush(capability, refusal), end, entry)
    }

    /// The same, where a refusal is heard as `hear` says.
    pub(super) fn close_end<T>(
        &self,
        hear: &dyn Fn(Refusal) -> RequestError,
        end: End<T>,
        entry: Entry,
    ) -> Result<T, Closed> {
        let status = end.ending().as_str();
        if end.ending() == clients::Ending::Unknown {
            self.has_unknown_end.store(true, Ordering::Relaxed);
        }
        let result = end.into_result().map_err(|refusal| hear(refusal).into());
        self.settle(entry, status, result)
    }

    fn settle<T>(&self, entry: Entry, status: &str, result: Result<T, CapabilityError>) -> Result<T, Closed> {
        match &result {
            // What was not begun took no time.
            Err(denied @ CapabilityError::Denied(_)) => self.report_denial(entry.capability(), &denied.to_string()),
            _ => self.took(entry.capability(), entry.elapsed()),
        }
        match result {
            Ok(value) => {
                entry.close(status, None);
                Ok(value)
            }
            Err(error) => {
                entry.close(status, Some(&error.to_string()));
                Err(Closed(match error {
                    CapabilityError::Request(RequestError::Exhausted(exhausted)) => Ending::Stopped(exhausted.into()),
                    error => Ending::Answered(error),
                }))
            }
        }
    }

    /// Close what makes no sense.
    fn invalid<T>(&self, capability: Capability, reason: &dyn Display) -> Result<T, Closed> {
        self.meter.host_call()?;
        let error = RequestError::Invalid(reason.to_string());
        self.close(self.open(capability, &[]), Err(error))
    }

    fn open(&self, capability: Capability, requests: &[Request<'_>]) -> Entry {
        let subject = Subject {
            trace_id: &self.trace_id,
            pod: &self.pod,
            actionner: &self.grants.actionner,
            capability: capability.name(),
            is_write: capability.effect() == Effect::Write,
            dry_run: self.dry_run,
            calls: &self.calls,
            parent: self.parent,
        };
        self.reporting.audit.open(subject, requests)
    }

    /// What a guest hears of a refusal: the host's words. The other side's are for who runs the host.
    pub(super) fn hush(&self, capability: &'static str, refusal: Refusal) -> RequestError {
        if let Some(Said { words, .. }) = &refusal.said {
            self.explain(capability, words);
        }
        refusal.error
    }

    /// What a guest does not learn, for who runs the host: addresses and names of accounts.
    pub(super) fn explain(&self, capability: &'static str, error: &dyn Display) {
        self.warn("capability", capability, error);
    }

    /// A denial is loud: the operator must learn of it even where the guest swallows it.
    fn report_denial(&self, capability: &'static str, denial: &str) {
        self.was_denied.store(true, Ordering::Relaxed);
        self.reporting.metrics.denied(&self.grants.actionner, capability);
        self.warn("policy", capability, &denial);
    }

    fn warn(&self, tag: &'static str, capability: &'static str, error: &dyn Display) {
        self.reporting
            .logger
            .line(Level::Warn, tag)
            .field("actionner", &self.grants.actionner)
            .field("capability", capability)
            .error(error)
            .field("trace_id", &self.trace_id)
            .write();
    }
}
