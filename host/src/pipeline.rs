//! From an event that arrives to the end of its last action.
//!
//! `admission` lets into the store what a rule answers. The spine takes it from the queue, and `response` alone decides
//! what comes next; around them stand fingerprints, plan, course, context and coalesce, which only compute, lanes, which
//! keep what must not run at once apart, delivery, and the report of what ended.

mod coalesce;
mod contain;
mod context;
mod fingerprint;
mod lanes;
mod plan;

mod deliver;
mod destination;
mod details;
mod ended;
mod pause;

mod notices;
mod notifications;

mod report;
mod trace;

mod troubles;

mod deliveries;
mod dispatch;

mod admission;

mod answer;
mod attempt;
mod course;

mod away;
mod shared;

mod surroundings;

mod response;

mod ending;

mod spine;

pub use admission::{Admission, Answering};
pub(crate) use notifications::Settings as Notifying;
pub(crate) use plan::{answering, is_live, is_protected};
pub(crate) use report::report_event;
pub(crate) use spine::{Pipeline, Undelivered};
pub use trace::spans_of_an_event;
