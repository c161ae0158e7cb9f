//! Parameters against the JSON Schema of what takes them.
//!
//! Three steps: the YAML becomes JSON in the types that the schema wants, where names that it does
//! not know and names that are missing are found; defaults are filled in; and the schema judges
//! the result. Its findings are told in the words of a rule file and at the place in the file.

mod convert;
mod judge;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use crate::Position;
use crate::yaml::Node;

/// A schema that is ready to judge.
pub(crate) struct Schema<'a> {
    schema: &'a Value,
    validator: Validator,
}

/// What is wrong with parameters.
pub(crate) struct ParameterError {
    pub(crate) message: String,
    /// Nothing where the parameter is not written at all.
    pub(crate) at: Option<Position>,
}

impl<'a> Schema<'a> {
    /// Compiles a schema; the error says why it is none.
    pub(crate) fn new(schema: &'a Value) -> Result<Schema<'a>, String> {
        let validator = jsonschema::options()
            // A component of a stranger brings its schema; its patterns must not be able to spin.
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .with_format("cidr", |text: &str| text.parse::<ipnet::IpNet>().is_ok())
            .with_format("ip", |text: &str| text.parse::<std::net::IpAddr>().is_ok())
            .build(schema)
            .map_err(|error| error.to_string())?;
        Ok(Schema { schema, validator })
    }

    /// The parameters as JSON, valid and with defaults, or everything that is wrong with them.
    pub(crate) fn check(&self, parameters: Option<&Node>) -> Result<Value, Vec<ParameterError>> {
        let mut converted = convert::convert(parameters, self.schema);
        fill_in_defaults(&mut converted.value, self.schema, self.schema);
        judge::judge(&self.validator, self.schema, &mut converted);
        let mut errors = converted.errors;
        if errors.is_empty() {
            return Ok(converted.value);
        }
        errors.sort_by_key(|error| error.at.as_ref().map(|at| (at.line, at.column)));
        Err(errors)
    }
}

fn fill_in_defaults(value: &mut Value, schema: &Value, root: &Value) {
    let properties = properties(resolve(schema, root));
    let (Value::Object(object), Some(properties)) = (value, properties) else {
        return;
    };
    for (name, schema) in properties {
        let schema = resolve(schema, root);
        if let Some(value) = object.get_mut(name) {
            fill_in_defaults(value, schema, root);
        } else if let Some(default) = schema.get("default") {
            object.insert(name.clone(), default.clone());
        }
    }
}

/// The schema that a `$ref` within the same schema stands for.
fn resolve<'s>(mut schema: &'s Value, root: &'s Value) -> &'s Value {
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

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

/// The name of a key within parameters: `labels[app]`, `allow_cidr[0]`.
fn name_of(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}[{key}]") }
}

#[cfg(test)]
mod tests;
