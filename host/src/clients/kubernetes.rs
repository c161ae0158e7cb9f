//! The Kubernetes API: how it is reached, and requests to it.
//!
//! Paths come from a [`policy::Address`], whose parts were checked: the client library would put a
//! name such as `x/exec` into the path as it stands. Asks no policy; who sends a request has done so.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use kube::client::Body;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::error::{ClientError, RequestError};
use crate::body;

/// The content type of everything but patches.
pub(crate) const JSON: &str = "application/json";

/// A `Status` object, in which errors are reported.
const STATUS_BYTES_MAX: usize = 1 << 20;

/// How often a request is sent again that the API server turned away unread.
const TURNED_AWAY_MAX: u32 = 3;

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

/// The Kubernetes API, by the host's own credentials.
#[derive(Clone)]
pub struct Kubernetes {
    client: kube::Client,
}

/// One request, complete but for the client's credentials.
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

/// The answer to a request that succeeded.
pub(crate) struct Answer {
    pub(crate) object: Value,
    pub(crate) created: bool,
}

impl ApiRequest {
    /// A request that only reads.
    pub(crate) fn get(path: String) -> Self {
        Self { method: Method::GET, path, content_type: JSON, body: Bytes::new() }
    }
}

impl Cluster {
    /// A client, unless nothing is to be reached.
    ///
    /// # Errors
    ///
    /// Where the configuration is wrong; nothing is sent yet.
    pub(crate) async fn connect(&self) -> Result<Option<Kubernetes>, ClientError> {
        let refuse = |error: &dyn std::fmt::Display| ClientError::Configuration(error.to_string());
        let mut config = match self {
            Self::None => return Ok(None),
            Self::Client(client) => return Ok(Some(Kubernetes::new(client.clone()))),
            Self::InCluster => kube::Config::incluster().map_err(|error| refuse(&error))?,
            Self::Kubeconfig(path) => {
                let kubeconfig = kube::config::Kubeconfig::read_from(path).map_err(|error| refuse(&error))?;
                let options = kube::config::KubeConfigOptions::default();
                kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| refuse(&error))?
            }
        };
        // Retries and deadlines are the host's own, and know the call that they serve.
        config.default_retry = false;
        let client = kube::Client::try_from(config).map_err(|error| refuse(&error))?;
        Ok(Some(Kubernetes::new(client)))
    }
}

impl Kubernetes {
    /// Use `client`, whatever cluster it talks to.
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }

    /// The client, for what is not one request and one answer.
    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Send `request`, and read the answer up to `bytes_max`.
    pub(crate) async fn send(
        &self,
        request: &ApiRequest,
        deadline: Instant,
        bytes_max: usize,
    ) -> Result<Answer, RequestError> {
        let response = self.open(request, deadline).await?;
        let status = response.status();
        answer(status, &self.read(response, deadline, bytes_max).await?)
    }

    /// Send `request`, and leave the body of a success to be read.
    ///
    /// A request that the API server turns away for being busy (429 with `Retry-After`)
    /// was not carried out, and is sent again while the deadline allows.
    pub(crate) async fn open(&self, request: &ApiRequest, deadline: Instant) -> Result<Response<Body>, RequestError> {
        let mut turned_away = 0;
        loop {
            let response = timeout_at(deadline, self.send_once(request)).await.map_err(|_| RequestError::Timeout)??;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let pause = retry_after(&response);
            let body = self.read(response, deadline, STATUS_BYTES_MAX).await?;
            match pause {
                Some(pause)
                    if status == StatusCode::TOO_MANY_REQUESTS
                        && turned_away < TURNED_AWAY_MAX
                        && Instant::now() + pause < deadline =>
                {
                    turned_away += 1;
                    sleep(pause).await;
                }
                _ => return Err(convert_status(status, &body)),
            }
        }
    }

    /// The whole body of an answer, up to `bytes_max`.
    pub(crate) async fn read(
        &self,
        response: Response<Body>,
        deadline: Instant,
        bytes_max: usize,
    ) -> Result<Bytes, RequestError> {
        let read = timeout_at(deadline, body::read(response.into_body(), bytes_max)).await;
        let read = read.map_err(|_| RequestError::Timeout)?;
        read.map_err(|error| RequestError::from_body(error, |error| convert_client_error(&error)))
    }

    async fn send_once(&self, request: &ApiRequest) -> Result<Response<Body>, RequestError> {
        let built = http::Request::builder()
            .method(&request.method)
            .uri(&request.path)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, request.content_type)
            .body(Body::from(request.body.clone()))
            .map_err(|error| RequestError::Invalid(error.to_string()))?;
        self.client.send(built).await.map_err(|error| convert_client_error(&error))
    }
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

impl Answer {
    /// What the guest gets.
    pub(crate) fn into_text(self) -> String {
        self.object.to_string()
    }
}

fn answer(status: StatusCode, body: &[u8]) -> Result<Answer, RequestError> {
    let mut object: Value = serde_json::from_slice(body)
        .map_err(|_| RequestError::Other("the API server's answer is not JSON".to_owned()))?;
    strip_managed_fields(&mut object);
    Ok(Answer { object, created: status == StatusCode::CREATED })
}

/// Who holds which field is of no use to an actionner, and often the larger half of an object.
fn strip_managed_fields(object: &mut Value) {
    let items = match object.get_mut("items") {
        Some(Value::Array(items)) => items.as_mut_slice(),
        _ => std::slice::from_mut(object),
    };
    for item in items {
        if let Some(metadata) = item.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
}

/// The only table from an API server's status to an error.
pub(crate) fn convert_status(status: StatusCode, body: &[u8]) -> RequestError {
    let message = || {
        let text = serde_json::from_slice::<Value>(body).ok();
        let text = text.as_ref().and_then(|body| body["message"].as_str());
        text.map_or_else(|| format!("the API server answers {status}"), str::to_owned)
    };
    match status {
        StatusCode::NOT_FOUND => RequestError::NotFound,
        StatusCode::CONFLICT => RequestError::Conflict(message()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            RequestError::Other(format!("the API server forbids it to the host: {}", message()))
        }
        // The body of an apply does not fit the type, which the API server takes for its own fault.
        StatusCode::INTERNAL_SERVER_ERROR if message().starts_with("failed to create typed patch object") => {
            RequestError::Invalid(message())
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => RequestError::Unavailable(message()),
        status if status.is_server_error() => RequestError::Unavailable(message()),
        status if status.is_client_error() => RequestError::Invalid(message()),
        _ => RequestError::Other(message()),
    }
}

/// The text of a client's error can carry addresses and account names, which are not for
/// guests: they learn the kind of the error.
pub(crate) fn convert_client_error(error: &kube::Error) -> RequestError {
    match error {
        kube::Error::Auth(_) => RequestError::Unavailable("the host can't authenticate to the API server".to_owned()),
        _ => RequestError::Unavailable("the API server can't be reached".to_owned()),
    }
}
