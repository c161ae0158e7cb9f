//! Falco Talon's host: it receives Falco's events and lets sandboxed actionners respond.
//!
//! # The journey of an event
//!
//! [`server`] takes it over HTTP, checks it, and asks by `admission` of the [`pipeline`] whether a
//! rule in force ([`generation`]) answers it. If none does, it ends there. If one does, it goes to
//! the [`store`], which drops it if it has stored the same lately; the sender has its answer once it
//! is stored. The [`queue`] hands it to the pipeline, where it waits in a lane of its target. Before
//! each attempt at an action the pipeline asks the rules in force then what comes next, and says in
//! the store that it begins; an attempt looks up the [`contexts`] that the rule asks for, and calls an [`actionner`] in a
//! fresh instance. What that asks
//! of the host arrives at one file of [`capability`], which asks the crate `policy` whether it may,
//! and only then has one of the [`clients`] do it. What an action has collected is stored with its
//! end, and delivered beside the lanes. Everything that happens is said through [`telemetry`]. When
//! the last action has ended, the entry in the store is done, or a dead letter, which an operator
//! looks at and replays by the command line and [`control`]. An event that was not finished when
//! the process ended comes from the store at the next start, and goes on where it was.
//!
//! What is well with the host and what is not is collected in [`health`], which probes read.
//!
//! [`config`] says how all of this is set up, [`run`] puts it together, and [`cli`] is what people
//! type. This crate alone knows tokio, axum, wasmtime and the clients. The modules below are in
//! the order of the journey.

mod server;

mod store;

mod queue;

mod pipeline;

mod generation;

mod contexts;

mod actionner;

mod capability;

mod clients;

mod telemetry;

// What all of these report to, where something is wrong.
mod health;

mod config;

mod run;
mod startup;

// What an operator asks of a host that runs.
mod control;

mod cli;

// What the server and the clients both need.
mod body;

// What actionners share, and clients too.
mod fair;

pub use cli::{Arguments, run};

/// What the tests and the benchmarks of this repository drive the host by, in one place.
///
/// Not an interface: it changes with the host.
pub mod testing {
    pub use crate::actionner::{Actionner, Cache, Compiler, Engine, Invocation, Outcome, digest, serve_one};
    pub use crate::capability::Call;
    pub use crate::cli::{audit, catalogue, config as configuration, events};
    pub use crate::clients::{Clients, Cluster, Kubernetes, Notifiers, SendError};
    pub use crate::config::{Config, Deduplication, ServerLimits, clouds};
    pub use crate::generation::{Loader, Problem};
    pub use crate::health::{Check, Health};
    pub use crate::pipeline::{Admission, Answering, spans_of_an_event};
    pub use crate::run::{Ended, Resources, RunError, run};
    pub use crate::server::{Intake, serve};
    pub use crate::store::{Limits, Outcome as StoreOutcome, Settings as StoreSettings, Store};
    pub use crate::telemetry::audit::Audit;
    pub use crate::telemetry::logs::{Format, Level, Logger};
    pub use crate::telemetry::metrics::{ActionLabels, Compat, Metrics, NotificationLabels};
    pub use crate::telemetry::{Otlp, Parent, Protocol, Reporting, Target, TraceId};
    pub use jiff::Timestamp;
    pub use notifiers::{Group, Notice, Notifier, Stage};
    pub use outputs::Room;
}
