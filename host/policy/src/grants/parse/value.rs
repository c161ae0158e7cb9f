//! What the values of all kinds of grants are read with.

use rules::Position;
use rules::nearest::valid_names;
use rules::yaml::{Content, Kind, Node};

use super::super::pattern::Pattern;
use super::super::yaml::Reader;
use crate::address::{NAMESPACE_BYTES_MAX, SHOWN_CHARS_MAX, shown};

pub(super) fn unknown_key(reader: &mut Reader, key: &str, at: &Position, valid: &[&str]) {
    let name = shown(key, SHOWN_CHARS_MAX);
    reader.problem(at, format!("`{name}` is not a key here{}", valid_names(key, valid)));
}

/// One of a closed set of words.
pub(super) fn word<T: Copy>(
    reader: &mut Reader,
    node: Node,
    key: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Option<T> {
    let (text, place) = reader.text(node, key)?;
    let found = all.iter().copied().find(|it| name(*it) == text);
    if found.is_none() {
        let names: Vec<&str> = all.iter().map(|it| name(*it)).collect();
        let valid = valid_names(&text, &names);
        let text = shown(&text, SHOWN_CHARS_MAX);
        reader.problem(&place, format!("`{text}` is not one of `{key}`{valid}"));
    }
    found
}

pub(super) fn words<T: Copy>(
    reader: &mut Reader,
    node: Node,
    key: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Vec<T> {
    let items = reader.list(node, key);
    items.into_iter().filter_map(|item| word(reader, item, key, all, name)).collect()
}

/// A text that `check` finds nothing wrong with.
pub(super) fn checked(
    reader: &mut Reader,
    node: Node,
    key: &str,
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> Option<String> {
    let (text, place) = reader.text(node, key)?;
    match check(&text) {
        Ok(()) => Some(text),
        Err(reason) => {
            reader.problem(&place, format!("`{key}`: `{}`: {reason}", shown(&text, SHOWN_CHARS_MAX)));
            None
        }
    }
}

pub(super) fn missing(reader: &mut Reader, place: &Position, keys: &[(&str, bool)]) {
    for (key, _) in keys.iter().filter(|(_, is_missing)| *is_missing) {
        reader.problem(place, format!("`{key}` is missing: a grant names what it allows"));
    }
}

pub(super) fn namespaces(reader: &mut Reader, node: Node) -> Vec<Pattern> {
    let place = node.at.clone();
    let patterns: Vec<Pattern> = items(reader, node, "namespaces");
    for pattern in &patterns {
        let text = pattern.to_string();
        // A namespace has no dot in its name, so that such a pattern would match none.
        if text.contains('.') || text.len() > NAMESPACE_BYTES_MAX {
            reader.problem(&place, format!("`{text}` can't be the name of a namespace"));
        }
    }
    patterns
}

/// A switch that has one word, and what to do instead of writing another.
pub(super) fn one_word(reader: &mut Reader, node: &Node, key: &str, only: &str, instead: &str) -> bool {
    let is_it = matches!(&node.content, Content::Scalar(it) if it.kind == Kind::Text && &*it.text == only);
    if !is_it {
        reader.problem(&node.at, format!("`{key}` can only be `{only}`: {instead}"));
    }
    is_it
}

pub(super) fn items<T: std::str::FromStr<Err = String>>(reader: &mut Reader, node: Node, key: &str) -> Vec<T> {
    placed(reader, node, key).into_iter().map(|(item, _)| item).collect()
}

/// Items, each with its place.
pub(super) fn placed<T: std::str::FromStr<Err = String>>(
    reader: &mut Reader,
    node: Node,
    key: &str,
) -> Vec<(T, Position)> {
    let mut parsed = Vec::new();
    for item in reader.list(node, key) {
        let Some((text, place)) = reader.text(item, key) else {
            continue;
        };
        match text.parse() {
            Ok(item) => parsed.push((item, place)),
            Err(message) => reader.problem(&place, message),
        }
    }
    parsed
}
