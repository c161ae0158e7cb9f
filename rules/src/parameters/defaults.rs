//! Defaults of a schema, put where the parameters have no value.
//!
//! Only what applies whatever the value is counts: the schema itself, what its `$ref` stands for, and its `allOf`; the
//! outermost default wins. Of `anyOf` and `oneOf` nothing is filled in, since which alternative is meant may hang on
//! what is absent; the one exception is a single alternative to null, once there is an object. Nothing of `if`, `then`
//! and `else` is. Objects in lists and maps are filled in as those in properties are, and so are defaults themselves.

use serde_json::Value;

use super::shape::Shape;
use super::work::{Work, WorkError};

/// How deep defaults may lie in defaults: those of a schema that refers to itself need not end.
const DEPTH_MAX: usize = 16;

/// Fills in the defaults. What is there stays as it is, so doing it twice is doing it once.
pub(super) fn fill_in(value: &mut Value, shape: &Shape<'_>, work: &mut Work) -> Result<(), WorkError> {
    fill_in_below(value, shape, 0, work)
}

fn fill_in_below(value: &mut Value, shape: &Shape<'_>, depth: usize, work: &mut Work) -> Result<(), WorkError> {
    work.spend(shape.len().max(1))?;
    match value {
        Value::Object(object) => {
            let other = shape.other_property(false);
            for (name, value) in object.iter_mut() {
                if let Some(shape) = shape.property(name).as_ref().or(other.as_ref()) {
                    fill_in_below(value, shape, depth, work)?;
                }
            }
            for name in shape.sure_names() {
                work.spend(shape.len())?;
                if object.contains_key(name) {
                    continue;
                }
                let Some(shape) = shape.property(name) else { continue };
                let Some(default) = shape.default() else { continue };
                if depth == DEPTH_MAX {
                    return Err(WorkError::EndlessDefaults { name: name.to_owned() });
                }
                let mut value = default.clone();
                fill_in_below(&mut value, &shape, depth + 1, work)?;
                object.insert(name.to_owned(), value);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                fill_in_below(item, &shape.item(index), depth, work)?;
            }
        }
        _ => {}
    }
    Ok(())
}
