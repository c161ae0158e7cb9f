//! Ways through a schema, and the names of what it is about.

use serde_json::{Map, Value};

/// The schema that a `$ref` within the same schema stands for.
pub(super) fn resolve<'s>(mut schema: &'s Value, root: &'s Value) -> &'s Value {
    // References may form a ring, which the validator's own compilation has no trouble with.
    const HOPS_MAX: usize = 8;
    for _ in 0..HOPS_MAX {
        let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
        match pointer.and_then(|pointer| root.pointer(pointer)) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

pub(super) fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

/// The name of a key within parameters: `labels[app]`, `allow_cidr[0]`.
pub(super) fn name_of(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}[{key}]") }
}
