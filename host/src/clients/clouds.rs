//! The clients of one generation, and the clouds that they are made from.
//!
//! Each is made when the first actionner needs it, and then shared by all: a cloud that no rule
//! uses needs no configuration and gets no call. Making one asks for its credentials, so that
//! wrong ones are found before the first event.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::aws::Aws;
use super::circuit::Circuit;
use super::error::{CREDENTIALS_WAIT_MAX, ClientError};
use super::google::Google;
use super::http::HttpClient;
use super::instance::Instance;
use super::kubernetes::Kubernetes;
use super::storage::Storage;
use crate::config::clouds as config;
use crate::telemetry::logs::Logger;

/// The clients of one generation: those that its actionners need.
#[derive(Clone, Default)]
pub struct Clients {
    /// The cluster.
    pub kubernetes: Option<Kubernetes>,
    /// Functions and storage of AWS.
    pub aws: Option<Aws>,
    /// What the instance of AWS that the host runs on says of itself.
    pub instance: Option<Instance>,
    /// Functions of Google Cloud.
    pub google: Option<Google>,
    /// The storage server of the operator's own.
    pub minio: Option<Storage>,
    /// For addresses of the web, one an actionner: it holds the headers that the policy keeps
    /// for it.
    pub http: Arc<BTreeMap<String, HttpClient>>,
}

/// Makes the clients of clouds, each once. Clones are the same.
#[derive(Clone)]
pub struct Clouds(Arc<Inner>);

struct Inner {
    config: config::Clouds,
    logger: Logger,
    aws: OnceCell<Aws>,
    google: OnceCell<Google>,
    minio: OnceCell<Storage>,
}

impl Clients {
    /// The categories that there are clients of, in the words of the configuration.
    pub fn categories(&self) -> Vec<&'static str> {
        let all = [
            ("kubernetes", self.kubernetes.is_some()),
            ("aws", self.aws.is_some()),
            ("gcp", self.google.is_some()),
            ("minio", self.minio.is_some()),
        ];
        all.into_iter().filter(|(_, exists)| *exists).map(|(category, _)| category).collect()
    }
}

impl Clients {
    /// Whether each server can be reached that all its actionners share. Those of the web are each actionner's own, and
    /// have none.
    pub fn circuits(&self) -> impl Iterator<Item = &Circuit> {
        let kubernetes = self.kubernetes.iter().map(Kubernetes::circuit);
        let aws = self.aws.iter().flat_map(|aws| [aws.lambda_circuit(), aws.storage().circuit()]);
        let google = self.google.iter().map(Google::circuit);
        let minio = self.minio.iter().map(Storage::circuit);
        kubernetes.chain(aws).chain(google).chain(minio)
    }
}

impl Clouds {
    /// Remember how clouds are reached, and reach none. `logger` gets to know when one is away.
    pub fn new(config: config::Clouds, logger: Logger) -> Self {
        let (aws, google, minio) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self(Arc::new(Inner { config, logger, aws, google, minio }))
    }

    /// The client for AWS.
    ///
    /// # Errors
    ///
    /// Where there are no credentials; a later call tries again.
    pub async fn aws(&self) -> Result<Aws, ClientError> {
        let make = || within(Aws::connect(&self.0.config.aws, &self.0.logger));
        self.0.aws.get_or_try_init(make).await.cloned()
    }

    /// The client for the metadata of the instance. That is asked nothing yet.
    ///
    /// # Errors
    ///
    /// Where that is forbidden.
    pub fn instance(&self) -> Result<Instance, ClientError> {
        Instance::new(&self.0.config.aws)
    }

    /// The client for Google Cloud.
    ///
    /// # Errors
    ///
    /// Where there are no credentials; a later call tries again.
    pub async fn google(&self) -> Result<Google, ClientError> {
        let make = || within(Google::connect(&self.0.config.google, &self.0.logger));
        self.0.google.get_or_try_init(make).await.cloned()
    }

    /// The client for the storage server of the operator's own. That one is asked nothing yet.
    ///
    /// # Errors
    ///
    /// Where none is configured.
    pub async fn minio(&self) -> Result<Storage, ClientError> {
        let make = || async { Storage::minio(&self.0.config.minio, &self.0.logger) };
        self.0.minio.get_or_try_init(make).await.cloned()
    }
}

async fn within<T>(connect: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    timeout(CREDENTIALS_WAIT_MAX, connect).await.map_err(|_| ClientError::Silence)?
}
