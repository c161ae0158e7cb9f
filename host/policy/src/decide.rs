//! Whether an actionner may do what it asks: one pure question, asked before every call.
//!
//! [`decide`] compares a request with the grants of the actionner and the targets of the event.
//! It knows no client, no component and no clock, keeps nothing, and allocates nothing where it
//! allows. What it takes for granted is built here too: the targets of an event ([`Targets`]) and the
//! fields that a body touches ([`touched_fields`]).

mod body;
mod field;
mod given_up;
mod touched;

mod uids;

mod targets;

mod facts;

mod kubernetes;
mod proposal;

mod denial;

mod name;

mod functions;
mod http;
mod objects;

mod decision;

mod answer;
pub mod explain;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use answer::{Answer, answer};
pub use body::{BodyError, check_identity, name_in_body};
pub use decision::{Request, decide};
pub use denial::{Decision, Denial, DenialReason, FieldsNote};
pub use facts::Facts;
pub use field::{TouchedField, Written};
pub use functions::FunctionRequest;
pub use given_up::{given_up_fields, replaced_maps};
pub use http::{HttpRequest, MethodError};
pub use kubernetes::{KubernetesRequest, Lesson};
pub use name::NameError;
pub use objects::ObjectRequest;
pub use proposal::to_delete_targets;
pub use targets::{Learnt, Replaced, Target, Targets};
pub use touched::{PatchKind, touched_fields};
pub use uids::{Uids, UidsError};
