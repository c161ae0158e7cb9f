//! Parameters against the JSON Schema of what takes them.
//!
//! Three steps: the YAML becomes JSON in the types that the schema wants, where names that it does
//! not know and names that are missing are found; defaults are filled in; and the schema judges
//! the result. Its findings are reported in the words of a rule file and at the place in the file.
//!
//! A schema comes from whoever wrote the component. What is wrong with it by itself is found before the first rule,
//! and what it may cost is counted before it is paid.

mod engine;
mod error;
mod tree;

mod shape;
mod work;

mod convert;
mod defaults;
mod judge;

mod default_faults;
mod faults;
mod listed;
mod when;

use jsonschema::Validator;
use serde_json::Value;

use crate::yaml::Node;

use engine::options;
pub(crate) use error::ParameterError;
pub use error::{SchemaError, SchemaErrorKind, TooLarge};
pub use faults::check_schema;
pub use listed::{Parameter, parameters};
use shape::Shape;
pub use when::When;
use work::Work;

/// What is filled in where a rule gives no parameters at all.
pub fn defaults(schema: &Value) -> Value {
    let (mut value, mut work) = (Value::Object(serde_json::Map::new()), Work::new());
    // What takes too long to find is refused where the parameters are judged.
    let _ = defaults::fill_in(&mut value, &Shape::of(schema), &mut work);
    value
}

/// A schema that is ready to judge.
pub(crate) struct Schema<'a> {
    schema: &'a Value,
    validator: Validator,
}

impl<'a> Schema<'a> {
    /// Compiles a schema; the error says why it is not a schema.
    pub(crate) fn new(schema: &'a Value) -> Result<Schema<'a>, String> {
        let validator = options().build(schema).map_err(|error| error.to_string())?;
        Ok(Schema { schema, validator })
    }

    /// The parameters as JSON, valid and with defaults, or everything that is wrong with them.
    pub(crate) fn check(&self, parameters: Option<&Node>) -> Result<Value, Vec<ParameterError>> {
        let mut converted = convert::convert(parameters, self.schema);
        let mut work = Work::new();
        let filled = defaults::fill_in(&mut converted.value, &Shape::of(self.schema), &mut work);
        match filled.and_then(|()| work::rehearse(self.schema, self.schema, &converted.value, &mut work)) {
            Ok(()) => judge::judge(&self.validator, self.schema, &mut converted),
            Err(error) => converted.errors.push(ParameterError { message: format!("parameters: {error}"), at: None }),
        }
        let mut errors = converted.errors;
        if errors.is_empty() {
            return Ok(converted.value);
        }
        errors.sort_by_key(|error| error.at.as_ref().map(|at| (at.line, at.column)));
        Err(errors)
    }
}

#[cfg(test)]
mod tests;
