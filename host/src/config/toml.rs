//! TOML as the tree that YAML is read into.
//!
//! It knows no keys. Numbers and switches become text, because each key decides for itself what it
//! reads: `"2803"` is as good a port as `2803`.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};
use rules::Position;
use rules::yaml::{Content, Entry, Node, Scalar, SyntaxError};

/// Reads a text, and what is wrong with it.
pub(super) fn document(file: &str, text: &str) -> (Option<Node>, Vec<SyntaxError>) {
    let text = Text { file: Arc::from(file), text };
    match DeTable::parse(text.text) {
        Ok(table) => (Some(Node { at: text.position(&(0..0)), content: text.table(table.get_ref()) }), Vec::new()),
        Err(error) => {
            let at = text.position(&error.span().unwrap_or_default());
            (None, vec![SyntaxError { at, message: error.message().to_owned() }])
        }
    }
}

struct Text<'a> {
    file: Arc<str>,
    text: &'a str,
}

impl Text<'_> {
    fn table(&self, table: &DeTable<'_>) -> Content {
        let entry = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<_>)| {
            let at = self.position(&key.span());
            Entry { key: Arc::from(&**key.get_ref()), at, value: self.value(value) }
        };
        Content::Map(table.iter().map(entry).collect())
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let text = |text: String| Content::Scalar(Scalar::of_text(text));
        let content = match value.get_ref() {
            DeValue::String(string) => text(string.to_string()),
            DeValue::Integer(number) => text(number.to_string()),
            DeValue::Float(number) => text(number.to_string()),
            DeValue::Boolean(switch) => text(switch.to_string()),
            DeValue::Datetime(time) => text(time.to_string()),
            DeValue::Array(items) => Content::List(items.iter().map(|item| self.value(item)).collect()),
            DeValue::Table(table) => self.table(table),
        };
        Node { at: self.position(&value.span()), content }
    }

    fn position(&self, span: &Range<usize>) -> Position {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let before = &self.text[..self.text.floor_char_boundary(span.start)];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Position {
            file: Arc::clone(&self.file),
            line: narrow(1 + before.matches('\n').count()),
            column: narrow(1 + before[line_start..].chars().count()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `path = value @ place` for every text.
    fn flat(node: &Node, path: &str, out: &mut Vec<String>) {
        match &node.content {
            Content::Scalar(scalar) => out.push(format!("{path} = {} @ {}", scalar.text, node.at)),
            Content::List(items) => items.iter().for_each(|item| flat(item, path, out)),
            Content::Map(entries) => {
                for Entry { key, value, .. } in entries {
                    flat(value, &format!("{path}/{key}"), out);
                }
            }
        }
    }

    #[test]
    fn values_know_their_places() {
        let text = "listen_port = 2803\nrules_files = ['é', 'b']\n[otel]\ntimeout = 1.5\n";
        let (node, errors) = document("c", text);
        assert_eq!(errors, []);
        let mut found = Vec::new();
        flat(&node.unwrap(), "", &mut found);
        assert_eq!(
            found,
            [
                "/listen_port = 2803 @ c:1:15",
                "/otel/timeout = 1.5 @ c:4:11",
                "/rules_files = é @ c:2:16",
                "/rules_files = b @ c:2:21",
            ]
        );
    }

    #[test]
    fn wrong_syntax_has_a_place() {
        let (_, errors) = document("c", "a = 1\nb = \n");
        assert_eq!(errors[0].at.to_string(), "c:2:5");
    }
}
