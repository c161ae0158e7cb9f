//! The stage after an action: what it has collected goes where the rule says.
//!
//! Does not log and does not decide what a failure means; the spine does.

use std::time::Duration;

use jiff::Timestamp;
use outputs::{Artifact, OutputError, Stored, Target, key, local};
use rules::OutputUseSite;
use tokio::time::Instant;

/// What became of one artifact.
pub(super) struct Delivered {
    /// None where the name of the target is unknown.
    pub(super) target: Option<Target>,
    /// Where it is now, as (kind, name).
    pub(super) objects: Vec<(String, String)>,
    /// One sentence for a person, or why it was not stored.
    pub(super) result: Result<String, DeliveryError>,
    pub(super) took: Duration,
}

/// Why an artifact was not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeliveryError {
    /// There is nothing to store, which the person who wrote the rule did not expect.
    #[error("empty output")]
    Empty,
    /// The rule names a target that this version can't send to.
    #[error("the output target '{0}' can't be used in this version")]
    Unsupported(String),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("storing was cut off: {0}")]
    Cut(#[from] tokio::task::JoinError),
}

/// Deliver artifacts that were collected from these objects.
pub(super) async fn deliver(
    output: &OutputUseSite,
    objects: &[(String, String)],
    artifacts: Vec<Artifact>,
) -> Vec<Delivered> {
    let target = Target::find(&output.target);
    if artifacts.is_empty() {
        let result = Err(DeliveryError::Empty);
        return vec![Delivered { target, objects: Vec::new(), result, took: Duration::ZERO }];
    }
    let mut delivered = Vec::new();
    for artifact in artifacts {
        let (name, began) = (artifact.name.clone(), Instant::now());
        let sent = send(target, output, objects, artifact).await;
        let (objects, result) = match sent {
            Ok(Stored { message, objects }) => {
                (objects.into_iter().map(|(kind, name)| (kind.to_owned(), name)).collect(), Ok(message))
            }
            Err(error) => (vec![("file".to_owned(), name)], Err(error)),
        };
        delivered.push(Delivered { target, objects, result, took: began.elapsed() });
    }
    delivered
}

async fn send(
    target: Option<Target>,
    output: &OutputUseSite,
    objects: &[(String, String)],
    mut artifact: Artifact,
) -> Result<Stored, DeliveryError> {
    if artifact.bytes() == 0 {
        return Err(DeliveryError::Empty);
    }
    let key = key(Timestamp::now(), objects, &artifact.name);
    match target {
        Some(Target::LocalFile) => {
            let destination = output.parameters["destination"].as_str().unwrap_or_default().to_owned();
            let stored = tokio::task::spawn_blocking(move || local::store(&destination, &key, &mut artifact));
            Ok(stored.await??)
        }
        Some(Target::MinioS3 | Target::AwsS3 | Target::GcpGcs) | None => {
            Err(DeliveryError::Unsupported(output.target.clone()))
        }
    }
}
