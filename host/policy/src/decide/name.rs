//! Names in requests that are not of the cluster, and the answer where a grant either covers one or does not.

use std::fmt;

use super::denial::{Decision, Denial};
use crate::address::{SHOWN_CHARS_MAX, shown};
use crate::grants::{Grants, Proposal};

/// A part of what is asked for is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}`: {reason}")]
pub struct NameError {
    shown: String,
    reason: &'static str,
}

pub(super) fn check(name: &str, check: Result<(), &'static str>) -> Result<(), NameError> {
    check.map_err(|reason| NameError { shown: shown(name, SHOWN_CHARS_MAX), reason })
}

pub(super) fn allowed<T>(granted: &[T], covers: impl Fn(&T) -> bool) -> Option<Decision> {
    granted.iter().position(covers).map(|grant| Decision::Allowed { grant })
}

pub(super) fn not_granted(grants: &Grants, request: &impl fmt::Display, proposal: Proposal) -> Decision {
    Decision::Denied(Denial::not_granted(grants, request.to_string(), Some(proposal)))
}
