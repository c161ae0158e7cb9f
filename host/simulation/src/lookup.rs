//! The object that a call is about.

use serde_json::Value;

use super::call::Call;
use super::status::Refusal;
use super::store::{Key, Store};

/// Where the call's object is, or would be.
pub(super) fn key(call: &Call) -> Key {
    Key::new(call.resource, call.namespace.as_deref(), &call.name)
}

/// The object that a call is about, as it is stored.
pub(super) fn stored<'a>(store: &'a Store, call: &Call) -> Result<&'a Value, Refusal> {
    store.get(&key(call)).ok_or_else(|| Refusal::not_found(call.resource, &call.name))
}
