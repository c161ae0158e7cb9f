//! The capability `http`: requests to the addresses that the policy lists.
//!
//! The host adds the credentials that the policy keeps for an address, and follows no redirect.

pub use crate::bindings::falco_talon::actionner::http::{Request, Response, send};
