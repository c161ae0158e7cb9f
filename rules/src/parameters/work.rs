//! What a schema may cost: how much work is done on behalf of one, and how deep.
//!
//! A component of a stranger brings its schema, and a short one can ask for more steps than there are atoms. What the
//! validator will do is counted before it does it.

use std::collections::HashSet;

use serde_json::Value;

use super::tree::{referred, within};

/// Steps of one check. A honest schema of a hundred parameters needs some hundreds.
pub(super) const STEPS_MAX: usize = 200_000;

/// How deep the validator may go at once: schemas within schemas, times values within values. It recurses.
const DEPTH_MAX: usize = 256;

/// Why a schema is not worked through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WorkError {
    #[error("checking takes more than {STEPS_MAX} steps; refer to fewer schemas from within each other")]
    TooManySteps,
    #[error("schemas refer to each other more than {DEPTH_MAX} deep")]
    TooDeep,
    #[error("the default of '{name}' leads to further defaults without an end; leave one out")]
    EndlessDefaults { name: String },
}

/// What is left to do of [`STEPS_MAX`].
#[derive(Debug)]
pub(super) struct Work {
    left: usize,
}

impl Work {
    pub(super) fn new() -> Self {
        Self { left: STEPS_MAX }
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), WorkError> {
        self.left = self.left.checked_sub(steps).ok_or(WorkError::TooManySteps)?;
        Ok(())
    }
}

/// Spends what the validator will need to judge `value` by `schema`, or a little more.
pub(super) fn rehearse(schema: &Value, root: &Value, value: &Value, work: &mut Work) -> Result<(), WorkError> {
    Rehearsal { root, active: HashSet::new(), work }.judge(schema, value)
}

struct Rehearsal<'a, 'w> {
    root: &'a Value,
    /// Schemas and values that are being judged. The validator, too, enters none twice at once.
    active: HashSet<(*const Value, *const Value)>,
    work: &'w mut Work,
}

impl<'a> Rehearsal<'a, '_> {
    fn judge(&mut self, schema: &'a Value, value: &'a Value) -> Result<(), WorkError> {
        self.work.spend(1)?;
        let step = (std::ptr::from_ref(schema), std::ptr::from_ref(value));
        if !schema.is_object() || !self.active.insert(step) {
            return Ok(());
        }
        if self.active.len() > DEPTH_MAX {
            return Err(WorkError::TooDeep);
        }
        for _ in 0..rounds(schema) {
            for one in same_value(schema, self.root) {
                self.judge(one, value)?;
            }
            self.inner(schema, value)?;
            if let (Some(_), Value::String(text)) = (schema.get("pattern"), value) {
                self.work.spend(text.len())?;
            }
        }
        self.active.remove(&step);
        Ok(())
    }

    /// What is inside of a list or an object.
    fn inner(&mut self, schema: &'a Value, value: &'a Value) -> Result<(), WorkError> {
        match value {
            Value::Array(items) => {
                let of_all = ["items", "additionalItems", "unevaluatedItems", "contains"];
                let of_all: Vec<_> = of_all.iter().filter_map(|keyword| schema.get(*keyword)).collect();
                for (index, item) in items.iter().enumerate() {
                    let here = ["prefixItems", "items"].iter().filter_map(|keyword| schema.get(*keyword)?.get(index));
                    for one in of_all.iter().copied().chain(here) {
                        self.judge(one, item)?;
                    }
                }
            }
            Value::Object(object) => {
                let of_all = ["additionalProperties", "unevaluatedProperties", "propertyNames"];
                let of_all = of_all.iter().filter_map(|keyword| schema.get(*keyword));
                let of_all: Vec<_> = of_all.chain(within(schema, "patternProperties")).collect();
                let properties = schema.get("properties");
                let patterns = within(schema, "patternProperties").len();
                for (name, value) in object {
                    self.work.spend(patterns * name.len())?;
                    let here = properties.and_then(|properties| properties.get(name));
                    for one in of_all.iter().copied().chain(here) {
                        self.judge(one, value)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// What has not been evaluated is found by evaluating once more.
fn rounds(schema: &Value) -> usize {
    let again = ["unevaluatedProperties", "unevaluatedItems"];
    if again.iter().any(|keyword| schema.get(*keyword).is_some()) { 2 } else { 1 }
}

/// The schemas next to this one that judge the same value.
fn same_value<'a>(schema: &'a Value, root: &'a Value) -> Vec<&'a Value> {
    let mut found: Vec<_> = referred(schema, root).into_iter().collect();
    for keyword in ["allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies"] {
        found.extend(within(schema, keyword));
    }
    found.extend(["not", "if", "then", "else"].into_iter().filter_map(|keyword| schema.get(keyword)));
    found
}
