//! What actionners may do: grants as checked values, never the text that they were written in.
//!
//! Everything is denied but what a grant allows. Entries are keyed by actionner: those of the
//! bundled actionners are built in, and an operator's file replaces an entry whole, adds to it
//! (`extends: bundled`), forbids an actionner (`forbidden: true`), or adds an entry for a component
//! of its own, whose `digest` it must then name:
//!
//! ```yaml
//! version: 1
//! protected:
//!   namespaces: [prod-*]   # beside kube-system and the host's own
//! actionners:
//!   kubernetes:terminate: {forbidden: true}
//!   kubernetes:script:
//!     extends: bundled
//!     limits: {deadline: 2m}
//!   acme:quarantine:
//!     digest: sha256:…
//!     kubernetes:
//!       - {verbs: [get], resources: [pods, apps/deployments], scope: event-target}
//!       - {verbs: [patch], resources: [pods], fields: [metadata.labels]}
//!     limits: {deadline: 5s}
//! ```
//!
//! A limit comes from the actionner's entry, else from the file's `limits`, else from
//! [`Limits::default`]. What the keys of a grant mean is said at [`KubernetesGrant`] with
//! [`ResourceName`], [`FunctionGrant`], [`HttpGrant`] and [`ObjectGrant`]; whether a
//! request is allowed is for [`crate::decide`] to say.

mod field;
mod limits;
mod pattern;
mod power;
mod write;

mod fields;

mod functions;
mod http;
mod kubernetes;
mod objects;

mod granted;

mod interface;
mod proposal;

mod gates;
mod narrow;
pub mod rbac;

mod caution;
mod operator;
mod parse;
mod problem;
mod yaml;

mod policy;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use field::{FieldPath, Segment};
pub use fields::{FieldGrant, ValuePattern};
pub use functions::{FunctionGrant, FunctionPattern, Provider};
pub use gates::{MissingGrant, is_wasi, least_privilege_entry};
pub use granted::{Entry, Granted, Grants};
pub use http::{HeaderSource, HttpGrant, Method, is_of_the_connection};
pub use interface::{Import, Interface, PACKAGE};
pub use kubernetes::{KubernetesGrant, Scope, Verb};
pub use limits::Limits;
pub use objects::{ObjectGrant, ObjectTarget, ObjectVerb, check_key, check_label};
pub use operator::OperatorPolicy;
pub use pattern::Pattern;
pub use policy::Policy;
pub(crate) use power::{may_hold_power, steps_to_write_out};
pub use problem::PolicyError;
pub use proposal::Proposal;
pub(crate) use write::flow_list;
