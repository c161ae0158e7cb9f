//! YAML to JSON under the guidance of a schema.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::ParameterError;
use super::tree::{name_of, properties, resolve};
use crate::yaml::{Content, Entry, Kind, Node, Scalar};
use crate::{Position, nearest};

/// Parameters as JSON, and what is known about where they come from.
pub(super) struct Converted {
    pub(super) value: Value,
    pub(super) errors: Vec<ParameterError>,
    /// By JSON pointer, where the value was written and how the file calls it.
    pub(super) places: HashMap<String, (Position, String)>,
    /// Pointers of required values whose absence has been reported.
    pub(super) missing: BTreeSet<String>,
}

/// Where in the parameters a value is.
struct ParameterPlace<'p> {
    pointer: &'p str,
    name: &'p str,
}

pub(super) fn convert(node: Option<&Node>, schema: &Value) -> Converted {
    let mut converter =
        Converter { root: schema, errors: Vec::new(), places: HashMap::new(), missing: BTreeSet::new() };
    let entries = match node.map(|node| &node.content) {
        Some(Content::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let at = node.map(|node| &node.at);
    let place = ParameterPlace { pointer: "", name: "" };
    let value = converter.object(entries, at, resolve(schema, schema), &place);
    let Converter { errors, places, missing, .. } = converter;
    Converted { value: Value::Object(value), errors, places, missing }
}

struct Converter<'s> {
    root: &'s Value,
    errors: Vec<ParameterError>,
    places: HashMap<String, (Position, String)>,
    missing: BTreeSet<String>,
}

impl<'s> Converter<'s> {
    fn object(
        &mut self,
        entries: &[Entry],
        at: Option<&Position>,
        schema: &'s Value,
        place: &ParameterPlace<'_>,
    ) -> Map<String, Value> {
        let mut object = Map::new();
        for Entry { key, at, value } in entries {
            let name = name_of(place.name, key);
            let Some((known, schema)) = self.property(key, schema, place) else {
                let valid = properties(schema).into_iter().flat_map(Map::keys).map(String::as_str);
                let mut hint = nearest::hint(key, valid);
                if hint.is_empty() {
                    "; it takes no parameters".clone_into(&mut hint);
                }
                self.error(Some(at), format!("unknown parameter '{name}'{hint}"));
                continue;
            };
            if object.contains_key(known) {
                self.error(Some(at), format!("the parameter '{name}' is there twice, in another letter case"));
                continue;
            }
            let pointer = format!("{}/{}", place.pointer, known.replace('~', "~0").replace('/', "~1"));
            let place = ParameterPlace { pointer: &pointer, name: &name };
            if let Some(value) = self.value(value, schema, &place, false) {
                self.places.insert(pointer, (at.clone(), name));
                object.insert(known.to_owned(), value);
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if !object.contains_key(name) {
                self.missing.insert(format!("{}/{name}", place.pointer));
                self.error(at, format!("missing parameter '{}'", name_of(place.name, name)));
            }
        }
        object
    }

    /// The name and schema of a key. Names that a schema lists are found in any letter case. An
    /// object is open to other names only where its schema says so, or lists none at all; that of
    /// all parameters only where it says so.
    fn property<'k>(&self, key: &'k str, schema: &'s Value, place: &ParameterPlace<'_>) -> Option<(&'k str, &'s Value)>
    where
        's: 'k,
    {
        let properties = properties(schema);
        if let Some(properties) = properties {
            let exact = properties.get_key_value(key);
            let known = exact.or_else(|| properties.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)));
            if let Some((name, schema)) = known {
                return Some((name, resolve(schema, self.root)));
            }
        }
        let is_free = properties.is_none() && !place.pointer.is_empty();
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(other) => Some((key, resolve(other, self.root))),
            None if is_free || schema.get("patternProperties").is_some() => Some((key, &Value::Null)),
            None => None,
        }
    }

    /// Nothing for a null that sets nothing.
    fn value(&mut self, node: &Node, schema: &'s Value, place: &ParameterPlace<'_>, in_list: bool) -> Option<Value> {
        match &node.content {
            Content::Scalar(scalar) => self.scalar(scalar, node, schema, place, in_list),
            Content::List(items) => {
                let schema = schema.get("items").map_or(&Value::Null, |items| resolve(items, self.root));
                let mut values = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let (pointer, name) = (format!("{}/{index}", place.pointer), format!("{}[{index}]", place.name));
                    let place = ParameterPlace { pointer: &pointer, name: &name };
                    values.extend(self.value(item, schema, &place, true));
                    self.places.insert(pointer, (item.at.clone(), name));
                }
                Some(Value::Array(values))
            }
            Content::Map(entries) => Some(Value::Object(self.object(entries, Some(&node.at), schema, place))),
        }
    }

    fn scalar(
        &mut self,
        scalar: &Scalar,
        node: &Node,
        schema: &Value,
        place: &ParameterPlace<'_>,
        in_list: bool,
    ) -> Option<Value> {
        let text = || Value::String(Arc::as_ref(&scalar.text).to_owned());
        let is_for_text = wants(schema, "string", self.root);
        match scalar.kind {
            // In a map of texts, as of labels, null is how one writes the empty text.
            Kind::Null if is_for_text && place.name.ends_with(']') && !in_list => Some(Value::String(String::new())),
            Kind::Null if in_list => Some(Value::Null),
            Kind::Null => None,
            Kind::Text => Some(text()),
            Kind::Bool if is_for_text && !wants(schema, "boolean", self.root) => Some(text()),
            Kind::Bool => scalar.boolean().map(Value::Bool),
            Kind::Integer | Kind::Float => {
                let is_for_number = wants(schema, "integer", self.root) || wants(schema, "number", self.root);
                if is_for_text && !is_for_number {
                    return Some(text());
                }
                let number = scalar.number().map(Value::Number);
                if number.is_none() {
                    self.error(Some(&node.at), format!("parameter '{}' is too large a number", place.name));
                }
                number
            }
        }
    }

    fn error(&mut self, at: Option<&Position>, message: String) {
        self.errors.push(ParameterError { message, at: at.cloned() });
    }
}

/// Whether a schema names a type, itself or in one of its alternatives.
fn wants(schema: &Value, wanted: &str, root: &Value) -> bool {
    let schema = resolve(schema, root);
    let named = match schema.get("type") {
        Some(Value::String(name)) => name == wanted,
        Some(Value::Array(names)) => names.iter().any(|name| name == wanted),
        _ => false,
    };
    let alternatives = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array());
    named || alternatives.flatten().any(|schema| wants_shallow(schema, wanted))
}

/// The alternatives' own alternatives are not looked at: a schema may refer to itself.
fn wants_shallow(schema: &Value, wanted: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => name == wanted,
        Some(Value::Array(names)) => names.iter().any(|name| name == wanted),
        _ => false,
    }
}
