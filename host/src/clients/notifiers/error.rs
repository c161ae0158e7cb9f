//! Why a notice was not sent.

use std::time::Duration;

/// A notice has not arrived, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    /// Why, without secrets.
    pub message: String,
    /// Whether it may arrive when it is sent again.
    pub is_temporary: bool,
    /// After which time it should be sent again at the earliest, where the service says so.
    pub retry_after: Option<Duration>,
}

impl SendError {
    /// It would not arrive another time either.
    pub(super) fn lasting(message: impl ToString) -> Self {
        Self { message: message.to_string(), is_temporary: false, retry_after: None }
    }

    /// It may arrive another time.
    pub(super) fn temporary(message: impl ToString) -> Self {
        Self { message: message.to_string(), is_temporary: true, retry_after: None }
    }

    /// The time was over.
    pub(super) fn late(after: Duration) -> Self {
        Self::temporary(format!("no answer came within {} s", after.as_secs()))
    }
}
