//! Traces and metrics for a collector, by OpenTelemetry's protocol.
//!
//! Nothing here holds up the host: what a collector does not take in time is lost, counted, and said in a line now and
//! then. Both kinds go out by the same [`transport`], over gRPC or HTTP, in the runtime of the host.

mod settings;

mod resource;

mod outage;
mod transport;

mod metrics;
mod traces;

pub(crate) use settings::Signal;
pub use settings::{Otlp, Protocol, Target};

pub(crate) use metrics::MetricsExport;
pub(crate) use traces::{Traces, layer};
