//! YAML to JSON under the guidance of a schema.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::ParameterError;
use super::shape::Shape;
use super::tree::{escaped, name_of};
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
    let mut converter = Converter { errors: Vec::new(), places: HashMap::new(), missing: BTreeSet::new() };
    let entries = match node.map(|node| &node.content) {
        Some(Content::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let at = node.map(|node| &node.at);
    let place = ParameterPlace { pointer: "", name: "" };
    let value = converter.object(entries, at, &Shape::of(schema), &place);
    let Converter { errors, places, missing, .. } = converter;
    Converted { value: Value::Object(value), errors, places, missing }
}

struct Converter {
    errors: Vec<ParameterError>,
    places: HashMap<String, (Position, String)>,
    missing: BTreeSet<String>,
}

impl Converter {
    fn object(
        &mut self,
        entries: &[Entry],
        at: Option<&Position>,
        shape: &Shape<'_>,
        place: &ParameterPlace<'_>,
    ) -> Map<String, Value> {
        let mut object = Map::new();
        for Entry { key, at, value } in entries {
            let name = name_of(place.name, key);
            let Some((known, shape)) = property(key, shape, place) else {
                let mut hint = nearest::hint(key, shape.names());
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
            let pointer = format!("{}/{}", place.pointer, escaped(known));
            let place = ParameterPlace { pointer: &pointer, name: &name };
            if let Some(value) = self.value(value, &shape, &place, false) {
                self.places.insert(pointer, (at.clone(), name));
                object.insert(known.to_owned(), value);
            }
        }
        for name in shape.required() {
            // What has a default is not missing: it is filled in.
            if !object.contains_key(name) && shape.property(name).is_none_or(|shape| shape.default().is_none()) {
                self.missing.insert(format!("{}/{name}", place.pointer));
                self.error(at, format!("missing parameter '{}'", name_of(place.name, name)));
            }
        }
        object
    }

    /// Nothing for a null that sets nothing.
    fn value(&mut self, node: &Node, shape: &Shape<'_>, place: &ParameterPlace<'_>, in_list: bool) -> Option<Value> {
        match &node.content {
            Content::Scalar(scalar) => self.scalar(scalar, node, shape, place, in_list),
            Content::List(items) => {
                let mut values = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let (pointer, name) = (format!("{}/{index}", place.pointer), format!("{}[{index}]", place.name));
                    let place = ParameterPlace { pointer: &pointer, name: &name };
                    values.extend(self.value(item, &shape.item(index), &place, true));
                    self.places.insert(pointer, (item.at.clone(), name));
                }
                Some(Value::Array(values))
            }
            Content::Map(entries) => Some(Value::Object(self.object(entries, Some(&node.at), shape, place))),
        }
    }

    fn scalar(
        &mut self,
        scalar: &Scalar,
        node: &Node,
        shape: &Shape<'_>,
        place: &ParameterPlace<'_>,
        in_list: bool,
    ) -> Option<Value> {
        let text = || Value::String(Arc::as_ref(&scalar.text).to_owned());
        let is_for_text = shape.wants("string");
        match scalar.kind {
            // In a map of texts, as of labels, null is how one writes the empty text.
            Kind::Null if is_for_text && place.name.ends_with(']') && !in_list => Some(Value::String(String::new())),
            Kind::Null if in_list => Some(Value::Null),
            Kind::Null => None,
            Kind::Text => Some(text()),
            Kind::Bool if is_for_text && !shape.wants("boolean") => Some(text()),
            Kind::Bool => scalar.boolean().map(Value::Bool),
            Kind::Integer | Kind::Float => {
                let is_for_number = shape.wants("integer") || shape.wants("number");
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

/// The name and shape of a key, if it is allowed. Names that a schema lists are found in any letter case.
fn property<'k>(key: &'k str, shape: &Shape<'k>, place: &ParameterPlace<'_>) -> Option<(&'k str, Shape<'k>)> {
    let in_any_case = || shape.names().into_iter().find(|name| name.eq_ignore_ascii_case(key));
    if let Some(known) = shape.property(key) {
        return Some((key, known));
    }
    if let Some(name) = in_any_case() {
        return Some((name, shape.property(name)?));
    }
    Some((key, shape.other_property(place.pointer.is_empty())?))
}
