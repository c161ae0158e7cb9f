//! Why a capability did not do what it was asked.

use policy::Denial;

use crate::clients::{Exhausted, RequestError};

/// Why a capability did not do what it was asked; the closed WIT variant is made of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CapabilityError {
    /// The policy does not allow it, for these reasons.
    #[error("{}", .0.iter().map(Denial::to_string).collect::<Vec<_>>().join("\n"))]
    Denied(Vec<Denial>),
    /// It was tried, and did not succeed.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// The call as a whole must end, and the guest gets no answer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum Stop {
    /// It has used up what the policy allows.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// It is run anew, after another that changes the same object. The call knows which.
    #[error("another action changes the same object")]
    Busy,
}
