//! What came of the actionner of an action, and whether it is worth another attempt.

use outputs::Artifact;
use policy::ObjectId;

use super::ended::Status;
use crate::actionner::{CallError, Failure, FailureKind, Outcome, Report};

/// What came of the actionner of an action, its attempts taken together.
pub(super) struct Answer {
    pub(super) status: Status,
    pub(super) message: String,
    pub(super) objects: Vec<(String, String)>,
    /// What it has found out, as it has written it.
    pub(super) details: Option<String>,
    pub(super) artifacts: Vec<Artifact>,
    /// The uid of the pod, where it was found.
    pub(super) uid: Option<String>,
}

/// Why one attempt at an action did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttemptError {
    /// The actionner says so.
    #[error("{}", .0.message)]
    Failed(Failure),
    /// The actionner says so, and the policy has denied something that it asked for.
    #[error("{}", .0.message)]
    Denied(Failure),
    /// The actionner itself failed.
    #[error(transparent)]
    Broken(#[from] CallError),
}

impl AttemptError {
    /// What the host says in place of the actionner.
    pub(super) fn failed(message: String) -> Self {
        Self::Failed(Failure { kind: FailureKind::Other, message, objects: Vec::new(), details: None })
    }

    /// What was not carried out may be tried again; what may have been, only where twice does no more than once.
    pub(super) fn may_be_tried_again(&self, repeatable: bool) -> bool {
        match self {
            Self::Failed(Failure { kind, .. }) | Self::Denied(Failure { kind, .. }) => match kind {
                FailureKind::Unavailable => true,
                FailureKind::Unknown => repeatable,
                FailureKind::Rejected | FailureKind::Other => false,
            },
            Self::Broken(_) => false,
        }
    }

    /// Whether it may have been carried out.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Failed(Failure { kind: FailureKind::Unknown, .. }))
    }
}

/// The end of an action on what is gone: nothing is left to be done, whatever the actionner calls that.
pub(super) fn no_longer_there(object: &ObjectId, failure: Failure) -> Outcome {
    let ObjectId { namespace, name, resource, group } = object;
    let what = match namespace {
        Some(namespace) if group.is_empty() && resource == "pods" => {
            format!("the pod '{name}' in the namespace '{namespace}'")
        }
        _ => object.to_string(),
    };
    let Failure { objects, details, .. } = failure;
    Outcome::Ignored(Report { message: format!("{what} has been replaced since the event"), objects, details })
}

impl Answer {
    pub(super) fn of(result: Result<(Outcome, Vec<Artifact>), AttemptError>) -> Self {
        let of = |status, Report { message, objects, details }, artifacts| Self {
            status,
            message,
            objects,
            details,
            artifacts,
            uid: None,
        };
        match result {
            Ok((Outcome::Done(report), artifacts)) => of(Status::Success, report, artifacts),
            Ok((Outcome::Ignored(report), _)) => of(Status::Ignored, report, Vec::new()),
            Err(AttemptError::Failed(Failure { kind, message, objects, details })) => {
                let is_unknown = kind == FailureKind::Unknown;
                let status = if is_unknown { Status::Unknown } else { Status::Failure };
                of(status, Report { message, objects, details }, Vec::new())
            }
            Err(AttemptError::Denied(Failure { message, objects, details, .. })) => {
                of(Status::Denied, Report { message, objects, details }, Vec::new())
            }
            Err(AttemptError::Broken(error)) => Self::without_report(Status::Failure, error.to_string()),
        }
    }

    /// The same, where nobody knows what became of an attempt before.
    pub(super) fn after_unknown(self) -> Self {
        match self.status {
            Status::Ignored => {
                let message = format!("{}; an attempt before may have done it", self.message);
                Self { status: Status::Success, message, ..self }
            }
            Status::Failure | Status::Denied => {
                let message = format!("{}; an attempt before may have done it", self.message);
                Self { status: Status::Unknown, message, ..self }
            }
            _ => self,
        }
    }

    /// What the host says in place of the actionner.
    pub(super) fn without_report(status: Status, message: String) -> Self {
        Self { status, message, objects: Vec::new(), details: None, artifacts: Vec::new(), uid: None }
    }
}
