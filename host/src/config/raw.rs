//! The configuration as it is written: each known key with its text and where that came from.
//!
//! It tells unknown keys, and reads numbers and switches, but doesn't know what they are for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use rules::nearest;

use super::keys::{self, Asks, FREE, KEYS, Key, Kind};
use super::parse::{LineColumn, Located, Node};

/// What was written, by key.
#[derive(Debug, Default)]
pub(super) struct RawConfig {
    written: BTreeMap<&'static str, Written>,
    /// Keys that the file has without a value.
    placeholders: BTreeSet<&'static str>,
    warnings: Vec<Warning>,
}

#[derive(Debug)]
struct Written {
    value: Value,
    origin: Origin,
}

#[derive(Debug)]
enum Value {
    Text(String),
    List(Vec<String>),
    /// Something that no key can hold, in words.
    Unfit(&'static str),
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration file.
    File {
        /// Its path as given.
        path: String,
        /// Counted from 1.
        line: u64,
        /// Counted from 1.
        column: u64,
    },
    /// In this environment variable.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Origin::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// Something in the configuration that is not an error but will surprise its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where it stands.
    pub origin: Origin,
    /// What is surprising, and what would be right.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

impl RawConfig {
    /// Gathers what the file holds. A key is found in any letter case.
    pub(super) fn add_file(&mut self, path: &Path, root: Node) {
        let path = path.display().to_string();
        let at = LineColumn { line: 1, column: 1 };
        self.add_node(&path, "", at, Located { value: root, at });
    }

    /// Gathers what the environment overrides. Empty variables count as absent.
    pub(super) fn add_environment(&mut self, environment: impl Fn(&str) -> Option<String>) {
        for key in KEYS {
            let in_file = self.written.contains_key(key.name) || self.placeholders.contains(key.name);
            let is_others = key.is_shared_name() && !in_file;
            if is_others || matches!(key.kind, Kind::Inert(Asks::WhenSet | Asks::Never)) {
                continue;
            }
            let name = key.environment();
            if let Some(text) = environment(&name).filter(|text| !text.is_empty()) {
                self.add_value(key, Value::Text(text), Origin::Environment(name));
            }
        }
    }

    fn add_node(&mut self, file: &str, path: &str, key_at: LineColumn, node: Located<Node>) {
        let origin = |at: LineColumn| Origin::File { path: file.into(), line: at.line, column: at.column };
        if path == FREE {
            return self.add_notifiers(file, node.value);
        }
        if let Some(key) = keys::find(path) {
            let value = match node.value {
                // An empty entry is a placeholder, not a value.
                Node::Null => {
                    self.placeholders.insert(key.name);
                    return;
                }
                Node::Text(text) => Value::Text(text),
                Node::List(items) => list_value(items),
                Node::Map(_) => Value::Unfit("a map"),
            };
            return self.add_value(key, value, origin(node.at));
        }
        let is_group = path.is_empty() || keys::is_group(path);
        match node.value {
            Node::Map(entries) if is_group => {
                for (key, value) in entries {
                    let name = key.value.to_lowercase();
                    let below = if path.is_empty() { name } else { format!("{path}.{name}") };
                    self.add_node(file, &below, key.at, value);
                }
            }
            Node::Null if is_group => {}
            _ if is_group => {
                let what = if path.is_empty() { "the file" } else { path };
                self.warn(origin(node.at), format!("ignored: '{what}' must hold keys"));
            }
            _ => {
                let hint = nearest::suggestion(path, KEYS.iter().map(|key| key.name));
                self.warn(origin(key_at), format!("unknown key '{path}' is ignored{hint}"));
            }
        }
    }

    fn add_notifiers(&mut self, file: &str, node: Node) {
        let Node::Map(notifiers) = node else { return };
        for (name, settings) in notifiers {
            if asks_for_something(&settings.value) {
                let LineColumn { line, column } = name.at;
                let origin = Origin::File { path: file.into(), line, column };
                self.warn(origin, no_effect(&format!("{FREE}.{}", name.value)));
            }
        }
    }

    fn add_value(&mut self, key: &'static Key, value: Value, origin: Origin) {
        if let Kind::Inert(asks) = key.kind {
            let asked = match (asks, &value) {
                (Asks::WhenTrue, Value::Text(text)) => parse_switch(text) == Some(true),
                (Asks::WhenSet, Value::Text(text)) => !text.is_empty(),
                (Asks::WhenTrue | Asks::WhenSet, Value::List(_) | Value::Unfit(_)) => true,
                (Asks::Never, _) => false,
            };
            if asked {
                self.warn(origin, no_effect(key.name));
            }
            return;
        }
        let in_file = matches!(origin, Origin::File { .. });
        let before = self.written.insert(key.name, Written { value, origin });
        if let Some(Written { origin, .. }) = before.filter(|_| in_file) {
            self.warn(origin, format!("ignored: '{}' is written again below", key.name));
        }
    }

    fn warn(&mut self, origin: Origin, message: String) {
        self.warnings.push(Warning { origin, message });
    }
}

/// A value that a key can't take: its place, the key and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was written.
    pub origin: Option<Origin>,
    /// The key and what is wrong with its value.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Reads values as what their keys hold, and gathers what is wrong rather than stopping at the first.
pub(super) struct Reader {
    raw: RawConfig,
    problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(raw: RawConfig) -> Reader {
        Reader { raw, problems: Vec::new() }
    }

    /// What was surprising, or all that is wrong.
    pub(super) fn finish(self) -> Result<Vec<Warning>, Vec<Problem>> {
        if self.problems.is_empty() { Ok(self.raw.warnings) } else { Err(self.problems) }
    }

    pub(super) fn warn(&mut self, key: &'static str, message: String) {
        if let Some(Written { origin, .. }) = self.raw.written.get(key) {
            let origin = origin.clone();
            self.raw.warnings.push(Warning { origin, message });
        }
    }

    pub(super) fn problem(&mut self, key: &'static str, message: String) {
        let origin = self.raw.written.get(key).map(|written| written.origin.clone());
        self.problems.push(Problem { origin, message });
    }

    /// The text of a key, or its default.
    pub(super) fn text(&mut self, key: &'static str) -> String {
        let default = || keys::find(key).map_or("", |key| key.default).to_owned();
        let unfit = match self.raw.written.get(key).map(|written| &written.value) {
            None => return default(),
            Some(Value::Text(text)) => return text.clone(),
            Some(Value::List(_)) => "a list",
            Some(Value::Unfit(what)) => what,
        };
        self.problem(key, format!("'{key}' expected type 'string', got {unfit}"));
        default()
    }

    /// A whole number within the bounds of its key.
    pub(super) fn integer(&mut self, key: &'static str) -> u64 {
        let text = self.text(key);
        let Some(Kind::Integer { min, max }) = keys::find(key).map(|key| key.kind) else {
            return 0;
        };
        // A number may have been written, or passed through a template, as 5.0.
        let whole = text.strip_suffix(".0").unwrap_or(&text).trim();
        match whole.parse::<i128>() {
            Err(_) => self.problem(key, format!("'{key}' cannot parse value as 'int': '{text}' is not a whole number")),
            Ok(number) => match u64::try_from(number) {
                Ok(number) if (min..=max).contains(&number) => return number,
                _ => self.problem(key, format!("'{key}' must be from {min} to {max}, got {number}")),
            },
        }
        min
    }

    /// `true` or `false`.
    pub(super) fn switch(&mut self, key: &'static str) -> bool {
        let text = self.text(key);
        parse_switch(&text).unwrap_or_else(|| {
            let problem = format!("'{key}' cannot parse value as 'bool': '{text}' is neither true nor false");
            self.problem(key, problem);
            false
        })
    }

    /// A list; a text is split at its commas.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<String> {
        if let Some(Written { value: Value::List(items), .. }) = self.raw.written.get(key) {
            return items.iter().filter(|item| !item.is_empty()).cloned().collect();
        }
        let text = self.text(key);
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }
}

fn list_value(items: Vec<Located<Node>>) -> Value {
    let text = |item: Located<Node>| match item.value {
        Node::Text(text) => Some(text),
        Node::Null => Some(String::new()),
        Node::List(_) | Node::Map(_) => None,
    };
    let texts: Option<Vec<_>> = items.into_iter().map(text).collect();
    texts.map_or(Value::Unfit("a list of lists or maps"), Value::List)
}

fn asks_for_something(node: &Node) -> bool {
    match node {
        Node::Null => false,
        Node::Text(text) => !text.is_empty() && parse_switch(text) != Some(false),
        Node::List(items) => items.iter().any(|item| asks_for_something(&item.value)),
        Node::Map(entries) => entries.iter().any(|(_, value)| asks_for_something(&value.value)),
    }
}

fn parse_switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Some(true),
        "false" | "f" | "0" => Some(false),
        _ => None,
    }
}

fn no_effect(key: &str) -> String {
    format!("'{key}' has no effect in this version")
}
