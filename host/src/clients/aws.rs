//! AWS: credentials, Lambda and S3.
//!
//! Credentials are the configuration's keys, else what the SDK finds where all of AWS' tools
//! look (environment, files, the identity of the pod or machine); a role is taken on by them.

use std::sync::Arc;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::{
    Credentials, ProvideCredentials, Region, SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use url::Url;

use super::circuit::Circuit;
use super::error::ClientError;
use super::storage::Storage;
use super::web;
use crate::config::clouds as config;
use crate::telemetry::logs::Logger;

/// How the host calls itself where it takes on a role.
const NAME: &str = "falco-talon";

/// AWS, by the host's own credentials.
#[derive(Clone)]
pub struct Aws(Arc<Inner>);

struct Inner {
    lambda: aws_sdk_lambda::Client,
    /// Host and port, for the log.
    lambda_server: String,
    lambda_circuit: Circuit,
    storage: Storage,
}

impl Aws {
    /// Find credentials and a region, and ask for the former once.
    pub(super) async fn connect(config: &config::Aws, logger: &Logger) -> Result<Self, ClientError> {
        let sdk = load(config).await;
        let Some(region) = sdk.region().cloned() else {
            return Err(ClientError::Configuration("the region of AWS is not known: set 'aws.region'".to_owned()));
        };
        let none = || ClientError::Credentials("set 'aws.access_key' and 'aws.secret_key'".to_owned());
        let provider = sdk.credentials_provider().ok_or_else(none)?;
        let found = provider.provide_credentials().await;
        found.map_err(|error| ClientError::Credentials(web::with_causes(&error)))?;
        let mut lambda = aws_sdk_lambda::config::Builder::from(&sdk);
        if let Some(endpoint) = &config.lambda_endpoint {
            lambda = lambda.endpoint_url(endpoint);
        }
        let endpoint = config.lambda_endpoint.as_deref().or(config.endpoint.as_deref());
        let at = endpoint.and_then(|endpoint| Url::parse(endpoint).ok());
        let lambda_server = at.map_or_else(|| format!("AWS Lambda of {region}"), |at| web::server(&at));
        let endpoint = config.s3_endpoint.as_deref().or(config.endpoint.as_deref());
        let storage = Storage::aws(&sdk, &region, endpoint, logger);
        let lambda = aws_sdk_lambda::Client::from_conf(lambda.build());
        let lambda_circuit = Circuit::new("aws-lambda", Some(logger.clone()));
        Ok(Self(Arc::new(Inner { lambda, lambda_server, lambda_circuit, storage })))
    }

    /// Lambda.
    pub(super) fn lambda(&self) -> &aws_sdk_lambda::Client {
        &self.0.lambda
    }

    /// Host and port of Lambda, for the log.
    pub(super) fn lambda_server(&self) -> &str {
        &self.0.lambda_server
    }

    /// Whether Lambda can be reached.
    pub(super) fn lambda_circuit(&self) -> &Circuit {
        &self.0.lambda_circuit
    }

    /// S3.
    pub fn storage(&self) -> &Storage {
        &self.0.storage
    }
}

async fn load(config: &config::Aws) -> SdkConfig {
    // Retries and deadlines are the host's own, and know the call that they serve.
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(web::aws_http())
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(config::Keys { access_key, secret_key }) = &config.keys {
        loader = loader.credentials_provider(Credentials::new(access_key, secret_key.expose(), None, None, NAME));
    }
    let sdk = loader.load().await;
    let (Some(config::Role { arn, external_id }), Some(provider)) = (&config.role, sdk.credentials_provider()) else {
        return sdk;
    };
    let mut role = AssumeRoleProvider::builder(arn).session_name(NAME).configure(&sdk);
    if let Some(external_id) = external_id {
        role = role.external_id(external_id);
    }
    let role = role.build_from_provider(provider).await;
    sdk.into_builder().credentials_provider(SharedCredentialsProvider::new(role)).build()
}
