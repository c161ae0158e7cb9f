//! What actionners may do, and whether one may do what it asks.
//!
//! [`Policy`] is made of the bundled actionners' entries and the operator's file, and says of each
//! actionner what its [`Grants`] are. Before each call that an actionner makes, the host asks
//! [`decide`] with the request, the grants, and the [`Facts`] that are known of the event.
//! [`explain`] answers the same question for people, and [`rbac`] prints what the cluster must
//! allow the host so that the grants can be used.
//!
//! This crate is pure: it opens no file, reads no clock, loads no component and knows no client.

mod address;

mod grants;

mod decide;

mod secret;

pub use address::{Address, AddressError, ObjectId, Place, ResourceName, WebAddress, WebAddressError};
pub use decide::{
    Answer, BodyError, Decision, Denial, DenialReason, Facts, FieldsNote, FunctionRequest, HttpRequest,
    KubernetesRequest, Learnt, Lesson, MethodError, NameError, ObjectRequest, PatchKind, Replaced, Request, Target,
    Targets, TouchedField, Uids, UidsError, Written, answer, check_identity, decide, explain, given_up_fields,
    name_in_body, replaced_maps, to_delete_targets, touched_fields,
};
pub use grants::{
    Entry, FieldGrant, FieldPath, FunctionGrant, FunctionPattern, Granted, Grants, HeaderSource, HttpGrant, Import,
    Interface, KubernetesGrant, Limits, Method, MissingGrant, ObjectGrant, ObjectTarget, ObjectVerb, OperatorPolicy,
    PACKAGE, Pattern, Policy, PolicyError, Proposal, Provider, Scope, Segment, ValuePattern, Verb, check_key,
    check_label, is_of_the_connection, is_wasi, least_privilege_entry, rbac,
};
pub use secret::{Secret, without_userinfo};
