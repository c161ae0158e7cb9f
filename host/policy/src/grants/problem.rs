//! What is wrong in a policy file.

use rules::Position;

/// What is wrong in a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct PolicyError {
    /// Where it stands.
    pub position: Position,
    /// What is wrong, and what would be right.
    pub message: String,
}
