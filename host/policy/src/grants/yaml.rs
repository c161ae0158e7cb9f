//! Reads one file of the policy: the tree that it is, and every problem that it has.
//!
//! Reading the tree by hand, rather than into structs, is what lets every problem of a file be
//! reported at once, each with its place and the valid names. It knows no key of the policy.

use rules::Position;
use rules::yaml::{self, Content, Entry, Kind, Node};

use super::problem::PolicyError;

/// What it is, in a sentence that begins with "is" or "not".
fn kind(content: &Content) -> &'static str {
    match content {
        Content::Scalar(scalar) => match scalar.kind {
            Kind::Null => "nothing",
            Kind::Bool => "a truth value",
            Kind::Integer | Kind::Float => "a number",
            Kind::Text => "a text",
        },
        Content::List(_) => "a list",
        Content::Map(_) => "a mapping",
    }
}

/// Reads one file, and collects what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Reader {
    problems: Vec<PolicyError>,
    warnings: Vec<PolicyError>,
}

impl Reader {
    /// The document as a tree, where there is one; what is not YAML is noted.
    pub(super) fn document(&mut self, file: &str, text: &str) -> Option<Node> {
        let (document, errors) = yaml::document(file, text);
        for error in errors {
            self.problem(&error.at, format!("not valid YAML: {}", error.message));
        }
        document
    }

    pub(super) fn problem(&mut self, at: &Position, message: impl Into<String>) {
        self.problems.push(PolicyError { position: at.clone(), message: message.into() });
    }

    /// Note what is allowed, and should be seen by whoever wrote it.
    pub(super) fn warning(&mut self, at: &Position, message: impl Into<String>) {
        self.warnings.push(PolicyError { position: at.clone(), message: message.into() });
    }

    /// What was warned of so far.
    pub(super) fn take_warnings(&mut self) -> Vec<PolicyError> {
        std::mem::take(&mut self.warnings)
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

    pub(super) fn map(&mut self, node: Node, what: &str) -> Option<Vec<Entry>> {
        let hint = if node.is_null() { ": write {} to grant nothing, or leave the key out" } else { "" };
        match node.content {
            Content::Map(entries) => Some(entries),
            other => {
                self.problem(&node.at, format!("{what} must be a mapping, not {}{hint}", kind(&other)));
                None
            }
        }
    }

    /// A list with at least one item. An empty one is refused, since it is never clear
    /// whether none or all was meant.
    pub(super) fn list(&mut self, node: Node, key: &str) -> Vec<Node> {
        match node.content {
            Content::List(items) if !items.is_empty() => items,
            Content::List(_) => {
                self.problem(&node.at, format!("`{key}` is empty: name something, or leave it out"));
                Vec::new()
            }
            other => {
                self.problem(&node.at, format!("`{key}` must be a list in [ ], not {}", kind(&other)));
                Vec::new()
            }
        }
    }

    pub(super) fn text(&mut self, node: Node, key: &str) -> Option<(String, Position)> {
        let hint = match &node.content {
            Content::Scalar(scalar) if scalar.kind == Kind::Text => return Some(((*scalar.text).to_owned(), node.at)),
            Content::Scalar(scalar) if scalar.kind != Kind::Null => ": put it in quotes",
            Content::Scalar(_) | Content::List(_) | Content::Map(_) => "",
        };
        self.problem(&node.at, format!("`{key}` must be a text, not {}{hint}", kind(&node.content)));
        None
    }

    /// A text, or a number in decimal digits: what limits take.
    pub(super) fn scalar(&mut self, node: Node, key: &str) -> Option<(String, Position)> {
        if let Content::Scalar(scalar) = &node.content {
            let text = || (*scalar.text).to_owned();
            match scalar.kind {
                Kind::Text => return Some((text(), node.at)),
                Kind::Integer | Kind::Float => return Some((scalar.decimal().unwrap_or_else(text), node.at)),
                Kind::Null | Kind::Bool => {}
            }
        }
        self.problem(&node.at, format!("`{key}` must be a number or a text, not {}", kind(&node.content)));
        None
    }
}

/// Whether it is written out as true.
pub(super) fn is_true(node: &Node) -> bool {
    matches!(&node.content, Content::Scalar(scalar) if scalar.boolean() == Some(true))
}
