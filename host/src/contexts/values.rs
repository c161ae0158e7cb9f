//! What was found of a context, or why nothing was.

use std::collections::BTreeMap;

use crate::clients::{Refusal, RequestError, Said};

/// What was found, by the names that actionners and functions know it under.
pub(crate) type Values = BTreeMap<&'static str, String>;

/// Why there is nothing to hand on, in words of the host's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct ContextError {
    text: String,
    /// The other side's words, which can name the host's account: for the log.
    said: Option<String>,
    is_temporary: bool,
}

impl ContextError {
    /// There is nothing, and there will be nothing later.
    pub(super) fn missing(text: impl Into<String>) -> Self {
        Self { text: text.into(), said: None, is_temporary: false }
    }

    /// Why `what` can't be read.
    pub(super) fn of(what: &str, Refusal { error, said }: Refusal) -> Self {
        Self {
            text: format!("{what} can't be read: {error}"),
            said: said.map(|Said { words, .. }| words).filter(|_| !matches!(error, RequestError::NotFound)),
            is_temporary: matches!(error, RequestError::Unavailable(_) | RequestError::Timeout),
        }
    }

    /// Whether it may be there later.
    pub(crate) fn is_temporary(&self) -> bool {
        self.is_temporary
    }

    /// The same with the other side's words, for the log alone.
    pub(crate) fn in_full(&self) -> String {
        self.said.as_ref().map_or_else(|| self.text.clone(), |said| format!("{}: {said}", self.text))
    }
}
