//! The findings of the schema's validator in the words of a rule file.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::Value;

use super::convert::Converted;
use super::error::{ParameterError, shorten};
use super::shape::Shape;
use super::tree::escaped;
use crate::nearest;

pub(super) fn judge(validator: &Validator, schema: &Value, converted: &mut Converted) {
    let found: Vec<_> = validator.iter_errors(&converted.value).collect();
    let mut errors = Vec::new();
    for error in found.iter().flat_map(of_one_alternative) {
        let pointer = error.instance_path().to_string();
        if let Kind::Required { property } = error.kind() {
            let name = property.as_str().unwrap_or_default();
            if converted.missing.contains(&format!("{pointer}/{name}")) {
                continue;
            }
        }
        if let Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } = error.kind() {
            let shape = shape_at(&pointer, schema);
            errors.extend(unexpected.iter().map(|name| unexpected_name(name, &pointer, shape.as_ref(), converted)));
            continue;
        }
        let place = converted.places.get(&pointer);
        let name = place.map_or("", |(_, name)| name);
        let message = match error.kind() {
            Kind::OneOfNotValid { .. } if pointer.is_empty() => one_of(schema, "missing parameter '", "' or '", "'"),
            Kind::OneOfMultipleValid { .. } if pointer.is_empty() => {
                one_of(schema, "'", "' and '", "' parameters can't be set at the same time")
            }
            Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => Some(no_alternative(error, name, schema)),
            _ => None,
        }
        .unwrap_or_else(|| message(error, name));
        errors.push(ParameterError { message: shorten(&message), at: place.map(|(at, _)| at.clone()) });
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

/// What to say of a name that a schema closes itself to, though it is or might have been known.
fn unexpected_name(name: &str, pointer: &str, shape: Option<&Shape<'_>>, converted: &Converted) -> ParameterError {
    let place = converted.places.get(&format!("{pointer}/{}", escaped(name)));
    let shown = place.map_or(name, |(_, shown)| shown);
    let names = shape.map(Shape::names).unwrap_or_default();
    let message = if names.contains(&name) {
        format!("the parameter '{shown}' does not go with the others")
    } else {
        format!("unknown parameter '{shown}'{}", nearest::hint(name, names))
    };
    ParameterError { message: shorten(&message), at: place.map(|(at, _)| at.clone()) }
}

/// What the schema says of the place with this JSON pointer, if it names each step there.
fn shape_at<'s>(pointer: &str, schema: &'s Value) -> Option<Shape<'s>> {
    let mut tokens = pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
    tokens.try_fold(Shape::of(schema), |shape, token| {
        shape.property(&token).or_else(|| Some(shape.item(token.parse().ok()?)))
    })
}

/// The errors themselves, in place of one about alternatives of which all but one are null.
fn of_one_alternative<'e, 'v>(error: &'e ValidationError<'v>) -> Vec<&'e ValidationError<'v>> {
    let (Kind::AnyOf { context } | Kind::OneOfNotValid { context }) = error.kind() else {
        return vec![error];
    };
    let is_null_wanted = |inner: &ValidationError<'_>| match inner.kind() {
        Kind::Type { kind: TypeKind::Single(JsonType::Null) } => inner.instance_path() == error.instance_path(),
        _ => false,
    };
    let mut others = context.iter().filter(|errors| !errors.iter().any(is_null_wanted));
    match (others.next(), others.next()) {
        (Some(errors), None) if context.len() > 1 => errors.iter().flat_map(of_one_alternative).collect(),
        _ => vec![error],
    }
}

/// What to say of a value that none of several alternatives allows.
fn no_alternative(error: &ValidationError<'_>, name: &str, schema: &Value) -> String {
    let shape = shape_at(&error.instance_path().to_string(), schema);
    let choices = shape.as_ref().map(Shape::choices).unwrap_or_default();
    if !choices.is_empty() {
        return only(name, error.instance(), choices.into_iter().filter_map(Value::as_str));
    }
    let about = shape.and_then(|shape| shape.said("description").find_map(|(about, _)| about.as_str()));
    let about = about.unwrap_or("it is not one of what is allowed");
    format!("parameter '{name}' can't be '{}': {about}", plain(error.instance()))
}

/// What to say of a value that is not one of a list.
fn only<'a>(name: &str, value: &Value, options: impl Iterator<Item = &'a str>) -> String {
    let options: Vec<&str> = options.collect();
    let hint = nearest::suggestion(&plain(value), options.iter().copied());
    let options = options.join("' or '");
    format!("parameter '{name}' can be '{options}' only, not '{}'{hint}", plain(value))
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
        Kind::Enum { options } => only(name, value, options.as_array().into_iter().flatten().filter_map(Value::as_str)),
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
