//! Rule files as the caller read them, and places in files.

use std::fmt;
use std::sync::Arc;

/// One rule file, read by the caller.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the user wrote it; messages name it.
    pub path: String,
    /// What is in the file.
    pub text: String,
}

/// A place in a file that people write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The path of the file.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
