//! Defaults that the schema they stand in does not allow.

use jsonschema::{Registry, RegistryBuilder};
use serde_json::{Value, json};

use super::defaults::fill_in;
use super::engine::options;
use super::error::{SchemaError, SchemaErrorKind, TooLarge, shorten};
use super::shape::Shape;
use super::tree::encoded;
use super::work::{Work, WorkError, rehearse};

/// What the schema is called while its parts are looked at one by one.
const ROOT: &str = "urn:falco-talon:parameters";

/// What is wrong with the defaults of a schema that is right otherwise.
pub(super) fn defaults(root: &Value, places: &[(String, &Value)]) -> Vec<SchemaError> {
    let mut errors = Vec::new();
    let mut work = Work::new();
    let too_much = |pointer: &str, error: WorkError| {
        SchemaError::new(pointer, SchemaErrorKind::TooLarge(TooLarge::Work(error.to_string())))
    };
    let mut schema = root.clone();
    if let Some(schema) = schema.as_object_mut() {
        // Every reference is a pointer, so a name of its own serves nothing.
        schema.remove("$id");
        schema.remove("id");
    }
    let registry = Registry::new().add(ROOT, &schema).and_then(RegistryBuilder::prepare);
    let registry = match registry {
        Ok(registry) => registry,
        Err(error) => return vec![SchemaError::new("", SchemaErrorKind::Keyword(shorten(&error.to_string())))],
    };
    for (pointer, part) in places {
        let mut filled = json!({});
        if let Err(error) = fill_in(&mut filled, &Shape::at(part, root), &mut work) {
            errors.push(too_much(pointer, error));
            break;
        }
        let Some(default) = part.get("default") else { continue };
        let mut value = default.clone();
        let effort = fill_in(&mut value, &Shape::at(part, root), &mut work);
        if let Err(error) = effort.and_then(|()| rehearse(part, root, &value, &mut work)) {
            errors.push(too_much(pointer, error));
            break;
        }
        let alone = json!({ "$ref": format!("{ROOT}#{}", encoded(pointer)) });
        let validator = options().with_registry(&registry).build(&alone);
        let reason = match &validator {
            Ok(validator) => validator.iter_errors(&value).next().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = reason {
            let (default, reason) = (shorten(&default.to_string()), shorten(&reason));
            errors.push(SchemaError::new(format!("{pointer}/default"), SchemaErrorKind::Default { default, reason }));
        }
    }
    errors
}
