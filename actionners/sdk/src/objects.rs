//! The capability `objects`: object storage, by the labels that the policy gives to buckets.
//!
//! Does not know addresses and credentials: those stay in the host.

pub use crate::bindings::falco_talon::actionner::objects::{get, put};
