//! Which parameters something is for, by a schema that accepts them.

use jsonschema::Validator;
use serde_json::Value;

use super::engine::options;
use super::error::{SchemaError, SchemaErrorKind, shorten};
use super::faults::check_schema;
use super::work::{Work, rehearse};

/// Which parameters something is for: a schema of a stranger, which accepts them or does not.
#[derive(Debug)]
pub struct When {
    schema: Value,
    validator: Validator,
}

impl When {
    /// A schema that is within the limits of [`check_schema`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn new(schema: Value) -> Result<When, Vec<SchemaError>> {
        check_schema(&schema)?;
        let wrong = |error: jsonschema::ValidationError<'_>| SchemaErrorKind::Keyword(shorten(&error.to_string()));
        let validator = options().build(&schema).map_err(|error| vec![SchemaError::new("", wrong(error))])?;
        Ok(When { schema, validator })
    }

    /// Whether the schema accepts parameters, or to find out would take more steps than one check may.
    pub fn may_accept(&self, parameters: &Value) -> bool {
        let effort = rehearse(&self.schema, &self.schema, parameters, &mut Work::new());
        effort.is_err() || self.validator.is_valid(parameters)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_judged_by_the_schema() {
        let when = When::new(json!({"required": ["level"], "properties": {"level": {"const": "node"}}})).unwrap();
        assert!(when.may_accept(&json!({"level": "node"})));
        assert!(!when.may_accept(&json!({"level": "pod"})) && !when.may_accept(&json!({})));
    }

    #[test]
    fn what_takes_too_long_to_find_out_may_be_so() {
        // Each schema asks the next one twice.
        let twice = |next: usize| json!({"allOf": vec![json!({"$ref": format!("#/$defs/{next}")}); 2]});
        let mut defs: serde_json::Map<_, _> = (0..40).map(|at| (at.to_string(), twice(at + 1))).collect();
        defs.insert("40".to_owned(), json!(false));
        let schema = json!({"$defs": defs, "properties": {"a": {"$ref": "#/$defs/0"}}});
        let when = When::new(schema).unwrap();
        assert!(when.may_accept(&json!({"a": 1})) && when.may_accept(&json!({})));
        let unread = When::new(json!({"$ref": "file:///etc/passwd"})).unwrap_err();
        assert!(unread[0].to_string().contains("nothing is fetched"), "{unread:?}");
    }
}
