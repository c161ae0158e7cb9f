//! One attempt to bring an artifact to where the rule says.
//!
//! Does not log and does not decide what a failure means, but for whether another attempt may succeed.

use std::io;

use outputs::{OutputError, Place, Source, Stored, Target, gcs, key, local, s3};
use policy::without_userinfo;
use serde_json::Value;

use crate::clients::{ClientError, Clouds};
use crate::store::Delivery;

/// Why an artifact was not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeliveryError {
    /// There is nothing to store, which the person who wrote the rule did not expect.
    #[error("empty output")]
    Empty,
    /// There is no such target in this version.
    #[error("unknown output target '{0}'")]
    Unknown(String),
    /// What was kept of it is gone.
    #[error("what was kept of the artifact can't be read: {0}")]
    Unreadable(io::Error),
    /// What is to be done is not known now.
    #[error("the delivery can't be read from the store: {0}")]
    Store(String),
    /// There is no client for the target now.
    #[error("{category}: {error}")]
    Client { category: &'static str, error: ClientError },
    #[error("{}", without_userinfo(&.0.to_string()))]
    Output(#[from] OutputError),
    #[error("storing was cut off: {0}")]
    Cut(String),
}

impl DeliveryError {
    /// Whether another attempt may succeed.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Empty | Self::Unknown(_) => false,
            Self::Unreadable(error) => error.kind() != io::ErrorKind::NotFound,
            Self::Output(error) => error.is_temporary(),
            Self::Client { .. } | Self::Store(_) | Self::Cut(_) => true,
        }
    }
}

/// Whether there is a target of this name.
pub(super) fn check(target: &str) -> Result<Target, DeliveryError> {
    Target::find(target).ok_or_else(|| DeliveryError::Unknown(target.to_owned()))
}

/// What an artifact is and where it goes, for the log where it has not arrived, as (kind, name).
pub(super) fn objects(delivery: &Delivery) -> Vec<(String, String)> {
    let parameters: Value = serde_json::from_str(&delivery.parameters).unwrap_or_default();
    let objects = match Target::find(&delivery.target) {
        Some(target @ (Target::MinioS3 | Target::AwsS3 | Target::GcpGcs)) => {
            Place::new(target, &parameters).objects(&delivery.name, &key_of(delivery))
        }
        Some(Target::LocalFile) | None => vec![("file", delivery.name.clone())],
    };
    objects.into_iter().map(|(kind, name)| (kind.to_owned(), name)).collect()
}

/// Send an artifact.
pub(super) async fn send(clouds: &Clouds, delivery: &Delivery, source: Source) -> Result<Stored, DeliveryError> {
    let target = check(&delivery.target)?;
    let parameters: Value = serde_json::from_str(&delivery.parameters).unwrap_or_default();
    let key = key_of(delivery);
    if target == Target::LocalFile {
        let destination = parameters["destination"].as_str().unwrap_or_default().to_owned();
        return store_locally(destination, key, source).await;
    }
    upload(clouds, target, Place::new(target, &parameters), &key, &source).await
}

fn key_of(delivery: &Delivery) -> String {
    key(delivery.made, &delivery.objects, &delivery.name)
}

async fn store_locally(destination: String, key: String, source: Source) -> Result<Stored, DeliveryError> {
    let store = move || {
        let destination = local::expand(&destination, |variable| std::env::var(variable).ok())?;
        local::store(&destination, &key, &mut source.lock())
    };
    let stored = tokio::task::spawn_blocking(store).await;
    Ok(stored.map_err(|error| DeliveryError::Cut(error.to_string()))??)
}

/// By the clients of now: those of a delivery's first attempt may be of a process before.
async fn upload(
    clouds: &Clouds,
    target: Target,
    mut place: Place,
    key: &str,
    source: &Source,
) -> Result<Stored, DeliveryError> {
    let unmade = |error| DeliveryError::Client { category: target.category(), error };
    if target == Target::GcpGcs {
        let gcs = clouds.google().await.map_err(unmade)?.storage().await.map_err(unmade)?;
        return Ok(gcs::store(&gcs, &place, key, source).await?);
    }
    if target == Target::MinioS3 {
        let s3 = clouds.minio().await.map_err(unmade)?.uploads();
        return Ok(s3::store(&s3, &place, key, source).await?);
    }
    let s3 = clouds.aws().await.map_err(unmade)?.storage().uploads();
    let s3 = match &place.region {
        Some(region) => s3.within(region),
        None => s3,
    };
    place.region = s3.region();
    Ok(s3::store(&s3, &place, key, source).await?)
}
