//! The Kubernetes API: how it is reached, and requests to it.
//!
//! Paths come from a [`policy::Address`], whose parts were checked: the client library would put a
//! name such as `x/exec` into the path as it stands. Asks no policy; who sends a request has done so.

mod cluster;
mod refusal;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use kube::client::Body;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::error::{Refusal, RequestError};
use crate::body;
use crate::fair::{Held, Share};

pub use cluster::Cluster;
pub(crate) use refusal::{Effect, convert_client_error, convert_status};

/// The content type of everything but patches.
pub(crate) const JSON: &str = "application/json";

/// What is asked of a write: who the object is, and not what is in it.
const IDENTITY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// The answer to a write. No object that the API server stores is longer.
const WRITTEN_BYTES_MAX: usize = 8 << 20;

/// A `Status` object, in which errors are reported.
const STATUS_BYTES_MAX: usize = 1 << 20;

/// Longer than any call waits, so that what a server asks for can be added to a time.
const RETRY_AFTER_S_MAX: u64 = 24 * 60 * 60;

/// How often a request is sent again that the API server turned away unread.
const TURNED_AWAY_MAX: u32 = 3;

/// The Kubernetes API, by the host's own credentials.
#[derive(Clone)]
pub struct Kubernetes {
    client: kube::Client,
    /// Bounds the requests that wait for an answer.
    requests: Option<Share>,
}

/// One request, complete but for the client's credentials.
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// Whether it changes nothing, whatever its method says.
    pub(crate) rehearsed: bool,
    /// What of the object is asked for.
    pub(crate) accept: &'static str,
}

/// The answer to a read.
pub(crate) struct Answer {
    /// The object, or the list.
    pub(crate) object: Value,
}

/// The answer to a write.
pub(crate) struct Written {
    /// The object that was written.
    pub(crate) identity: Identity,
    /// Whether it did not exist before.
    pub(crate) created: bool,
}

/// Which object it is; the rest of its metadata is not even held.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
}

impl ApiRequest {
    /// A request that only reads.
    pub(crate) fn get(path: String) -> Self {
        Self { method: Method::GET, path, content_type: JSON, body: Bytes::new(), rehearsed: false, accept: JSON }
    }

    /// A request that writes, unless it is `rehearsed`.
    pub(crate) fn write(
        method: Method,
        path: String,
        content_type: &'static str,
        body: &Value,
        rehearsed: bool,
    ) -> Self {
        Self { method, path, content_type, body: body.to_string().into(), rehearsed, accept: IDENTITY }
    }

    /// What it means that no answer comes.
    pub(crate) fn effect(&self) -> Effect {
        if self.rehearsed || self.method == Method::GET { Effect::None } else { Effect::Write }
    }
}

impl Kubernetes {
    /// Use `client`, whatever cluster it talks to.
    pub fn new(client: kube::Client) -> Self {
        Self { client, requests: None }
    }

    /// The client, for what is not one request and one answer, and the right to a request.
    ///
    /// # Errors
    ///
    /// As [`Self::turn`].
    pub(crate) async fn client(&self, deadline: Instant) -> Result<(kube::Client, Option<Held>), RequestError> {
        Ok((self.client.clone(), self.turn(deadline).await?))
    }

    /// Be one of those that share how many requests are sent at once.
    pub(crate) fn share_requests(&mut self, requests: &Share) {
        self.requests = Some(requests.clone());
    }

    /// The right to one request until it is answered, waited for.
    ///
    /// # Errors
    ///
    /// Where the deadline passes first: then nothing was sent.
    async fn turn(&self, deadline: Instant) -> Result<Option<Held>, RequestError> {
        let Some(requests) = &self.requests else { return Ok(None) };
        timeout_at(deadline, requests.take(1)).await.map_err(|_| RequestError::Timeout)
    }

    /// Send `request`, and read the answer up to `bytes_max`.
    pub(crate) async fn send(
        &self,
        request: &ApiRequest,
        deadline: Instant,
        bytes_max: usize,
    ) -> Result<Answer, Refusal> {
        let response = self.open(request, deadline).await?;
        Ok(answer(&self.read(response, deadline, bytes_max, request.effect()).await?)?)
    }

    /// The fields that `manager` has applied to the object at `path`, as a `fieldsV1`; null where there is none.
    pub(crate) async fn held_fields(
        &self,
        path: String,
        subresource: &str,
        manager: &str,
        deadline: Instant,
    ) -> Result<Value, Refusal> {
        let request = ApiRequest { accept: IDENTITY, ..ApiRequest::get(path) };
        let response = match self.open(&request, deadline).await {
            Err(Refusal { error: RequestError::NotFound, .. }) => return Ok(Value::Null),
            response => response?,
        };
        let body = self.read(response, deadline, WRITTEN_BYTES_MAX, request.effect()).await?;
        let mut object = json(&body)?;
        let is_held = |entry: &Value| {
            entry["manager"] == manager
                && entry["operation"] == "Apply"
                && entry["subresource"].as_str().unwrap_or_default() == subresource
        };
        let entries = object["metadata"]["managedFields"].as_array_mut();
        let held = entries.and_then(|entries| entries.iter_mut().find(|entry| is_held(entry)));
        Ok(held.map(|entry| entry["fieldsV1"].take()).unwrap_or_default())
    }

    /// Send `request`, which writes, and read which object it was.
    pub(crate) async fn write(&self, request: &ApiRequest, deadline: Instant) -> Result<Written, Refusal> {
        #[derive(Deserialize)]
        struct Object {
            #[serde(default)]
            metadata: Identity,
        }

        let response = self.open(request, deadline).await?;
        let created = response.status() == StatusCode::CREATED;
        let body = self.read(response, deadline, WRITTEN_BYTES_MAX, request.effect()).await;
        let body = body.map_err(|error| match error {
            RequestError::TooLarge { .. } => RequestError::Unknown("the API server's answer is too large".to_owned()),
            error => error,
        })?;
        let Object { metadata: identity } = serde_json::from_slice(&body)
            .map_err(|_| RequestError::Unknown("the API server's answer is not JSON".to_owned()))?;
        Ok(Written { identity, created })
    }

    /// Send `request`, and leave the body of a success to be read.
    ///
    /// A request that the API server turns away for being busy (429 with `Retry-After`)
    /// was not carried out, and is sent again while the deadline allows.
    pub(crate) async fn open(&self, request: &ApiRequest, deadline: Instant) -> Result<Response<Body>, Refusal> {
        let mut turned_away = 0;
        loop {
            if Instant::now() >= deadline {
                return Err(RequestError::Timeout.into());
            }
            let turn = self.turn(deadline).await?;
            let sent = timeout_at(deadline, self.send_once(request)).await;
            drop(turn);
            let response = sent.map_err(|_| request.effect().late())??;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let pause = retry_after(&response);
            let body = self.read(response, deadline, STATUS_BYTES_MAX, request.effect()).await?;
            match pause {
                Some(pause)
                    if status == StatusCode::TOO_MANY_REQUESTS
                        && turned_away < TURNED_AWAY_MAX
                        && Instant::now() + pause < deadline =>
                {
                    turned_away += 1;
                    sleep(pause).await;
                }
                _ => return Err(convert_status(status, &body, request.effect())),
            }
        }
    }

    /// The whole body of an answer, up to `bytes_max`.
    pub(crate) async fn read(
        &self,
        response: Response<Body>,
        deadline: Instant,
        bytes_max: usize,
        effect: Effect,
    ) -> Result<Bytes, RequestError> {
        let read = timeout_at(deadline, body::read(response.into_body(), bytes_max)).await;
        let read = read.map_err(|_| effect.late())?;
        read.map_err(|error| RequestError::from_body(error, |error| convert_client_error(&error, effect)))
    }

    async fn send_once(&self, request: &ApiRequest) -> Result<Response<Body>, RequestError> {
        let built = http::Request::builder()
            .method(&request.method)
            .uri(&request.path)
            .header(ACCEPT, request.accept)
            .header(CONTENT_TYPE, request.content_type)
            .body(Body::from(request.body.clone()))
            .map_err(|error| RequestError::Invalid(error.to_string()))?;
        self.client.send(built).await.map_err(|error| convert_client_error(&error, request.effect()))
    }
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?;
    let seconds: u64 = value.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_S_MAX)))
}

impl Answer {
    /// What the guest gets.
    pub(crate) fn into_text(self) -> String {
        self.object.to_string()
    }
}

fn json(body: &[u8]) -> Result<Value, RequestError> {
    serde_json::from_slice(body).map_err(|_| RequestError::Other("the API server's answer is not JSON".to_owned()))
}

fn answer(body: &[u8]) -> Result<Answer, RequestError> {
    let mut object = json(body)?;
    strip_managed_fields(&mut object);
    Ok(Answer { object })
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
