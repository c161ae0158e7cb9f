//! What the host says about itself: log lines, metrics, spans, the audit record, and the trace id
//! that ties them together.
//!
//! Knows nothing of events, rules or actions.

mod text;
mod throttle;
mod trace_id;

mod parent;
mod spans;

mod calls;

pub(crate) mod logs;

mod otlp;

pub(crate) mod library;

pub(crate) mod audit;
pub(crate) mod metrics;

mod reporting;

pub(crate) use calls::Calls;
pub(crate) use otlp::Signal;
pub(crate) use otlp::{MetricsExport, Traces};
pub use otlp::{Otlp, Protocol, Target};
pub use parent::Parent;
pub use reporting::Reporting;
pub(crate) use spans::{Description, Kind, Span};
pub(crate) use text::{clean, cut, with_causes};
pub(crate) use throttle::Throttle;
pub(crate) use trace_id::NotATraceId;
pub use trace_id::TraceId;
