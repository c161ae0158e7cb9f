//! A configuration file as a tree of texts that know where they stand: YAML, JSON or TOML.
//!
//! It knows no keys. Numbers and switches become text again, because each key decides for itself
//! what it reads: `"2803"` is as good a port as `2803`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use toml::de::{DeTable, DeValue};

/// One value.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Text(String),
    List(Vec<Located<Node>>),
    Map(Vec<(Located<String>, Located<Node>)>),
}

/// Something and where it begins.
#[derive(Debug, PartialEq)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: LineColumn,
}

/// Both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineColumn {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// Why a text is not in the format that its file name promises.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) message: String,
    pub(super) at: Option<LineColumn>,
}

/// Reads YAML, and JSON, which is YAML too.
pub(super) fn yaml(text: &str) -> Result<Node, SyntaxError> {
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().filter(|place| place.line() > 0);
        let at = place.map(|place| LineColumn { line: place.line(), column: place.column() });
        // The library shows the lines around the place, and a log line has room for one.
        let message = error.without_snippet().to_string();
        SyntaxError { message: message.lines().next().unwrap_or_default().to_owned(), at }
    })
}

/// Reads TOML.
pub(super) fn toml(text: &str) -> Result<Node, SyntaxError> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map(|span| line_column(text, &span));
        SyntaxError { message: error.message().to_owned(), at }
    })?;
    Ok(toml_table(text, table.get_ref()))
}

fn toml_table(text: &str, table: &DeTable<'_>) -> Node {
    let entry = |(key, value): (&toml::Spanned<Cow<'_, str>>, &toml::Spanned<_>)| {
        let key_at = line_column(text, &key.span());
        let key = Located { value: key.get_ref().to_string(), at: key_at };
        (key, toml_value(text, value))
    };
    Node::Map(table.iter().map(entry).collect())
}

fn toml_value(text: &str, value: &toml::Spanned<DeValue<'_>>) -> Located<Node> {
    let node = match value.get_ref() {
        DeValue::String(text) => Node::Text(text.to_string()),
        DeValue::Integer(number) => Node::Text(number.to_string()),
        DeValue::Float(number) => Node::Text(number.to_string()),
        DeValue::Boolean(switch) => Node::Text(switch.to_string()),
        DeValue::Datetime(time) => Node::Text(time.to_string()),
        DeValue::Array(items) => Node::List(items.iter().map(|item| toml_value(text, item)).collect()),
        DeValue::Table(table) => toml_table(text, table),
    };
    Located { value: node, at: line_column(text, &value.span()) }
}

fn line_column(text: &str, span: &Range<usize>) -> LineColumn {
    let before = &text[..text.floor_char_boundary(span.start)];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    LineColumn {
        line: 1 + before.matches('\n').count() as u64,
        column: 1 + before[line_start..].chars().count() as u64,
    }
}

impl<T> From<Spanned<T>> for Located<T> {
    fn from(spanned: Spanned<T>) -> Located<T> {
        let place = spanned.referenced;
        let at = LineColumn { line: place.line(), column: place.column() };
        Located { value: spanned.value, at }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Node>>()? {
            list.push(item.into());
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Spanned<Node>>()? {
            map.push((key.into(), value.into()));
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u64, column: u64) -> LineColumn {
        LineColumn { line, column }
    }

    /// `path = value @ line:column` for every text.
    fn flat(node: &Node, path: &str, at: LineColumn, out: &mut Vec<String>) {
        match node {
            Node::Null => out.push(format!("{path} = null")),
            Node::Text(text) => out.push(format!("{path} = {text} @ {}:{}", at.line, at.column)),
            Node::List(items) => items.iter().for_each(|item| flat(&item.value, path, item.at, out)),
            Node::Map(entries) => {
                for (key, value) in entries {
                    flat(&value.value, &format!("{path}/{}", key.value), value.at, out);
                }
            }
        }
    }

    #[track_caller]
    fn check(parsed: Result<Node, SyntaxError>, expected: &[&str]) {
        let mut found = Vec::new();
        flat(&parsed.unwrap(), "", at(0, 0), &mut found);
        assert_eq!(found, expected);
    }

    #[test]
    fn reads_yaml() {
        let text = "Listen_Port: 2803\nlist: [a, \"b\"]\nnested:\n  on: true\n  nothing:\n";
        check(
            yaml(text),
            &[
                "/Listen_Port = 2803 @ 1:14",
                "/list = a @ 2:8",
                "/list = b @ 2:11",
                "/nested/on = true @ 4:7",
                "/nested/nothing = null",
            ],
        );
        check(yaml(""), &[" = null"]);
        check(yaml("# only a comment\n"), &[" = null"]);
    }

    #[test]
    fn reads_json() {
        let text = "{\n\t\"listen_port\": 2803,\n\t\"otel\": {\"timeout\": \"10\"}\n}\n";
        check(yaml(text), &["/listen_port = 2803 @ 2:17", "/otel/timeout = 10 @ 3:22"]);
    }

    #[test]
    fn reads_toml() {
        let text = "listen_port = 2803\nrules_files = ['é', 'b']\n[otel]\ntimeout = 1.5\n";
        check(
            toml(text),
            &[
                "/listen_port = 2803 @ 1:15",
                "/otel/timeout = 1.5 @ 4:11",
                "/rules_files = é @ 2:16",
                "/rules_files = b @ 2:21",
            ],
        );
    }

    #[test]
    fn tells_where_the_syntax_is_wrong() {
        let error = toml("a = 1\nb = \n").unwrap_err();
        assert_eq!(error.at, Some(at(2, 5)));
        let error = yaml("a: 1\nb: [1\nc: 2\n").unwrap_err();
        assert!(error.at.is_some_and(|at| at.line >= 2), "{error:?}");
        assert!(!error.message.contains('\n'));
        let error = yaml("a: 1\na: 2\n").unwrap_err();
        assert_eq!(error.at.map(|at| at.line), Some(2), "{error:?}");
    }
}
