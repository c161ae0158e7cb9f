//! What the host does for an actionner, one WIT interface a file.
//!
//! Every method of every capability begins with [`Call::gate`]: it counts the call, asks
//! [`decide`], and opens the line of the audit record that says how it ended. This module
//! knows nothing of components and engines; it sees one call of one actionner.

mod artifacts;
mod bindings;
mod clients;
mod clock;
mod functions;
mod http;
mod kubernetes;
mod kubernetes_exec;
mod kubernetes_read;
mod kubernetes_write;
mod log;
mod objects;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;
use wasmtime::component::{HasData, Linker};

use crate::audit::{Audit, Entry};
use crate::decide::{Decision, Request, Targets, decide};
use crate::policy::Grants;
use crate::telemetry::logs::{Level, Logger};
use crate::telemetry::metrics::Metrics;

use artifacts::Artifacts;
pub(crate) use bindings::ActionnerPre as ExportsPre;
pub(crate) use bindings::exports::falco_talon::actionner::action;
pub use clients::{Aws, ClientError, Clients, Clouds, Google, Storage};
pub(crate) use clock::HostTime;
pub use http::{HttpClient, SecretError};
pub use kubernetes::Kubernetes;
pub(crate) use log::GuestLog;

/// The package whose interfaces are the capabilities, as a component's imports spell it.
pub const PACKAGE: &str = "falco-talon:actionner/";

/// Where a call reports to.
#[derive(Clone)]
pub struct Reporting {
    /// The host's log.
    pub logger: Logger,
    /// The host's metrics.
    pub metrics: Metrics,
    /// The record of each host call.
    pub audit: Audit,
}

/// One call of one actionner, as its capabilities see it.
pub struct Call {
    /// What the policy grants to the actionner.
    pub grants: Arc<Grants>,
    /// What the event names, and what was learnt from that during this call.
    pub targets: Targets,
    /// When the call must have ended. Each client call heeds it.
    pub deadline: Instant,
    /// Whether every write is a rehearsal.
    pub dry_run: bool,
    /// Identifies the event in logs and in the audit record.
    pub trace_id: String,
    /// The clients of the host.
    pub clients: Clients,
    /// Where the call reports to.
    pub reporting: Reporting,
    /// How many host calls were made.
    pub host_calls: u32,
    /// Where the guest's words go.
    log: GuestLog,
    /// What is not the guest's own time.
    host_time: HostTime,
    /// What the guest has made.
    artifacts: Artifacts,
}

/// Why a capability did not do what it was asked; the closed WIT variant is made of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CapabilityError {
    #[error("{0}")]
    Denied(String),
    #[error("not found")]
    NotFound,
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Invalid(String),
    #[error("it is longer than the policy's limit of {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    #[error("the deadline of the call passed first; it may or may not have been carried out")]
    Timeout,
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Other(String),
    /// The call as a whole must end: the guest gets no answer at all.
    #[error("more than the {host_calls_max} host calls that the policy allows")]
    Exhausted { host_calls_max: u32 },
}

impl Call {
    /// A call that begins now.
    pub fn new(
        grants: Arc<Grants>,
        targets: Targets,
        dry_run: bool,
        trace_id: String,
        clients: Clients,
        reporting: Reporting,
    ) -> Self {
        let deadline = Instant::now() + grants.limits.deadline_max;
        let log = GuestLog::new(reporting.logger.clone(), &grants.actionner, &trace_id);
        let artifacts = Artifacts::new(grants.limits.artifact_bytes_max);
        let (host_calls, host_time) = (0, HostTime::default());
        Self { grants, targets, deadline, dry_run, trace_id, clients, reporting, host_calls, log, host_time, artifacts }
    }

    /// What the host spends on work for the guest.
    pub(crate) fn host_time(&self) -> &HostTime {
        &self.host_time
    }

    /// Where the guest's words go.
    pub(crate) fn log(&self) -> &GuestLog {
        &self.log
    }

    /// What the guest has made, in its order.
    pub fn into_artifacts(self) -> Vec<outputs::Artifact> {
        self.artifacts.into_files()
    }

    /// Count the call, and ask whether the policy allows all that it asks for: `requests`.
    ///
    /// The entry that is returned must be closed with the outcome; one that is dropped
    /// without it, because the call was cancelled, is recorded as `unknown`.
    fn gate(&mut self, capability: &'static str, requests: &[Request<'_>]) -> Result<Entry, CapabilityError> {
        self.count()?;
        let mut entry = self.reporting.audit.open(&self.trace_id, &self.grants.actionner, capability, requests);
        let mut denials = Vec::new();
        for request in requests {
            match decide(&self.grants, &self.targets, request) {
                Decision::Allowed { grant } => entry = entry.allowed(grant),
                Decision::Denied(denial) => denials.push(denial.to_string()),
            }
        }
        if denials.is_empty() {
            return Ok(entry);
        }
        let denial = denials.join("\n");
        self.denied(capability, &denial);
        entry.denied(&denial);
        Err(CapabilityError::Denied(denial))
    }

    /// A request that makes no sense is counted and recorded too, though there is nothing to
    /// ask the policy.
    fn invalid(&mut self, capability: &'static str, error: impl ToString) -> CapabilityError {
        if let Err(exhausted) = self.count() {
            return exhausted;
        }
        let entry = self.reporting.audit.open(&self.trace_id, &self.grants.actionner, capability, &[]);
        entry.failed(CapabilityError::Invalid(error.to_string()))
    }

    fn count(&mut self) -> Result<(), CapabilityError> {
        let host_calls_max = self.grants.limits.host_calls_max;
        self.host_calls += 1;
        if self.host_calls > host_calls_max {
            return Err(CapabilityError::Exhausted { host_calls_max });
        }
        Ok(())
    }

    /// What a guest is not told, for who runs the host: addresses and names of accounts.
    fn explain(&self, capability: &'static str, error: &dyn std::fmt::Display) {
        self.reporting
            .logger
            .line(Level::Warn, "capability")
            .field("actionner", &self.grants.actionner)
            .field("capability", capability)
            .error(error)
            .field("trace_id", &self.trace_id)
            .write();
    }

    /// A denial is loud: the operator must learn of it even where the guest swallows it.
    fn denied(&self, capability: &'static str, denial: &str) {
        let actionner = &self.grants.actionner;
        self.reporting.metrics.denied(actionner, capability);
        self.reporting
            .logger
            .line(Level::Warn, "policy")
            .field("actionner", actionner)
            .field("capability", capability)
            .error(&denial)
            .field("trace_id", &self.trace_id)
            .write();
    }
}

/// The interfaces that this host offers.
pub const INTERFACES: [&str; 9] = [
    "types",
    "log",
    "kubernetes-read",
    "kubernetes-write",
    "kubernetes-exec",
    "artifacts",
    "functions",
    "http",
    "objects",
];

/// Link `interfaces`, and no others: what is not imported can't be called.
///
/// # Errors
///
/// Where the engine refuses a definition, which would be a mistake in the bindings.
pub(crate) fn link<T: Send + 'static>(
    linker: &mut Linker<T>,
    interfaces: &BTreeSet<&str>,
    call: fn(&mut T) -> &mut Call,
) -> wasmtime::Result<()> {
    use bindings::falco_talon::actionner as wit;
    for interface in interfaces {
        match *interface {
            "types" => wit::types::add_to_linker::<T, Call>(linker, call)?,
            "log" => wit::log::add_to_linker::<T, Call>(linker, call)?,
            "kubernetes-read" => wit::kubernetes_read::add_to_linker::<T, Call>(linker, call)?,
            "kubernetes-write" => wit::kubernetes_write::add_to_linker::<T, Call>(linker, call)?,
            "kubernetes-exec" => wit::kubernetes_exec::add_to_linker::<T, Call>(linker, call)?,
            "artifacts" => wit::artifacts::add_to_linker::<T, Call>(linker, call)?,
            "functions" => wit::functions::add_to_linker::<T, Call>(linker, call)?,
            "http" => wit::http::add_to_linker::<T, Call>(linker, call)?,
            "objects" => wit::objects::add_to_linker::<T, Call>(linker, call)?,
            // The component is refused when the linker does not find it.
            _ => {}
        }
    }
    Ok(())
}

impl HasData for Call {
    type Data<'a> = &'a mut Self;
}

impl bindings::falco_talon::actionner::types::Host for Call {
    fn convert_error(
        &mut self,
        error: CapabilityError,
    ) -> wasmtime::Result<bindings::falco_talon::actionner::types::Error> {
        error.into_answer()
    }
}

impl CapabilityError {
    /// What the guest is told; the error itself where it gets no answer.
    fn into_answer(self) -> wasmtime::Result<bindings::falco_talon::actionner::types::Error> {
        use bindings::falco_talon::actionner::types::Error;
        Ok(match self {
            CapabilityError::Denied(text) => Error::Denied(text),
            CapabilityError::NotFound => Error::NotFound,
            CapabilityError::Conflict(text) => Error::Conflict(text),
            CapabilityError::Invalid(text) => Error::Invalid(text),
            CapabilityError::TooLarge { .. } => Error::TooLarge,
            CapabilityError::Timeout => Error::Timeout,
            CapabilityError::Unavailable(text) => Error::Unavailable(text),
            CapabilityError::Other(text) => Error::Other(text),
            CapabilityError::Exhausted { .. } => return Err(wasmtime::Error::new(self)),
        })
    }
}
