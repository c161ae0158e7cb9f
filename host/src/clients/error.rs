//! Why a client can't be made, and why a request did not do what it was to.
//!
//! What a guest may learn of it, and what it means for an action, is decided elsewhere.

use std::time::Duration;

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
    /// The call as a whole has used up what it may, and gets no answer.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// All else.
    #[error("{0}")]
    Other(String),
}

/// The call as a whole must end: it has used up what the policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exhausted {
    /// Calls of capabilities.
    #[error("more than the {0} host calls that the policy allows")]
    HostCalls(u32),
    /// Requests that the host sent for it.
    #[error("more than the {0} requests that the policy allows")]
    Requests(u32),
    /// The host's work on what it said and got.
    #[error("more than the {} ms of computing that the policy allows", .0.as_millis())]
    Cpu(Duration),
    /// Its time.
    #[error("more than the {} ms that the policy allows", .0.as_millis())]
    Deadline(Duration),
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
