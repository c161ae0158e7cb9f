//! One call of one actionner, as its capabilities see it: the way in, and the only way out.
//!
//! Every method of every capability goes in by [`Call::gate`], which counts it, asks [`decide`], and
//! opens its line of the audit record, and out by [`Call::close`], which writes how it ended. The
//! contract's error can be made of a [`Closed`] alone, so that an interface which forgets its way
//! out does not compile. Knows neither the contract nor what any capability does.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use outputs::Artifact;
use policy::{Decision, Facts, Grants, ObjectId, Request, decide};
use tokio::time::Instant;

use super::error::{CapabilityError, Exhausted};
use super::guest_log::GuestLog;
use super::host_time::HostTime;
use super::seen::Seen;
use super::spool::Spool;
use crate::clients::{Clients, Refusal, RequestError, Said};
use crate::fair::Share;
use crate::telemetry::Reporting;
use crate::telemetry::audit::Entry;
use crate::telemetry::logs::Level;

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
    /// What the guest has made.
    pub(super) spool: Spool,
    /// Where the guest's words go.
    pub(super) log: GuestLog,
    /// Identifies the event in logs and in the audit record.
    trace_id: String,
    reporting: Reporting,
    /// What was read and written.
    pub(super) seen: Seen,
    /// What the event is about, where another object has its name by now.
    pub(super) replaced: Option<ObjectId>,
    /// How many host calls were made.
    host_calls: u32,
}

/// An error that stands in the record. Only this module makes one.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it")]
pub struct Closed(Ending);

#[derive(Debug)]
enum Ending {
    Answered(CapabilityError),
    Exhausted(Exhausted),
}

impl Closed {
    /// Why the call did not succeed, for an answer to the guest.
    ///
    /// # Errors
    ///
    /// Where the guest gets no answer, since the whole call must end.
    pub(super) fn into_error(self) -> Result<CapabilityError, Exhausted> {
        match self.0 {
            Ending::Answered(error) => Ok(error),
            Ending::Exhausted(exhausted) => Err(exhausted),
        }
    }
}

impl From<Exhausted> for Closed {
    fn from(exhausted: Exhausted) -> Self {
        Self(Ending::Exhausted(exhausted))
    }
}

impl Call {
    /// A call that begins now.
    pub fn new(
        grants: Arc<Grants>,
        facts: Facts,
        dry_run: bool,
        trace_id: String,
        clients: Clients,
        reporting: Reporting,
    ) -> Self {
        let deadline = Instant::now() + grants.limits.deadline_max;
        let log = GuestLog::new(reporting.logger.clone(), &grants.actionner, &trace_id);
        let spool = Spool::new(grants.limits.artifact_bytes_max);
        Self {
            grants,
            facts,
            deadline,
            dry_run,
            clients,
            host_time: HostTime::default(),
            spool,
            log,
            trace_id,
            reporting,
            seen: Seen::default(),
            replaced: None,
            host_calls: 0,
        }
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
        let end = timeout_ms.map(|ms| Instant::now() + Duration::from_millis(ms.into()));
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

    /// What the guest has made, in its order, and what the event is about, where that was found to be gone.
    pub fn into_output(self) -> (Vec<Artifact>, Option<ObjectId>) {
        (self.spool.into_files(), self.replaced)
    }

    /// Count the call, and ask whether the policy allows all that it asks for: `requests`.
    ///
    /// The entry that is returned must be closed with the outcome; one that is dropped
    /// without it, because the call was cancelled, is recorded as `unknown`.
    pub(super) fn gate(&mut self, capability: &'static str, requests: &[Request<'_>]) -> Result<Entry, Closed> {
        self.count()?;
        let mut entry = self.reporting.audit.open(&self.trace_id, &self.grants.actionner, capability, requests);
        let mut denials = Vec::new();
        for request in requests {
            match decide(request, &self.grants, &self.facts) {
                Decision::Allowed { grant } => entry = entry.allowed(grant),
                Decision::Denied(denial) => denials.push(denial),
            }
        }
        if denials.is_empty() {
            return Ok(entry);
        }
        self.close(entry, Err(CapabilityError::Denied(denials)))
    }

    /// Write how a host call ended, and count the time that it took.
    ///
    /// # Errors
    ///
    /// The error of `result`.
    pub(super) fn close<T>(&self, entry: Entry, result: Result<T, impl Into<CapabilityError>>) -> Result<T, Closed> {
        let result = result.map_err(Into::into);
        match &result {
            // What was not begun took no time.
            Err(denied @ CapabilityError::Denied(_)) => self.report_denial(entry.capability(), &denied.to_string()),
            _ => self.reporting.metrics.host_call_took(entry.capability(), entry.elapsed()),
        }
        match result {
            Ok(value) => {
                entry.close("success", None);
                Ok(value)
            }
            Err(error) => {
                let status = match &error {
                    CapabilityError::Denied(_) => "denied",
                    CapabilityError::Request(RequestError::Unknown(_)) => "unknown",
                    CapabilityError::Request(_) => "failure",
                };
                entry.close(status, Some(&error.to_string()));
                Err(Closed(Ending::Answered(error)))
            }
        }
    }

    /// A request that makes no sense is counted and recorded too, though there is nothing to
    /// ask the policy.
    pub(super) fn invalid(&mut self, capability: &'static str, reason: impl ToString) -> Closed {
        if let Err(exhausted) = self.count() {
            return exhausted.into();
        }
        let reason = reason.to_string();
        let entry = self.reporting.audit.open(&self.trace_id, &self.grants.actionner, capability, &[]);
        entry.close("failure", Some(&reason));
        Closed(Ending::Answered(RequestError::Invalid(reason).into()))
    }

    /// Count one more call.
    ///
    /// # Errors
    ///
    /// Where there were more than the policy allows.
    pub(super) fn count(&mut self) -> Result<(), Exhausted> {
        let host_calls_max = self.grants.limits.host_calls_max;
        self.host_calls += 1;
        if self.host_calls > host_calls_max {
            return Err(Exhausted { host_calls_max });
        }
        Ok(())
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
