//! What can be wrong with parameters, and with a schema of them.

use std::fmt;

use super::engine::{DEPTH_MAX, PATTERN_BYTES_MAX, PATTERNS_MAX, SCHEMA_BYTES_MAX, SUBSCHEMAS_MAX};
use crate::Position;

/// A message quotes what was written, and that may be a whole script.
const MESSAGE_CHARS_MAX: usize = 300;

/// What is wrong with parameters.
pub(crate) struct ParameterError {
    pub(crate) message: String,
    /// Nothing where the parameter is not written at all.
    pub(crate) at: Option<Position>,
}

/// What is wrong at one place of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    /// JSON pointer of the place; empty for the whole schema.
    pub pointer: String,
    /// What is wrong with it, and what would be right.
    pub kind: SchemaErrorKind,
}

impl SchemaError {
    pub(super) fn new(pointer: impl Into<String>, kind: SchemaErrorKind) -> Self {
        Self { pointer: pointer.into(), kind }
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        self.kind.fmt(f)
    }
}

impl std::error::Error for SchemaError {}

/// The ways in which a schema can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaErrorKind {
    /// Its JSON is no object.
    #[error("a schema of parameters is a JSON object such as {{\"type\": \"object\"}}, not {found}")]
    NotASchema {
        /// What it is: `a text`, `a list`.
        found: &'static str,
    },
    /// It is one of something else than an object.
    #[error("parameters are an object, so \"type\" must be \"object\", not {found}")]
    NotOfObject {
        /// The type, as JSON.
        found: String,
    },
    /// `$schema` names none of the drafts that are read.
    #[error(
        "the draft {found} is not known; leave \"$schema\" out, or name draft 2020-12, 2019-09, 7, 6 or 4, as in \
         \"https://json-schema.org/draft/2020-12/schema\""
    )]
    UnknownDraft {
        /// What it names, as JSON.
        found: String,
    },
    /// A keyword's value is not what the draft wants.
    #[error("this is not JSON Schema: {0}")]
    Keyword(String),
    /// A `type` is none.
    #[error("{found} is not a type{hint}")]
    Type {
        /// What stands there, as JSON.
        found: String,
        /// Valid names.
        hint: String,
    },
    /// A pattern does not compile.
    #[error("the pattern {pattern:?} is not a regular expression{place}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Where it is wrong, and why.
        place: String,
    },
    /// A pattern compiles to too much.
    #[error("the pattern {pattern:?} takes more than {PATTERN_BYTES_MAX} bytes once compiled; repeat less")]
    PatternTooLarge {
        /// The pattern.
        pattern: String,
    },
    /// A `$ref` leads to nothing.
    #[error("there is no schema at {reference:?}{hint}")]
    DanglingReference {
        /// What is referred to.
        reference: String,
        /// How it was perhaps meant.
        hint: String,
    },
    /// A `$ref` leads out of the schema.
    #[error(
        "{reference:?} is not within this schema, and nothing is fetched; bring it under \"$defs\" and write \"#/$defs/…\""
    )]
    ForeignReference {
        /// What is referred to.
        reference: String,
    },
    /// A reference by other means than a pointer.
    #[error("{keyword:?} is not read; refer by \"$ref\": \"#/$defs/…\"")]
    UnknownReference {
        /// `$dynamicRef`, or an `$id` below the root, which would change where a `$ref` leads.
        keyword: String,
    },
    /// A default that its own schema does not allow.
    #[error("the default {default} is not valid by its own schema: {reason}")]
    Default {
        /// The default, as JSON.
        default: String,
        /// What its schema says.
        reason: String,
    },
    /// It is larger than what is looked at.
    #[error("{0}")]
    TooLarge(TooLarge),
}

/// Which limit a schema is beyond.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// Its text.
    #[error("the schema has more than {SCHEMA_BYTES_MAX} bytes")]
    Bytes,
    /// Its nesting.
    #[error("the schema is nested more than {DEPTH_MAX} deep")]
    Depth,
    /// Schemas within it.
    #[error("the schema consists of more than {SUBSCHEMAS_MAX} schemas")]
    Subschemas,
    /// Patterns within it.
    #[error("the schema has more than {PATTERNS_MAX} patterns")]
    Patterns,
    /// What a check costs.
    #[error("{0}")]
    Work(String),
}

/// What is quoted in a message.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}
