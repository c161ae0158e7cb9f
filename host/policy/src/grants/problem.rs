//! What is wrong in a policy file, or odd in it.

use rules::Position;

/// What is wrong in a policy, and where; of a warning, what is odd.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct PolicyError {
    /// Where it stands.
    pub position: Position,
    /// What it is, and what would be right.
    pub message: String,
}
