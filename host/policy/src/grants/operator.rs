//! An operator's file as it was written: what the policy makes of it is not known here.

use rules::{ActionnerName, Position};

use super::granted::Granted;
use super::limits::NamedLimits;
use super::pattern::Pattern;

/// An operator's file, read and checked.
#[derive(Debug, Clone, Default)]
pub struct OperatorPolicy {
    pub(super) protected_namespaces: Option<Vec<Pattern>>,
    pub(super) limits: NamedLimits,
    pub(super) entries: Vec<EntryAsWritten>,
}

#[derive(Debug, Clone)]
pub(super) struct EntryAsWritten {
    pub(super) position: Position,
    pub(super) name: ActionnerName,
    pub(super) body: Body,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Granted { digest: Option<String>, granted: Box<Granted>, limits: NamedLimits },
    Forbidden,
}

impl Default for Body {
    fn default() -> Self {
        Body::Granted { digest: None, granted: Box::default(), limits: NamedLimits::default() }
    }
}
