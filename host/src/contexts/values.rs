//! What was found of a context, or why nothing was.

use std::collections::BTreeMap;

use crate::clients::{Refusal, RequestError, Said};

/// What was found, by the names that actionners and functions know it under.
pub(crate) type Values = BTreeMap<&'static str, String>;

/// Why there is nothing to hand on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContextError {
    /// For now: it may be there later.
    #[error("{0}")]
    Unavailable(String),
    /// It will not be there later either.
    #[error("{0}")]
    Missing(String),
}

impl ContextError {
    /// Whether it may be there later.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Why `what` can't be read; the other side's words are the host's to know.
    pub(super) fn of(what: &str, Refusal { error, said }: Refusal) -> Self {
        let is_temporary = matches!(error, RequestError::Unavailable(_) | RequestError::Timeout);
        let said = said.map(|Said { words, .. }| format!(": {words}")).unwrap_or_default();
        let text = format!("{what} can't be read: {error}{said}");
        if is_temporary { Self::Unavailable(text) } else { Self::Missing(text) }
    }
}
