//! A wait's conditions, from the words of the contract.

pub(super) use guest::Condition;
use guest::{ConditionError, Expectation};
use serde_json::Value;

use super::bindings::falco_talon::actionner::kubernetes_read::{Condition as Written, Expectation as Expected};

/// The conditions that a guest has written.
pub(super) fn parse(written: Vec<Written>) -> Result<Vec<Condition>, ConditionError> {
    Condition::parse_all(written.into_iter().map(|Written { path, expected }| (path, expected.into())).collect())
}

/// Whether one of the conditions is met by an object.
pub(super) fn any_is_met(conditions: &[Condition], object: &Value) -> bool {
    conditions.iter().any(|condition| condition.is_met(object))
}

impl From<Expected> for Expectation {
    fn from(expected: Expected) -> Self {
        match expected {
            Expected::Exists => Expectation::Exists,
            Expected::Absent => Expectation::Absent,
            Expected::Equals(text) => Expectation::Equals(text),
            Expected::Differs(text) => Expectation::Differs(text),
        }
    }
}
