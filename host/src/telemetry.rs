//! What the host says about itself: log lines, metrics, the audit record, and the trace id that
//! ties them together.
//!
//! Knows nothing of events, rules or actions.

mod text;
mod throttle;
mod trace_id;

mod calls;

pub(crate) mod logs;

pub(crate) mod library;

pub(crate) mod audit;
pub(crate) mod metrics;

mod reporting;

pub(crate) use calls::Calls;
pub use reporting::Reporting;
pub(crate) use text::clean;
pub(crate) use throttle::Throttle;
pub(crate) use trace_id::NotATraceId;
pub use trace_id::TraceId;
