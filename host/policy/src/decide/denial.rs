//! The answer to a request: by which grant it is allowed, or why it is denied and what the operator would have to
//! write to allow it.

#[cfg(test)]
mod tests;

use std::fmt;

use super::field::{Outside, TouchedField};
use super::kubernetes::{Known, KubernetesRequest, Mismatch, try_grant};
use super::proposal::least_grant;
use super::targets::Targets;
use crate::address::{AddressError, Place};
use crate::grants::{FieldGrant, Grants, KubernetesGrant, Pattern, Proposal, Scope, Verb};

/// How many names or fields a sentence lists.
const LISTED_MAX: usize = 6;

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be done.
    Allowed {
        /// The grant that allows it, as an index into the list that speaks of such requests.
        grant: usize,
    },
    /// It may not be done.
    Denied(Denial),
}

/// A refusal: who asked for what, what is allowed, and the line that would allow it.
///
/// Its text is fit for a log, and says nothing about whether the target exists; what the guest hears of it is
/// [`Self::for_guest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Who asked.
    pub actionner: String,
    /// What for, as `patch pods shop/web-0`; every part escaped.
    pub request: String,
    /// Why not.
    pub reason: DenialReason,
    /// The narrowest line that would allow it, and what else that allows; none where no line could.
    pub proposal: Option<Proposal>,
}

/// Why a request was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DenialReason {
    /// A part of its address is malformed.
    Address(AddressError),
    /// It would write in this protected namespace, or to it.
    Protected(String),
    /// No grant speaks of such a request.
    Ungranted,
    /// It leads to where no grant reaches.
    Place(Place),
    /// No grant speaks of the resource.
    Resource,
    /// Only these verbs are granted for the resource.
    Verb(Vec<Verb>),
    /// The object is not one of the event's; the grants reach only these.
    Scope(Vec<String>),
    /// The grants hold in these namespaces.
    Namespace(Vec<String>),
    /// The grants hold for these names.
    Name(Vec<String>),
    /// The request touches fields that the nearest grant does not name, or leaves other values there.
    Fields {
        /// What it names.
        allowed: Vec<FieldGrant>,
        /// What else is touched: as a path, or with its value where that is what matters.
        outside: Vec<String>,
        /// What must be known beside that.
        note: Option<FieldsNote>,
    },
}

/// Why a grant of what a field lies in is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldsNote {
    /// It gives power over a node or an account.
    Power,
    /// Nobody knows what would be there.
    Unknown,
}

impl DenialReason {
    /// What the grants that came nearest lack.
    pub(super) fn no_grant(
        mismatch: Mismatch,
        grants: &Grants,
        known: Known<'_>,
        request: &KubernetesRequest<'_>,
    ) -> Self {
        let nearest: Vec<&KubernetesGrant> = grants
            .granted
            .kubernetes
            .iter()
            .filter(|grant| try_grant(grants, grant, known, request) == Err(mismatch))
            .collect();
        let texts = |patterns: fn(&KubernetesGrant) -> &[Pattern]| {
            let patterns = nearest.iter().flat_map(|grant| patterns(grant));
            patterns.map(ToString::to_string).collect()
        };
        match mismatch {
            Mismatch::Resource => DenialReason::Resource,
            Mismatch::Verb => {
                let mut verbs: Vec<Verb> = nearest.iter().flat_map(|grant| grant.verbs.iter().copied()).collect();
                verbs.sort_unstable();
                verbs.dedup();
                DenialReason::Verb(verbs)
            }
            Mismatch::Scope => {
                let widest = nearest.iter().map(|grant| grant.scope).max();
                DenialReason::Scope(reach(widest.unwrap_or_default(), &known.facts.targets))
            }
            Mismatch::Namespace => DenialReason::Namespace(texts(|grant| &grant.namespaces)),
            Mismatch::Name => DenialReason::Name(texts(|grant| &grant.names)),
            Mismatch::Fields => fields(&nearest, request.fields),
        }
    }
}

/// What the grant that allows the most of these fields lacks.
fn fields(nearest: &[&KubernetesGrant], touched: &[TouchedField]) -> DenialReason {
    let outside = |grant: &KubernetesGrant| -> Vec<(&TouchedField, Outside)> {
        touched.iter().filter_map(|it| it.try_grants(&grant.fields).err().map(|outside| (it, outside))).collect()
    };
    let fewest = nearest.iter().min_by_key(|grant| outside(grant).len());
    let outside = fewest.map(|grant| outside(grant)).unwrap_or_default();
    let has = |why| outside.iter().any(|(_, outside)| *outside == why);
    DenialReason::Fields {
        allowed: fewest.map(|grant| grant.fields.clone()).unwrap_or_default(),
        note: match (has(Outside::Unknown), has(Outside::Power)) {
            (true, _) => Some(FieldsNote::Unknown),
            (false, true) => Some(FieldsNote::Power),
            (false, false) => None,
        },
        outside: outside
            .into_iter()
            .map(|(touched, outside)| match outside {
                Outside::Value | Outside::Power => touched.to_string(),
                // Values can be secrets, and what is denied goes into logs.
                Outside::Path | Outside::Unknown => touched.path.to_string(),
            })
            .collect(),
    }
}

/// The objects and namespaces that a scope reaches for an event.
fn reach(scope: Scope, targets: &Targets) -> Vec<String> {
    let mut reach: Vec<String> = targets.iter().map(ToString::to_string).collect();
    match scope {
        Scope::EventNamespace => reach.extend(targets.namespaces().map(|name| format!("anything in {name}"))),
        Scope::EventNode => reach.push("the pods of the event's node, once they were listed".to_owned()),
        Scope::HostNamespace => return vec!["the namespace that the host runs in".to_owned()],
        Scope::EventTarget | Scope::Any => {}
    }
    reach
}

impl Denial {
    pub(super) fn new(
        grants: &Grants,
        known: Known<'_>,
        request: &KubernetesRequest<'_>,
        reason: DenialReason,
    ) -> Self {
        let line = match reason {
            DenialReason::Address(_)
            | DenialReason::Protected(_)
            | DenialReason::Ungranted
            | DenialReason::Place(_) => None,
            DenialReason::Resource
            | DenialReason::Verb(_)
            | DenialReason::Scope(_)
            | DenialReason::Namespace(_)
            | DenialReason::Name(_)
            | DenialReason::Fields { .. } => least_grant(grants, known, request),
        };
        Denial {
            actionner: grants.actionner.clone(),
            request: request.to_string(),
            reason,
            proposal: line.map(|grant| Proposal::kubernetes(&grant)),
        }
    }

    /// The refusal of a request that no grant speaks of.
    pub(super) fn not_granted(grants: &Grants, request: String, proposal: Option<Proposal>) -> Self {
        Denial { actionner: grants.actionner.clone(), request, reason: DenialReason::Ungranted, proposal }
    }
}

/// "`a`, `b` and 3 more"; "nothing" where there is none.
fn listed(items: &[impl fmt::Display]) -> String {
    if items.is_empty() {
        return "nothing".to_owned();
    }
    let few: Vec<String> = items.iter().take(LISTED_MAX).map(|item| format!("`{item}`")).collect();
    let few = few.join(", ");
    match items.len().saturating_sub(LISTED_MAX) {
        0 => few,
        more => format!("{few} and {more} more"),
    }
}

impl fmt::Display for DenialReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DenialReason::Address(error) => write!(formatter, "{error}"),
            DenialReason::Protected(namespace) => write!(
                formatter,
                "the namespace `{namespace}` is protected (`protected.namespaces`), and no grant allows a write there"
            ),
            DenialReason::Ungranted => formatter.write_str("it has no grant for this"),
            DenialReason::Place(place) => write!(formatter, "it leads to {place}, which no grant can allow"),
            DenialReason::Resource => formatter.write_str("it has no grant for this resource"),
            DenialReason::Verb(verbs) => {
                write!(formatter, "of this resource it is granted only {}", listed(verbs))
            }
            DenialReason::Scope(reach) => write!(
                formatter,
                "its grants reach only what the event names, and what that names once it was read: {}",
                listed(reach)
            ),
            DenialReason::Namespace(allowed) => {
                write!(formatter, "its grants hold only in the namespaces {}", listed(allowed))
            }
            DenialReason::Name(allowed) => {
                write!(formatter, "its grants hold only for the names {}", listed(allowed))
            }
            DenialReason::Fields { allowed, outside, note } => {
                let (allowed, outside) = (listed(allowed), listed(outside));
                write!(formatter, "its grants allow the fields {allowed}, and it touches {outside}")?;
                formatter.write_str(match note {
                    Some(FieldsNote::Power) => {
                        ": what gives power over a node or an account is granted only where it is written out"
                    }
                    Some(FieldsNote::Unknown) => ": what `copy` and `move` leave can't be known",
                    None => "",
                })
            }
        }
    }
}

impl Denial {
    /// What the actionner itself hears. All that it knows of a bucket is its label, so that the line, which says where
    /// that is, is for the log alone.
    pub fn for_guest(&self) -> String {
        let is_secret = self.proposal.as_ref().is_some_and(|proposal| proposal.key == "objects");
        if is_secret { Denial { proposal: None, ..self.clone() }.to_string() } else { self.to_string() }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Denial { actionner, request, reason, proposal } = self;
        write!(formatter, "`{actionner}` may not {request}: {reason}")?;
        let Some(proposal) = proposal else { return Ok(()) };
        formatter.write_str("; to allow it, add ")?;
        if proposal.is_of_a_list() {
            write!(formatter, "under `{}:` of ", proposal.key)?;
        } else {
            formatter.write_str("to ")?;
        }
        write!(formatter, "`{actionner}` in the policy:\n{proposal}")
    }
}
