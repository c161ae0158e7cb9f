//! YAML as a tree in which every node knows where it was written.
//!
//! The one reader of rule files, policies and configuration. Built on the events of a YAML parser rather than on serde,
//! because findings need a position each, all of a file's findings are wanted at once, and a scalar keeps the text in
//! which it was written (`1.10` as a label is `1.10`). Knows nothing of what the files say.
//!
//! It is YAML 1.2 with its core schema, and so reads JSON. What it refuses: a key that is there twice, keys that are no
//! scalars, tags other than `!!str`, `!!map` and `!!seq`, and what is nested too deep or unfolds to too much.

mod quoted;
mod reader;
mod scalar;

use std::sync::Arc;

pub(crate) use quoted::is_special;
pub use quoted::quoted;
pub use reader::{document, documents};
pub use scalar::{Kind, Scalar};

use crate::Position;

/// One value and where it begins. That of an alias begins at the alias, and what lies in it where it was written.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub at: Position,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text, number, boolean or null.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order in which it was written; no key is there twice.
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The text of the key, whatever its kind.
    pub key: Arc<str>,
    /// Where the key begins.
    pub at: Position,
    /// Its value.
    pub value: Node,
}

/// Why a text can't be read, or not as it was meant, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct SyntaxError {
    /// Where.
    pub at: Position,
    /// What is wrong, in one line.
    pub message: String,
}

impl Node {
    fn null(at: Position) -> Node {
        Node { at, content: Content::Scalar(Scalar { text: Arc::from(""), kind: Kind::Null, inset: None }) }
    }

    /// Whether it is null, be it written or left out.
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.kind == Kind::Null)
    }

    /// The kind of the node in the words of a message.
    pub(crate) fn kind_name(&self) -> &'static str {
        match &self.content {
            Content::Map(_) => "map",
            Content::List(_) => "list",
            Content::Scalar(scalar) => scalar.kind.name(),
        }
    }

    /// The value of a key, where the node is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let Content::Map(entries) = &self.content else {
            return None;
        };
        entries.iter().find(|entry| &*entry.key == key).map(|entry| &entry.value)
    }
}
