//! The findings of the schema's validator in the words of a rule file.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::Value;

use super::convert::Converted;
use super::error::ParameterError;
use crate::nearest;

/// A message quotes what was written, and that may be a whole script.
const MESSAGE_CHARS_MAX: usize = 300;

pub(super) fn judge(validator: &Validator, schema: &Value, converted: &mut Converted) {
    let mut errors = Vec::new();
    for error in validator.iter_errors(&converted.value) {
        let pointer = error.instance_path().to_string();
        if let Kind::Required { property } = error.kind() {
            let name = property.as_str().unwrap_or_default();
            if converted.missing.contains(&format!("{pointer}/{name}")) {
                continue;
            }
        }
        let place = converted.places.get(&pointer);
        let name = place.map_or("", |(_, name)| name);
        let message = match error.kind() {
            Kind::OneOfNotValid { .. } if pointer.is_empty() => one_of(schema, "missing parameter '", "' or '", "'"),
            Kind::OneOfMultipleValid { .. } if pointer.is_empty() => {
                one_of(schema, "'", "' and '", "' parameters can't be set at the same time")
            }
            Kind::AnyOf { .. } => {
                let about =
                    schema["properties"][name]["description"].as_str().unwrap_or("it is not one of what is allowed");
                Some(format!("parameter '{name}' can't be '{}': {about}", plain(error.instance())))
            }
            _ => None,
        }
        .unwrap_or_else(|| message(&error, name));
        let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
        errors.push(ParameterError { message, at: place.map(|(at, _)| at.clone()) });
    }
    converted.errors.extend(errors);
}

/// A sentence about the parameters of which exactly one must be given, if that is what the
/// schema's `oneOf` is about.
fn one_of(schema: &Value, begin: &str, between: &str, end: &str) -> Option<String> {
    let names = schema["oneOf"].as_array()?.iter().map(|one| one["required"][0].as_str());
    let names: Vec<&str> = names.collect::<Option<_>>()?;
    Some(format!("{begin}{}{end}", names.join(between)))
}

fn message(error: &ValidationError<'_>, name: &str) -> String {
    let value = error.instance();
    match error.kind() {
        Kind::Type { kind } => {
            let expected = type_names(kind);
            let actual = type_name(value);
            let is_number = expected.contains("integer") || expected.contains("number");
            let is_quoted = value.as_str().is_some_and(|text| text.parse::<f64>().is_ok());
            let hint = if is_number && is_quoted { "; write it without quotes" } else { "" };
            format!("error decoding parameters: '{name}' expected type '{expected}', got type '{actual}'{hint}")
        }
        Kind::MinProperties { limit: 1 } => {
            let one = name.strip_suffix('s').unwrap_or("entry");
            format!("parameter '{name}' should have at least one {one}")
        }
        Kind::MinItems { limit: 1 } => {
            format!("parameter '{name}' should have at least one element")
        }
        Kind::Format { format } if format == "cidr" => format!("wrong CIDR '{}'", plain(value)),
        Kind::Enum { options } => {
            let options: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let hint = nearest::suggestion(&plain(value), options.iter().copied());
            let options = options.join("' or '");
            format!("parameter '{name}' can be '{options}' only, not '{}'{hint}", plain(value))
        }
        _ if name.is_empty() => format!("parameters: {error}"),
        _ => format!("parameter '{name}': {error}"),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn type_names(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => yaml_name(*kind).to_owned(),
        TypeKind::Multiple(kinds) => {
            let names: Vec<&str> = kinds.iter().map(yaml_name).collect();
            names.join("' or '")
        }
    }
}

fn yaml_name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "list",
        JsonType::Boolean => "boolean",
        JsonType::Integer => "integer",
        JsonType::Null => "null",
        JsonType::Number => "number",
        JsonType::Object => "map",
        JsonType::String => "string",
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}
