//! What is wrong with a schema by itself, found when a component describes itself rather than with the first rule.
//!
//! A stranger wrote it: its size is looked at first, and nothing that it refers to is fetched.

use std::collections::HashSet;

use serde_json::Value;

use super::default_faults::defaults;
use super::engine::{DEPTH_MAX, PATTERN_BYTES_MAX, PATTERNS_MAX, SCHEMA_BYTES_MAX, SUBSCHEMAS_MAX, options};
use super::error::{SchemaError, SchemaErrorKind, TooLarge, shorten};
use super::shape::{Shape, names_type};
use super::tree::{below, encoded, is_schema, pointer_of};
use crate::nearest;

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Checks a schema of parameters by itself.
///
/// It must be a JSON Schema of draft 4, 6, 7, 2019-09 or 2020-12 (which it is without a `$schema`) of an object, refer
/// by JSON pointers to what it holds itself, and stay within limits of size, nesting and work. Patterns are in the
/// dialect of the crate `regex`, to which what differs in ECMA 262 is converted: without look-around and
/// back-references, and in linear time. A default must be valid by the schema that it stands in, once the defaults
/// below it are filled in.
///
/// # Errors
///
/// Everything that is wrong, each with its place; what only shows in a schema that is right otherwise, after that.
pub fn check_schema(schema: &Value) -> Result<(), Vec<SchemaError>> {
    check_size(schema).map_err(|error| vec![error])?;
    let mut errors = by_draft(schema);
    let places = places(schema, &mut errors).map_err(|error| vec![error])?;
    errors.extend(places.iter().flat_map(|(pointer, part)| references(pointer, part, schema)));
    errors.extend(of_no_object(schema, &places));
    errors.extend(patterns(&places));
    if errors.is_empty() {
        errors = defaults(schema, &places);
    }
    if errors.is_empty() {
        errors.extend(
            options()
                .build(schema)
                .err()
                .map(|error| SchemaError::new("", SchemaErrorKind::Keyword(shorten(&error.to_string())))),
        );
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Looks at no more than the limits, and recurses only once the depth is known.
fn check_size(schema: &Value) -> Result<(), SchemaError> {
    let found = match schema {
        Value::Object(_) => None,
        Value::Array(_) => Some("a list"),
        Value::String(_) => Some("a text"),
        Value::Number(_) => Some("a number"),
        Value::Bool(_) => Some("a truth value"),
        Value::Null => Some("null"),
    };
    if let Some(found) = found {
        return Err(SchemaError::new("", SchemaErrorKind::NotASchema { found }));
    }
    let too_large = |limit| Err(SchemaError::new("", SchemaErrorKind::TooLarge(limit)));
    let mut level = vec![schema];
    for depth in 0.. {
        if level.is_empty() {
            break;
        }
        if depth > DEPTH_MAX {
            return too_large(TooLarge::Depth);
        }
        let inner = level.into_iter().flat_map(|value| match value {
            Value::Array(items) => items.iter().collect::<Vec<_>>(),
            Value::Object(object) => object.values().collect(),
            _ => Vec::new(),
        });
        level = inner.collect();
    }
    if schema.to_string().len() > SCHEMA_BYTES_MAX {
        return too_large(TooLarge::Bytes);
    }
    Ok(())
}

/// What the schema of schemas finds.
fn by_draft(schema: &Value) -> Vec<SchemaError> {
    let Ok(validator) = jsonschema::meta::validator_for(schema) else {
        let found = schema.get("$schema").map(Value::to_string).unwrap_or_default();
        return vec![SchemaError::new("/$schema", SchemaErrorKind::UnknownDraft { found })];
    };
    let error = |error: jsonschema::ValidationError<'_>| {
        let pointer = error.instance_path().to_string();
        let is_type = pointer.ends_with("/type") && !error.instance().is_object();
        let kind = if is_type {
            let found = error.instance();
            let hint = nearest::hint(found.as_str().unwrap_or_default(), TYPES);
            SchemaErrorKind::Type { found: shorten(&found.to_string()), hint }
        } else {
            SchemaErrorKind::Keyword(shorten(&error.to_string()))
        };
        SchemaError::new(pointer, kind)
    };
    let mut errors: Vec<_> = validator.iter_errors(schema).map(error).collect();
    // A draft in several vocabularies finds some of it several times.
    errors.dedup();
    errors
}

/// All schemas within the schema, each once, with their JSON pointers; those too to which only a `$ref` leads.
fn places<'s>(root: &'s Value, errors: &mut Vec<SchemaError>) -> Result<Vec<(String, &'s Value)>, SchemaError> {
    let (mut places, mut seen) = (Vec::new(), HashSet::new());
    let mut waiting = vec![(String::new(), root)];
    while let Some((pointer, part)) = waiting.pop() {
        if !seen.insert(std::ptr::from_ref(part)) {
            continue;
        }
        if places.len() == SUBSCHEMAS_MAX {
            return Err(SchemaError::new("", SchemaErrorKind::TooLarge(TooLarge::Subschemas)));
        }
        let below = below(part).into_iter().map(|(below, part)| (format!("{pointer}{below}"), part));
        waiting.extend(below.rev());
        if let Some(reference) = part.get("$ref").and_then(Value::as_str) {
            match target(reference, root) {
                Ok((pointer, target)) => waiting.insert(0, (pointer, target)),
                Err(kind) => errors.push(SchemaError::new(format!("{pointer}/$ref"), kind)),
            }
        }
        places.push((pointer, part));
    }
    Ok(places)
}

/// Where a `$ref` leads.
fn target<'s>(reference: &str, root: &'s Value) -> Result<(String, &'s Value), SchemaErrorKind> {
    if !reference.is_empty() && !reference.starts_with('#') {
        return Err(SchemaErrorKind::ForeignReference { reference: shorten(reference) });
    }
    let dangling = |hint| SchemaErrorKind::DanglingReference { reference: shorten(reference), hint };
    let is_of_address = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%#".contains(&byte);
    let Some(pointer) = pointer_of(reference) else {
        return Err(dangling("; a '%' is written '%25'".to_owned()));
    };
    if !reference.bytes().all(is_of_address) {
        return Err(dangling(format!("; it is written '#{}'", encoded(&pointer))));
    }
    if let Some(target) = root.pointer(&pointer).filter(|target| is_schema(target)) {
        return Ok((pointer.into_owned(), target));
    }
    let names = |keyword: &'static str| {
        let names = root.get(keyword).and_then(Value::as_object).into_iter().flatten();
        names.map(move |(name, _)| format!("#/{keyword}/{name}"))
    };
    let valid: Vec<String> = names("$defs").chain(names("definitions")).collect();
    let hint = nearest::suggestion(reference, valid.iter().map(String::as_str));
    Err(dangling(hint))
}

/// References by other means than `$ref`, and what would change the meaning of one.
fn references(pointer: &str, part: &Value, root: &Value) -> Option<SchemaError> {
    let is_draft_4 = root.get("$schema").and_then(Value::as_str).is_some_and(|draft| draft.contains("draft-04"));
    let id = if is_draft_4 { "id" } else { "$id" };
    let is_wrong = |keyword: &&str| part.get(*keyword).is_some() && (*keyword != id || !pointer.is_empty());
    let keyword = ["$dynamicRef", "$recursiveRef", id].into_iter().find(is_wrong)?;
    let kind = SchemaErrorKind::UnknownReference { keyword: keyword.to_owned() };
    Some(SchemaError::new(format!("{pointer}/{keyword}"), kind))
}

/// The parts of the schema that allow no object.
fn of_no_object(schema: &Value, places: &[(String, &Value)]) -> Vec<SchemaError> {
    // What is no type at all has been found already.
    let is_type = |named: &Value| TYPES.iter().any(|name| names_type(named, name));
    let types = Shape::of(schema).sure_types().into_iter();
    let wrong = types.filter(|named| is_type(named) && !names_type(named, "object"));
    let error = |named: &Value| {
        let holds = |(_, part): &&(String, &Value)| part.get("type").is_some_and(|it| std::ptr::eq(it, named));
        let pointer = places.iter().find(holds).map(|(pointer, _)| format!("{pointer}/type")).unwrap_or_default();
        SchemaError::new(pointer, SchemaErrorKind::NotOfObject { found: shorten(&named.to_string()) })
    };
    wrong.map(error).collect()
}

fn patterns(places: &[(String, &Value)]) -> Vec<SchemaError> {
    let mut found = Vec::new();
    for (pointer, part) in places {
        let pattern = part.get("pattern").and_then(Value::as_str);
        found.extend(pattern.map(|pattern| (format!("{pointer}/pattern"), pattern)));
        let by_pattern = part.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
        found.extend(by_pattern.map(|(pattern, _)| (format!("{pointer}/patternProperties"), pattern.as_str())));
    }
    if found.len() > PATTERNS_MAX {
        return vec![SchemaError::new("", SchemaErrorKind::TooLarge(TooLarge::Patterns))];
    }
    let error = |(pointer, pattern): (String, &str)| Some(SchemaError::new(pointer, wrong_pattern(pattern)?));
    found.into_iter().filter_map(error).collect()
}

/// What is wrong with a pattern for the engine that will match it.
fn wrong_pattern(pattern: &str) -> Option<SchemaErrorKind> {
    if options().build(&serde_json::json!({ "pattern": pattern })).is_ok() {
        return None;
    }
    // The validator does not say why; asked directly, the engine does.
    let place = match regex::RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build() {
        Err(regex::Error::CompiledTooBig(_)) => {
            return Some(SchemaErrorKind::PatternTooLarge { pattern: shorten(pattern) });
        }
        Err(error) => {
            let text = error.to_string();
            text.lines().last().map(|line| line.replacen("error", "", 1)).unwrap_or_default()
        }
        Ok(_) => String::new(),
    };
    Some(SchemaErrorKind::Pattern { pattern: shorten(pattern), place })
}
