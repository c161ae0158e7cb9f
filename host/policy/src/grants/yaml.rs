//! YAML as a tree that remembers where each value stands.
//!
//! Reading the tree by hand, rather than into structs, is what lets every problem of a file be
//! reported at once, each with its place and the valid names. It knows no key of the policy.

use std::fmt;
use std::sync::Arc;

use rules::Position;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, MessageFormatter, Spanned};

use super::problem::PolicyError;

/// A value of a YAML document.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As YAML read it; no key of the policy takes a fraction.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

/// A value and its place.
pub(super) type Node = Spanned<Value>;

impl Value {
    /// What it is, in a sentence that begins with "is" or "not".
    fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}

/// Reads one file, and collects what is wrong with it.
#[derive(Debug)]
pub(super) struct Reader {
    file: Arc<str>,
    problems: Vec<PolicyError>,
}

impl Reader {
    pub(super) fn new(file: &str) -> Self {
        Reader { file: file.into(), problems: Vec::new() }
    }

    /// The document as a tree; none, and a problem noted, where it is not YAML.
    pub(super) fn document(&mut self, text: &str) -> Option<Node> {
        let options = serde_saphyr::options! {
            strict_booleans: true,
            with_snippet: false,
        };
        match serde_saphyr::from_str_with_options(text, options) {
            Ok(node) => Some(node),
            Err(error) => {
                let place = error.location().unwrap_or(Location::UNKNOWN);
                let message = serde_saphyr::UserMessageFormatter.format_message(&error);
                self.problem(place, format!("not valid YAML: {message}"));
                None
            }
        }
    }

    pub(super) fn problem(&mut self, place: Location, message: String) {
        let position = self.position(place);
        self.problems.push(PolicyError { position, message });
    }

    pub(super) fn position(&self, place: Location) -> Position {
        // A place that is not known reads as the beginning of the file.
        Position {
            file: self.file.clone(),
            line: u32::try_from(place.line()).unwrap_or(u32::MAX).max(1),
            column: u32::try_from(place.column()).unwrap_or(u32::MAX).max(1),
        }
    }

    /// How many problems were noted so far, to tell afterwards whether a part of the file
    /// added some.
    pub(super) fn problem_count(&self) -> usize {
        self.problems.len()
    }

    /// The value if nothing was wrong anywhere, else all that was.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Vec<PolicyError>> {
        if self.problems.is_empty() { Ok(value) } else { Err(self.problems) }
    }

    pub(super) fn map(&mut self, node: Node, what: &str) -> Option<Vec<(Spanned<String>, Node)>> {
        match node.value {
            Value::Map(entries) => Some(entries),
            other => {
                let hint =
                    if matches!(other, Value::Null) { ": write {} to grant nothing, or leave the key out" } else { "" };
                let kind = other.kind();
                self.problem(node.referenced, format!("{what} must be a mapping, not {kind}{hint}"));
                None
            }
        }
    }

    /// A list with at least one item. An empty one is refused, since it is never clear
    /// whether none or all was meant.
    pub(super) fn list(&mut self, node: Node, key: &str) -> Vec<Node> {
        match node.value {
            Value::List(items) if !items.is_empty() => items,
            Value::List(_) => {
                self.problem(node.referenced, format!("`{key}` is empty: name something, or leave it out"));
                Vec::new()
            }
            other => {
                let kind = other.kind();
                self.problem(node.referenced, format!("`{key}` must be a list in [ ], not {kind}"));
                Vec::new()
            }
        }
    }

    pub(super) fn text(&mut self, node: Node, key: &str) -> Option<(String, Location)> {
        match node.value {
            Value::Text(text) => Some((text, node.referenced)),
            other => {
                let hint = match &other {
                    Value::Bool(_) | Value::Number(_) => ": put it in quotes",
                    Value::Null | Value::Text(_) | Value::List(_) | Value::Map(_) => "",
                };
                let kind = other.kind();
                self.problem(node.referenced, format!("`{key}` must be a text, not {kind}{hint}"));
                None
            }
        }
    }

    /// A text, or a number as it was written: what limits take.
    pub(super) fn scalar(&mut self, node: Node, key: &str) -> Option<(String, Location)> {
        match node.value {
            Value::Text(text) | Value::Number(text) => Some((text, node.referenced)),
            other => {
                let kind = other.kind();
                self.problem(node.referenced, format!("`{key}` must be a number or a text, not {kind}"));
                None
            }
        }
    }
}
