//! Which cluster is reached, by a kubeconfig or as a pod, and what is wrong where it can't be.
//!
//! A kubeconfig holds tokens and keys, and what its parsers and plugins say can quote them. So what is wrong is said
//! in words of the host's own, with the place or the key that is wrong and never with what stands there.

use std::io;
use std::path::{Path, PathBuf};

use http::HeaderValue;
use kube::client::AuthError;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError};
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::connection::Connection;
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

/// A connection, and what it was made of.
pub(super) struct Way {
    pub(super) connection: Connection,
    /// All that was read.
    pub(super) files: Vec<PathBuf>,
    /// What they held before they were read. Nothing that came later is missed.
    pub(super) contents: Contents,
    /// Whether a program was asked, too.
    pub(super) has_plugin: bool,
}

/// What files hold, to be compared: digests, and in the place of one why it can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents(Vec<Result<Vec<u8>, io::ErrorKind>>);

impl Contents {
    /// Of these files. Blocks.
    pub(super) fn of(files: &[PathBuf]) -> Self {
        let held = |file: &PathBuf| match std::fs::read(file) {
            Ok(bytes) => Ok(digest(&SHA256, &bytes).as_ref().to_vec()),
            Err(error) => Err(error.kind()),
        };
        Self(files.iter().map(held).collect())
    }
}

impl Cluster {
    /// A connection, unless nothing is to be reached.
    ///
    /// # Errors
    ///
    /// Where the configuration is wrong; nothing is sent yet.
    pub(super) async fn connect(&self) -> Result<Option<Way>, ClientError> {
        let cluster = self.clone();
        // Files are read, and plugins run, which nobody knows the time of.
        let connecting = spawn_blocking(move || match cluster {
            Self::None => Ok(None),
            Self::Client(client) => Ok(Some(Way::of(client))),
            Self::InCluster => in_cluster().map(Some).map_err(ClientError::Configuration),
            Self::Kubeconfig(path) => by_kubeconfig(&path)
                .map(Some)
                .map_err(|words| ClientError::Configuration(format!("kubeconfig {words}"))),
        });
        connecting.await.map_err(|error| ClientError::Configuration(error.to_string()))?
    }
}

impl Way {
    fn of(client: kube::Client) -> Self {
        Self {
            connection: Connection::of(client),
            files: Vec::new(),
            contents: Contents(Vec::new()),
            has_plugin: false,
        }
    }

    fn new(config: kube::Config, files: Vec<PathBuf>, contents: Contents) -> Result<Self, String> {
        let has_plugin = config.auth_info.exec.is_some() || config.auth_info.auth_provider.is_some();
        Ok(Self { connection: connection(config)?, files, contents, has_plugin })
    }
}

fn in_cluster() -> Result<Way, String> {
    // It reads no more than names, an address and certificates.
    let read = || kube::Config::incluster().map_err(|error| error.to_string());
    let config = read()?;
    let files = files_of(&config.auth_info).chain(config.root_cert_file).collect::<Vec<_>>();
    let contents = Contents::of(&files);
    Way::new(read()?, files, contents)
}

fn by_kubeconfig(path: &Path) -> Result<Way, String> {
    let wrong = |error: KubeconfigError| in_file(path, &error);
    let kubeconfig = Kubeconfig::read_from(path).map_err(wrong)?;
    let mut files = vec![path.to_owned()];
    // Those of other contexts are few, and change nothing.
    for cluster in kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref()) {
        files.extend(cluster.certificate_authority.as_ref().map(PathBuf::from));
    }
    for user in kubeconfig.auth_infos.iter().filter_map(|named| named.auth_info.as_ref()) {
        files.extend(files_of(user));
    }
    let contents = Contents::of(&files);
    let kubeconfig = Kubeconfig::read_from(path).map_err(wrong)?;
    let options = KubeConfigOptions::default();
    let config = Handle::current().block_on(kube::Config::from_custom_kubeconfig(kubeconfig, &options));
    let config = config.map_err(wrong)?;
    Way::new(config, files, contents).map_err(|words| format!("{}: {words}", path.display()))
}

fn files_of(user: &AuthInfo) -> impl Iterator<Item = PathBuf> + use<> {
    let files = [&user.token_file, &user.client_certificate, &user.client_key];
    files.map(|file| file.as_ref().map(PathBuf::from)).into_iter().flatten()
}

fn connection(mut config: kube::Config) -> Result<Connection, String> {
    // All files are looked at by the host, which knows when they have changed.
    config.root_cert_file = None;
    let user = &mut config.auth_info;
    if let (None, Some(file)) = (&user.token, user.token_file.take()) {
        user.token = Some(token_of(Path::new(&file))?);
    } else if user.token.as_ref().is_some_and(|token| !can_be_sent(token.expose_secret())) {
        // The library takes it for granted, and panics.
        return Err(format!("the `token` {UNSENDABLE}"));
    }
    if config.proxy_url.is_some() {
        return Err(NO_PROXY.to_owned());
    }
    Connection::new(&config).map_err(|error| of_client(&error))
}

/// What is wrong with a token.
const UNSENDABLE: &str = "can't be sent: control characters, or others than those of ASCII";

/// The host speaks to the API server itself.
const NO_PROXY: &str = "the `proxy-url` of the cluster is of a protocol that is not spoken";

fn can_be_sent(token: &str) -> bool {
    HeaderValue::from_str(token).is_ok()
}

/// Without the space around it: editors end a file with a new line.
fn token_of(file: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("the file that `tokenFile` names can't be read: {error}"))?;
    match text.trim() {
        "" => Err("the file that `tokenFile` names is empty".to_owned()),
        token if can_be_sent(token) => Ok(token.into()),
        _ => Err(format!("the token that `tokenFile` names {UNSENDABLE}")),
    }
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
        _ => "it can't be used".to_owned(),
    }
}

/// A plugin prints tokens, also where it fails.
pub(super) fn of_credentials(error: &AuthError) -> String {
    match error {
        AuthError::InvalidBasicAuth(_) => "`username` or `password` can't be sent".to_owned(),
        AuthError::AuthExecStart(error) => format!("the `exec` plugin can't be started: {error}"),
        AuthError::AuthExecRun { out, .. } => format!("the `exec` plugin failed: {}", out.status),
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            "the `exec` plugin has not printed an ExecCredential with a status".to_owned()
        }
        AuthError::MalformedTokenExpirationDate(_) => "the `exec` plugin's expiration is not a time".to_owned(),
        AuthError::MissingCommand => "`exec` has no `command`".to_owned(),
        _ => "the credentials of the user can't be used".to_owned(),
    }
}

#[cfg(test)]
mod tests;
