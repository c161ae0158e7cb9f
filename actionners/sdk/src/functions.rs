//! The capability `functions`: cloud functions, called with the host's credentials.
//!
//! Does not know what is sent to them.

pub use crate::bindings::falco_talon::actionner::functions::{Answer, InvocationType, invoke_google, invoke_lambda};
