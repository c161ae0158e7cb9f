//! An operator's file as it was written: what the policy makes of it is not known here.

use rules::{ActionnerName, Position};

use super::granted::Granted;
use super::limits::NamedLimits;
use super::pattern::Pattern;
use super::problem::PolicyError;

/// An operator's file, read and checked.
#[derive(Debug, Clone, Default)]
pub struct OperatorPolicy {
    /// Beside what is protected by default.
    pub(super) protected_namespaces: Vec<Pattern>,
    /// What is protected by default and should not be, and where that stands.
    pub(super) unprotected_namespaces: Vec<(Pattern, Position)>,
    pub(super) limits: NamedLimits,
    pub(super) entries: Vec<EntryAsWritten>,
    /// What is allowed in it, and should be seen.
    pub(super) warnings: Vec<PolicyError>,
}

#[derive(Debug, Clone)]
pub(super) struct EntryAsWritten {
    pub(super) position: Position,
    pub(super) name: ActionnerName,
    pub(super) body: Body,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Granted(Box<GrantedBody>),
    Forbidden,
}

#[derive(Debug, Clone, Default)]
pub(super) struct GrantedBody {
    /// Where it says that it adds to the bundled entry.
    pub(super) extends_bundled: Option<Position>,
    pub(super) digest: Option<String>,
    pub(super) granted: Granted,
    pub(super) denies_ungranted: bool,
    pub(super) limits: NamedLimits,
}

impl Default for Body {
    fn default() -> Self {
        Body::Granted(Box::default())
    }
}

impl GrantedBody {
    /// The bundled entry, and what this one adds to it; of limits and digests, this one's count.
    pub(super) fn over(self, bundled: &GrantedBody) -> GrantedBody {
        GrantedBody {
            extends_bundled: None,
            digest: self.digest.or_else(|| bundled.digest.clone()),
            granted: bundled.granted.clone().with(self.granted),
            denies_ungranted: self.denies_ungranted || bundled.denies_ungranted,
            limits: self.limits.or(&bundled.limits),
        }
    }
}
