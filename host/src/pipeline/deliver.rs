//! One attempt to bring an artifact to where the rule says.
//!
//! Does not log and does not decide what a failure means, but for whether another attempt may succeed.

use std::io;

use outputs::{Artifact, OutputError, Stored, Target, key, local};
use serde_json::Value;

use crate::store::Delivery;

/// Why an artifact was not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeliveryError {
    /// There is nothing to store, which the person who wrote the rule did not expect.
    #[error("empty output")]
    Empty,
    /// The rule names a target that this version can't send to.
    #[error("the output target '{0}' can't be used in this version")]
    Unsupported(String),
    /// What was kept of it is gone.
    #[error("what was kept of the artifact can't be read: {0}")]
    Unreadable(io::Error),
    /// What is to be done is not known now.
    #[error("the delivery can't be read from the store: {0}")]
    Store(String),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("storing was cut off: {0}")]
    Cut(String),
}

impl DeliveryError {
    /// Whether another attempt may succeed.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Empty | Self::Unsupported(_) => false,
            Self::Unreadable(error) => error.kind() != io::ErrorKind::NotFound,
            Self::Output(error) => error.is_temporary(),
            Self::Store(_) | Self::Cut(_) => true,
        }
    }
}

/// Whether this version can send to a target of this name.
pub(super) fn check(target: &str) -> Result<(), DeliveryError> {
    match Target::find(target) {
        Some(Target::LocalFile) => Ok(()),
        Some(Target::MinioS3 | Target::AwsS3 | Target::GcpGcs) | None => {
            Err(DeliveryError::Unsupported(target.to_owned()))
        }
    }
}

/// Send an artifact, which comes back for another attempt.
pub(super) async fn send(
    delivery: &Delivery,
    mut artifact: Artifact,
) -> (Result<Stored, DeliveryError>, Option<Artifact>) {
    if let Err(error) = check(&delivery.target) {
        return (Err(error), Some(artifact));
    }
    let key = key(delivery.made, &delivery.objects, &delivery.name);
    let parameters: Value = serde_json::from_str(&delivery.parameters).unwrap_or_default();
    let destination = parameters["destination"].as_str().unwrap_or_default().to_owned();
    let store = move || (local::store(&destination, &key, &mut artifact), artifact);
    match tokio::task::spawn_blocking(store).await {
        Ok((stored, artifact)) => (stored.map_err(DeliveryError::from), Some(artifact)),
        Err(error) => (Err(DeliveryError::Cut(error.to_string())), None),
    }
}
