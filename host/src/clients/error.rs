//! Why a client can't be made, and why a request did not do what it was to.
//!
//! What a guest may learn of it, and what it means for an action, is decided elsewhere.

use std::time::Duration;

use crate::body::BodyError;

/// How long a cloud may take to say whether the credentials are good, which is asked once.
pub(super) const CREDENTIALS_WAIT_MAX: Duration = Duration::from_secs(20);

/// A client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The configuration lacks something, or names what is not there.
    #[error("{0}")]
    Configuration(String),
    /// The credentials were refused, or there are none.
    #[error("no credentials: {0}")]
    Credentials(String),
    /// Nobody answers.
    #[error("no credentials within {} s", CREDENTIALS_WAIT_MAX.as_secs())]
    Silence,
}

/// Why a request did not do what it was to. Its texts are fit for a guest: no addresses, no names of accounts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// There is no such object.
    #[error("not found")]
    NotFound,
    /// It is not as the request takes it to be.
    #[error("{0}")]
    Conflict(String),
    /// It makes no sense to whom it was sent.
    #[error("{0}")]
    Invalid(String),
    /// The answer is longer than what is held of one.
    #[error("it is longer than the policy's limit of {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The time ran out first, and nothing was carried out.
    #[error("the time ran out before it was carried out")]
    Timeout,
    /// It was sent, and nobody knows what became of it.
    #[error("it may or may not have been carried out: {0}")]
    Unknown(String),
    /// Nobody answers, or not now: nothing was carried out, and the same request may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// All else.
    #[error("{0}")]
    Other(String),
}

/// An error, and what the other side said, which is not for every guest.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// In words of the host's own.
    pub(crate) error: RequestError,
    /// In the other side's.
    pub(crate) said: Option<Said>,
}

/// The words of the other side. They can name the host's account, and quote what a guest may not read.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) words: String,
    /// Whether they are about the request and the object, and not about the host's account.
    pub(crate) is_about_the_object: bool,
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self { error, said: None }
    }
}

impl RequestError {
    /// Why an answer was not read to its end. What it means that its body is `broken` depends on the request.
    pub(crate) fn from_body<E>(error: BodyError<E>, broken: impl FnOnce(E) -> Self) -> Self {
        match error {
            BodyError::TooLarge { bytes_max } => Self::TooLarge { bytes_max: bytes_max as u64 },
            BodyError::Broken(error) => broken(error),
        }
    }
}
