//! What can be wrong with parameters.

use crate::Position;

/// What is wrong with parameters.
pub(crate) struct ParameterError {
    pub(crate) message: String,
    /// Nothing where the parameter is not written at all.
    pub(crate) at: Option<Position>,
}
