//! From an event of the queue to the end of its last action.
//!
//! The spine alone decides what comes next; around it stand dedup, context and coalesce, which only compute,
//! lanes, which keep what must not run at once apart, delivery, and the report of what ended.

mod coalesce;
mod contain;
mod context;
mod dedup;
mod lanes;

mod deliver;
mod details;
mod report;

mod answer;

mod spine;

pub(crate) use dedup::Dedup;
pub(crate) use report::report_event;
pub(crate) use spine::Pipeline;
