//! The configuration as it is written: each known key with its text and where that came from.
//!
//! It reports unknown keys, and reads numbers and switches, but doesn't know what they are for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use policy::{HeaderSource, Secret};
use rules::Position;
use rules::nearest;
use rules::quantity::{self, duration_text, size_text};
use rules::yaml::{Content, Entry, Node, Scalar};

use super::keys::{self, Asks, KEYS, Key, Kind};
use super::sources;

/// What was written, by key. It can't be printed, since some of it is secret.
#[derive(Default)]
pub(super) struct RawConfig {
    written: BTreeMap<&'static str, Written>,
    /// Keys that the file has without a value.
    placeholders: BTreeSet<&'static str>,
    warnings: Vec<Warning>,
}

struct Written {
    value: Value,
    origin: Origin,
}

enum Value {
    Text(String),
    Secret(Secret),
    Source(HeaderSource),
    Headers(Vec<(String, HeaderSource)>),
    List(Vec<String>),
    /// Something that no key can hold, in words.
    Unfit(&'static str),
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration file.
    File(Position),
    /// In this environment variable.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(position) => position.fmt(f),
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
    pub(super) fn add_file(&mut self, root: Node) {
        let at = root.at.clone();
        self.add_node("", &at, root);
    }

    /// Gathers what the environment overrides. Empty variables count as absent.
    pub(super) fn add_environment(&mut self, environment: impl Fn(&str) -> Option<String>) {
        for key in KEYS {
            let in_file = self.written.contains_key(key.name) || self.placeholders.contains(key.name);
            let is_others = key.is_shared_name() && !in_file;
            if is_others || matches!(key.kind, Kind::Inert(Asks::WhenSet)) {
                continue;
            }
            let name = key.environment();
            if let Some(text) = environment(&name).filter(|text| !text.is_empty()) {
                self.add_value(key, Value::of(key, text), Origin::Environment(name));
            }
        }
    }

    fn add_node(&mut self, path: &str, key_at: &Position, node: Node) {
        if let Some(key) = keys::find(path) {
            if node.is_null() {
                // An empty entry is a placeholder, not a value.
                self.placeholders.insert(key.name);
                return;
            }
            let value = match node.content {
                _ if key.kind == Kind::Source => sources::source(&node).map_or_else(Value::Unfit, Value::Source),
                _ if key.kind == Kind::Headers => sources::headers(&node).map_or_else(Value::Unfit, Value::Headers),
                Content::Scalar(scalar) => Value::of(key, text_for(key, &scalar)),
                Content::List(items) => list_value(&items),
                Content::Map(_) => Value::Unfit("a map"),
            };
            return self.add_value(key, value, Origin::File(node.at));
        }
        let is_group = path.is_empty() || keys::is_group(path);
        let is_null = node.is_null();
        match node.content {
            Content::Map(entries) if is_group => {
                for Entry { key, at, value } in entries {
                    let name = key.to_lowercase();
                    let below = if path.is_empty() { name } else { format!("{path}.{name}") };
                    self.add_node(&below, &at, value);
                }
            }
            _ if is_group && is_null => {}
            _ if is_group => {
                let what = if path.is_empty() { "the file" } else { path };
                self.warn(Origin::File(node.at), format!("ignored: '{what}' must hold keys"));
            }
            _ => {
                self.warn(Origin::File(key_at.clone()), unknown_key(path));
            }
        }
    }

    fn add_value(&mut self, key: &'static Key, value: Value, origin: Origin) {
        if let Kind::Inert(asks) = key.kind {
            let asked = match (asks, &value) {
                (Asks::WhenTrue, Value::Text(text)) => parse_switch(text) == Some(true),
                (Asks::WhenSet, Value::Text(text)) => !text.is_empty(),
                (Asks::WhenTrue | Asks::WhenSet, _) => true,
            };
            if asked {
                self.warn(origin, no_effect(key.name));
            }
            return;
        }
        let in_file = matches!(origin, Origin::File(_));
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

    /// Whether a key has a value that is not its default.
    pub(super) fn is_written(&self, key: &'static str) -> bool {
        self.raw.written.contains_key(key)
    }

    /// The same for what no key holds.
    pub(super) fn problem_in(&mut self, origin: Origin, message: String) {
        self.problems.push(Problem { origin: Some(origin), message });
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
            Some(Value::Secret(_) | Value::Source(_)) => "a secret",
            Some(Value::Headers(_)) => "a map",
            Some(Value::List(_)) => "a list",
            Some(Value::Unfit(what)) => what,
        };
        self.problem(key, format!("'{key}' expected type 'string', got {unfit}"));
        default()
    }

    /// The secret of a key, empty where there is none.
    pub(super) fn secret(&mut self, key: &'static str) -> Secret {
        match self.raw.written.get(key).map(|written| &written.value) {
            Some(Value::Secret(secret)) => secret.clone(),
            _ => Secret::new(self.text(key)),
        }
    }

    /// The secret of a key, or where it is; nothing where there is none.
    pub(super) fn source(&mut self, key: &'static str) -> Option<HeaderSource> {
        match self.raw.written.get(key).map(|written| &written.value) {
            Some(Value::Source(HeaderSource::Text(text))) if text.is_empty() => None,
            Some(Value::Source(source)) => Some(source.clone()),
            _ => Some(self.text(key)).filter(|text| !text.is_empty()).map(|text| HeaderSource::Text(Secret::new(text))),
        }
    }

    /// The headers of a key.
    pub(super) fn headers(&mut self, key: &'static str) -> Vec<(String, HeaderSource)> {
        match self.raw.written.get(key).map(|written| &written.value) {
            Some(Value::Headers(headers)) => headers.clone(),
            None => Vec::new(),
            Some(Value::Unfit(what)) => {
                self.problem(key, format!("'{key}' expected a map of names and values, got {what}"));
                Vec::new()
            }
            Some(_) => Vec::new(),
        }
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

    /// A time within the bounds of its key.
    pub(super) fn duration(&mut self, key: &'static str) -> Duration {
        let text = self.text(key);
        let Some(Kind::Duration { min, max }) = keys::find(key).map(|key| key.kind) else {
            return Duration::ZERO;
        };
        quantity::duration(text.trim()).filter(|time| (min..=max).contains(time)).unwrap_or_else(|| {
            let (least, most) = (duration_text(min), duration_text(max));
            self.problem(
                key,
                format!("'{key}' must be a time from {least} to {most}, such as 30s or 10m, got '{text}'"),
            );
            min
        })
    }

    /// A size in bytes within the bounds of its key.
    pub(super) fn size(&mut self, key: &'static str) -> u64 {
        let text = self.text(key);
        let Some(Kind::Size { min, max }) = keys::find(key).map(|key| key.kind) else {
            return 0;
        };
        quantity::size(text.trim()).filter(|size| (min..=max).contains(size)).unwrap_or_else(|| {
            let (least, most) = (size_text(min), size_text(max));
            self.problem(key, format!("'{key}' must be a size from {least} to {most}, such as 64Mi, got '{text}'"));
            min
        })
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

/// One that is like no key, and stands where a secret does, can be a part of that.
fn unknown_key(path: &str) -> String {
    let hint = nearest::suggestion(path, keys::paths());
    if hint.is_empty() && keys::is_beside_secret(path) {
        return "an unknown key is ignored; a text that holds a comma or a colon stands in quotes".to_owned();
    }
    format!("unknown key '{path}' is ignored{hint}")
}

impl Value {
    fn of(key: &Key, text: String) -> Value {
        match key.kind {
            Kind::Secret => Value::Secret(Secret::new(text)),
            Kind::Source => Value::Source(HeaderSource::Text(Secret::new(text))),
            Kind::Headers => sources::headers_of_text(&text).map_or_else(Value::Unfit, Value::Headers),
            _ => Value::Text(text),
        }
    }
}

/// As it is written; a number that a number is asked for, in the digits that it stands for.
fn text_for(key: &Key, scalar: &Scalar) -> String {
    let number = match key.kind {
        Kind::Integer { .. } | Kind::Duration { .. } | Kind::Size { .. } | Kind::Switch => scalar.decimal(),
        Kind::Text | Kind::Secret | Kind::Source | Kind::Headers | Kind::List | Kind::Inert(_) => None,
    };
    number.unwrap_or_else(|| (*scalar.text).to_owned())
}

fn list_value(items: &[Node]) -> Value {
    let text = |item: &Node| match &item.content {
        _ if item.is_null() => Some(String::new()),
        Content::Scalar(scalar) => Some((*scalar.text).to_owned()),
        Content::List(_) | Content::Map(_) => None,
    };
    let texts: Option<Vec<_>> = items.iter().map(text).collect();
    texts.map_or(Value::Unfit("a list of lists or maps"), Value::List)
}

/// In all the words that YAML knows or once knew, since only a switch takes them for one.
fn parse_switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "y" | "on" => Some(true),
        "false" | "f" | "0" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

fn no_effect(key: &str) -> String {
    format!("'{key}' has no effect in this version")
}
