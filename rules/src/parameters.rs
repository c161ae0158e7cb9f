//! Parameters against the JSON Schema of what takes them.
//!
//! Three steps: the YAML becomes JSON in the types that the schema wants, where names that it does
//! not know and names that are missing are found; defaults are filled in; and the schema judges
//! the result. Its findings are reported in the words of a rule file and at the place in the file.

mod error;
mod tree;

mod convert;
mod judge;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::yaml::Node;

pub(crate) use error::ParameterError;
use tree::{properties, resolve};

/// A schema that is ready to judge.
pub(crate) struct Schema<'a> {
    schema: &'a Value,
    validator: Validator,
}

impl<'a> Schema<'a> {
    /// Compiles a schema; the error says why it is not a schema.
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

#[cfg(test)]
mod tests;
