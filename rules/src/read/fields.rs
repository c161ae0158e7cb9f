//! The types that the values of keys may have, and the findings where they have others.

use std::num::NonZero;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::block::{Flag, Text};
use crate::diagnostic::{Context, Findings};
use crate::quantity::{duration, duration_text};
use crate::yaml::{Content, Node, Scalar};
use crate::{Position, nearest};

/// A place, and the keys that belong to it.
pub(super) type Elsewhere = (&'static str, &'static [&'static str]);

/// Reads values on behalf of one block.
pub(super) struct Fields<'a> {
    context: Context,
    findings: &'a mut Findings,
}

impl<'a> Fields<'a> {
    pub(super) fn new(context: Context, findings: &'a mut Findings) -> Self {
        Fields { context, findings }
    }

    /// A text that is not empty. Numbers and booleans count as they were written; the empty text and
    /// null are as good as absent.
    pub(super) fn text(&mut self, key: &str, node: &Node) -> Option<Text> {
        match &node.content {
            _ if node.is_null() => None,
            Content::Scalar(scalar) => Some(as_text(scalar, &node.at)).filter(|text| !text.value.is_empty()),
            _ => {
                self.expected(key, node, "a text");
                None
            }
        }
    }

    /// `true` or `false`, with or without quotes, and in no other spelling.
    pub(super) fn flag(&mut self, key: &str, node: &Node) -> Option<Flag> {
        let text = self.text(key, node)?;
        match text.as_str() {
            "true" => Some(Flag(true)),
            "false" => Some(Flag(false)),
            _ => {
                self.error(&text.at, format!("'{key}' setting can be 'true' or 'false' only"));
                None
            }
        }
    }

    /// A whole number from 1 to `max`.
    pub(super) fn count(&mut self, key: &str, node: &Node, max: usize) -> Option<NonZero<usize>> {
        let text = self.text(key, node)?;
        let count = text.as_str().parse().ok().filter(|count: &NonZero<usize>| count.get() <= max);
        if count.is_none() {
            self.error(&text.at, format!("'{key}' is a whole number from 1 to {max}, not '{}'", text.as_str()));
        }
        count
    }

    /// A time within bounds.
    pub(super) fn duration(&mut self, key: &str, node: &Node, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.text(key, node)?;
        let found = duration(text.as_str()).filter(|time| bounds.contains(time));
        if found.is_none() {
            let (min, max) = (duration_text(*bounds.start()), duration_text(*bounds.end()));
            let message =
                format!("'{key}' is a time from {min} to {max}, such as '30s' or '10m', not '{}'", text.as_str());
            self.error(&text.at, message);
        }
        found
    }

    /// The elements of a list; none where there is no list.
    pub(super) fn list<'n>(&mut self, key: &str, node: &'n Node) -> &'n [Node] {
        match &node.content {
            _ if node.is_null() => &[],
            Content::List(elements) => elements,
            _ => {
                self.expected(key, node, "a list");
                &[]
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &str, node: &Node) -> Vec<Text> {
        let mut texts = Vec::new();
        for element in self.list(key, node) {
            match &element.content {
                Content::Scalar(scalar) if !element.is_null() => {
                    texts.push(as_text(scalar, &element.at));
                }
                _ => self.expected(key, element, "a list of texts"),
            }
        }
        texts
    }

    /// A map; null is as good as absent.
    pub(super) fn map(&mut self, key: &str, node: &Node) -> Option<Node> {
        match &node.content {
            _ if node.is_null() => None,
            Content::Map(_) => Some(node.clone()),
            _ => {
                self.expected(key, node, "a map");
                None
            }
        }
    }

    pub(super) fn unknown(&mut self, key: &str, at: &Position, place: &str, valid: &[&str], others: &[Elsewhere]) {
        let hint = elsewhere(key, valid, others);
        self.error(at, format!("unknown key '{key}' in {place}{hint}"));
    }

    pub(super) fn expected(&mut self, key: &str, node: &Node, expected: &str) {
        let text = format!("'{key}' must be {expected}, this is a {}", node.kind_name());
        let message = wrong_syntax(&node.at.file, &text);
        self.error(&node.at, message);
    }

    pub(super) fn error(&mut self, at: &Position, message: impl Into<String>) {
        self.findings.error(&self.context, Some(at), message);
    }
}

fn as_text(scalar: &Scalar, at: &Position) -> Text {
    Text { value: scalar.text.clone(), at: at.clone(), inset: scalar.inset }
}

/// The message of everything that YAML, or the types of a rule file, forbid.
pub(super) fn wrong_syntax(file: &str, text: &str) -> String {
    format!("wrong syntax for the rule file '{file}': {text}")
}

/// What a message says of a key that belongs elsewhere.
fn elsewhere(key: &str, valid: &[&str], others: &[Elsewhere]) -> String {
    if let Some((place, _)) = others.iter().find(|(_, keys)| keys.contains(&key)) {
        return format!("; it belongs to {place}");
    }
    let meant = nearest::suggestion(key, valid.iter().copied());
    if meant.is_empty() && valid.contains(&"actionner") {
        return "; what the actionner takes is indented under 'parameters:'".to_owned();
    }
    nearest::hint(key, valid.iter().copied())
}
