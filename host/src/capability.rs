//! What the host does for an actionner, one WIT interface a file, each in the same order.
//!
//! An interface's file turns the words of a guest into requests, takes them through the gate of
//! [`Call`], has a client do what was allowed, and closes. This module knows nothing of components
//! and engines; it sees one call of one actionner.

mod catalogue;
mod error;
mod flights;
mod guest_log;
mod host_time;
mod media_type;
mod spool;

mod call;

mod alone;

mod bindings;

mod condition;
mod kubernetes;
mod preconditions;
mod seen;

mod artifacts;
mod clock;
mod functions;
mod http;
mod kubernetes_exec;
mod kubernetes_read;
mod kubernetes_write;
mod log;
mod objects;

mod interfaces;

pub(crate) use crate::clients::Exhausted;
pub(crate) use bindings::ActionnerPre as ExportsPre;
pub(crate) use bindings::exports::falco_talon::actionner::action;
pub use call::Call;
pub(crate) use flights::{Busy, Flights};
pub(crate) use guest_log::GuestLog;
pub(crate) use host_time::HostTime;
pub(crate) use interfaces::link;
