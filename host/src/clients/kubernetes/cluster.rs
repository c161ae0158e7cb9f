//! Which cluster is reached, by a kubeconfig or as a pod, and what is wrong where it can't be.
//!
//! A kubeconfig holds tokens and keys, and what its parsers and plugins say can quote them. So what is wrong is said
//! in words of the host's own, with the place or the key that is wrong and never with what stands there.

use std::path::{Path, PathBuf};

use http::HeaderValue;
use kube::client::AuthError;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError};
use secrecy::ExposeSecret;

use super::Kubernetes;
use crate::clients::error::ClientError;

/// How to reach the Kubernetes API.
#[derive(Clone)]
pub enum Cluster {
    /// By a kubeconfig file.
    Kubeconfig(PathBuf),
    /// As a pod of the cluster.
    InCluster,
    /// By a client that exists already, of the simulation for one.
    Client(kube::Client),
    /// Not at all: rules are only checked.
    None,
}

impl Cluster {
    /// A client, unless nothing is to be reached.
    ///
    /// # Errors
    ///
    /// Where the configuration is wrong; nothing is sent yet.
    pub(crate) async fn connect(&self) -> Result<Option<Kubernetes>, ClientError> {
        match self {
            Self::None => Ok(None),
            Self::Client(client) => Ok(Some(Kubernetes::new(client.clone()))),
            Self::InCluster => {
                let config = kube::Config::incluster();
                // It reads no more than names, an address and certificates.
                let config = config.map_err(|error| ClientError::Configuration(error.to_string()))?;
                client(config).map_err(ClientError::Configuration)
            }
            Self::Kubeconfig(path) => {
                let wrong = |words| ClientError::Configuration(format!("kubeconfig {words}"));
                let config = read(path).await.map_err(|error| wrong(in_file(path, &error)))?;
                client(config).map_err(|words| wrong(format!("{}: {words}", path.display())))
            }
        }
    }
}

async fn read(path: &Path) -> Result<kube::Config, KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}

fn client(mut config: kube::Config) -> Result<Option<Kubernetes>, String> {
    // The library takes it for granted, and panics.
    let token = config.auth_info.token.as_ref();
    if token.is_some_and(|token| HeaderValue::from_str(token.expose_secret()).is_err()) {
        return Err("the `token` can't be sent: control characters, or others than those of ASCII".to_owned());
    }
    // Retries and deadlines are the host's own, and know the call that they serve.
    config.default_retry = false;
    let client = kube::Client::try_from(config).map_err(|error| of_client(&error))?;
    Ok(Some(Kubernetes::new(client)))
}

/// Where in the file, and what is wrong there.
fn in_file(path: &Path, error: &KubeconfigError) -> String {
    let (path, words) = (path.display(), of_file(error));
    match error {
        KubeconfigError::Parse(error) if let Some(at) = error.location().filter(|at| at.line() > 0) => {
            format!("{path}:{}:{}: {words}", at.line(), at.column())
        }
        _ => format!("{path}: {words}"),
    }
}

fn of_file(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(_) => {
            "this is not a kubeconfig: not YAML, or a value of another type than its key takes".to_owned()
        }
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::CurrentContextNotSet => "`current-context` is not set".to_owned(),
        KubeconfigError::LoadContext(_) => "`current-context` names a context that is not there".to_owned(),
        KubeconfigError::LoadClusterOfContext(_) => "the context names a `cluster` that is not there".to_owned(),
        KubeconfigError::MissingClusterUrl => "the cluster has no `server`".to_owned(),
        KubeconfigError::ParseClusterUrl(_) => "the `server` of the cluster is not a URL".to_owned(),
        KubeconfigError::ParseProxyUrl(_) => "the `proxy-url` of the cluster is not a URL".to_owned(),
        KubeconfigError::LoadCertificateAuthority(error) => of_data("certificate-authority", error),
        KubeconfigError::LoadClientCertificate(error) => of_data("client-certificate", error),
        KubeconfigError::LoadClientKey(error) => of_data("client-key", error),
        KubeconfigError::ParseCertificates(_) => "the `certificate-authority` of the cluster is not in PEM".to_owned(),
        KubeconfigError::KindMismatch | KubeconfigError::ApiVersionMismatch => {
            "its documents are of several kinds".to_owned()
        }
        KubeconfigError::FindPath => "it can't be used".to_owned(),
    }
}

fn of_data(key: &str, error: &LoadDataError) -> String {
    match error {
        LoadDataError::DecodeBase64(_) => format!("`{key}-data` is not base64"),
        LoadDataError::ReadFile(error, _) => format!("the file that `{key}` names can't be read: {error}"),
        LoadDataError::NoBase64DataOrFile => format!("`{key}` is not set"),
    }
}

fn of_client(error: &kube::Error) -> String {
    match error {
        kube::Error::Auth(error) => of_credentials(error),
        kube::Error::InferKubeconfig(error) => of_file(error),
        kube::Error::RustlsTls(_) => "the certificate or the key of the user can't be used".to_owned(),
        kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. } => {
            "the `proxy-url` of the cluster is of a protocol that is not spoken".to_owned()
        }
        _ => "it can't be used".to_owned(),
    }
}

/// A plugin prints tokens, also where it fails.
fn of_credentials(error: &AuthError) -> String {
    match error {
        AuthError::InvalidBasicAuth(_) => "`username` or `password` can't be sent".to_owned(),
        AuthError::AuthExecStart(error) => format!("the `exec` plugin can't be started: {error}"),
        AuthError::AuthExecRun { out, .. } => format!("the `exec` plugin failed: {}", out.status),
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            "the `exec` plugin has not printed an ExecCredential with a status".to_owned()
        }
        AuthError::MalformedTokenExpirationDate(_) => "the `exec` plugin's expiration is not a time".to_owned(),
        AuthError::MissingCommand => "`exec` has no `command`".to_owned(),
        AuthError::ReadTokenFile(error, _) => format!("the file that `tokenFile` names can't be read: {error}"),
        _ => "the credentials of the user can't be used".to_owned(),
    }
}

#[cfg(test)]
mod tests;
