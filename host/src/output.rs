//! The stage after an action: what it has collected goes where the rule says.
//!
//! Does not log and does not decide what a failure means; the pipeline does.

use jiff::Timestamp;
use outputs::{Artifact, OutputError, Stored, Target, key, local};
use rules::OutputUseSite;

/// What became of one artifact.
pub(crate) struct Delivered {
    /// None where the name of the target is unknown.
    pub(crate) target: Option<Target>,
    /// Where it is now, as (kind, name).
    pub(crate) objects: Vec<(&'static str, String)>,
    /// One sentence for a person, or why it was not stored.
    pub(crate) result: Result<String, DeliveryError>,
}

/// Why an artifact was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
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

/// Store artifacts that were collected from these objects.
pub(crate) async fn deliver(
    output: &OutputUseSite,
    objects: &[(String, String)],
    artifacts: Vec<Artifact>,
) -> Vec<Delivered> {
    let target = Target::find(&output.target);
    if artifacts.is_empty() {
        return vec![Delivered { target, objects: Vec::new(), result: Err(DeliveryError::Empty) }];
    }
    let mut delivered = Vec::new();
    for artifact in artifacts {
        let name = artifact.name.clone();
        delivered.push(match store(target, output, objects, artifact).await {
            Ok(Stored { message, objects }) => Delivered { target, objects, result: Ok(message) },
            Err(error) => Delivered { target, objects: vec![("file", name)], result: Err(error) },
        });
    }
    delivered
}

async fn store(
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
