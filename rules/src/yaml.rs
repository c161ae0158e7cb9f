//! YAML as a tree in which every node knows where it was written.
//!
//! Built on the events of a YAML parser rather than on serde, because findings need a position each,
//! all of a file's findings are wanted at once, and a parameter keeps the text in which it was
//! written (`1.10` as a label is `1.10`). Knows nothing of rules.

mod reader;
mod scalar;

use std::sync::Arc;

pub(crate) use reader::{read, wrong_syntax};
pub(crate) use scalar::{Kind, Scalar};

use crate::Position;

/// One value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) at: Position,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn is_null(&self) -> bool {
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
