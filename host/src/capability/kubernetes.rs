//! Requests to the Kubernetes API, shared by the capabilities that read, write and exec.
//!
//! Paths come from an [`Address`], whose parts were checked: the client library would put a
//! name such as `x/exec` into the path as it stands. Asks no policy; the interfaces' own
//! files do, before they come here.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::bindings::falco_talon::actionner::types::{Collection, Object};
use super::{Call, CapabilityError};
use crate::audit::Entry;
use crate::decide::{Address, AddressError};

/// The content type of everything but patches.
pub(super) const JSON: &str = "application/json";

/// A `Status` object, as errors are told.
const STATUS_BYTES_MAX: usize = 1 << 20;

/// Left of a call's deadline when a wait ends, so that the actionner can say what it waited for.
const TO_REPORT: Duration = Duration::from_millis(250);

/// How often a request is sent again that the API server turned away unread.
const TURNED_AWAY_MAX: u32 = 3;

/// The Kubernetes API, by the host's own credentials.
#[derive(Clone)]
pub struct Kubernetes {
    client: kube::Client,
}

/// One request, complete but for the client's credentials.
pub(super) struct ApiRequest {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

/// An answer that tells success.
pub(super) struct Answer {
    pub(super) object: Value,
    pub(super) created: bool,
}

impl ApiRequest {
    /// A request that only reads.
    pub(super) fn get(path: String) -> Self {
        Self { method: Method::GET, path, content_type: JSON, body: Bytes::new() }
    }
}

impl Kubernetes {
    /// Use `client`, whatever cluster it talks to.
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }

    /// The client, for what is not one request and one answer.
    pub(super) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Send `request`, and read the answer up to `bytes_max`.
    pub(super) async fn send(
        &self,
        request: &ApiRequest,
        deadline: Instant,
        bytes_max: usize,
    ) -> Result<Answer, CapabilityError> {
        let response = self.open(request, deadline).await?;
        let status = response.status();
        answer(status, &self.read(response, deadline, bytes_max).await?)
    }

    /// Send `request`, and leave the body of a success to be read.
    ///
    /// A request that the API server turns away for being busy (429 with `Retry-After`)
    /// was not carried out, and is sent again while the deadline allows.
    pub(super) async fn open(
        &self,
        request: &ApiRequest,
        deadline: Instant,
    ) -> Result<Response<Body>, CapabilityError> {
        let mut turned_away = 0;
        loop {
            let response =
                timeout_at(deadline, self.send_once(request)).await.map_err(|_| CapabilityError::Timeout)??;
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
    pub(super) async fn read(
        &self,
        response: Response<Body>,
        deadline: Instant,
        bytes_max: usize,
    ) -> Result<Bytes, CapabilityError> {
        timeout_at(deadline, read(response.into_body(), bytes_max)).await.map_err(|_| CapabilityError::Timeout)?
    }

    async fn send_once(&self, request: &ApiRequest) -> Result<Response<Body>, CapabilityError> {
        let built = http::Request::builder()
            .method(&request.method)
            .uri(&request.path)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, request.content_type)
            .body(Body::from(request.body.clone()))
            .map_err(|error| CapabilityError::Invalid(error.to_string()))?;
        self.client.send(built).await.map_err(|error| convert_client_error(&error))
    }
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

impl Call {
    /// The way to the cluster.
    pub(super) fn kubernetes(&self) -> Result<&Kubernetes, CapabilityError> {
        let missing = || CapabilityError::Unavailable("the host has no Kubernetes client".to_owned());
        self.clients.kubernetes.as_ref().ok_or_else(missing)
    }

    /// Send `request` within the call's deadline and the policy's limit of bytes, and close
    /// its entry in the audit record.
    pub(super) async fn send(&self, entry: Entry, request: &ApiRequest) -> Result<Answer, CapabilityError> {
        let sent =
            async { self.kubernetes()?.send(request, self.deadline, self.grants.limits.response_bytes_max).await };
        let result = sent.await;
        self.close(entry, result)
    }

    /// Close the entry of a host call in the audit record, and count the time that it took.
    pub(super) fn close<T>(&self, entry: Entry, result: Result<T, CapabilityError>) -> Result<T, CapabilityError> {
        self.reporting.metrics.host_call_took(entry.capability(), entry.elapsed());
        entry.close(result)
    }

    /// The end of a wait of `timeout_ms` that leaves the actionner time to report.
    pub(super) fn wait_until(&self, timeout_ms: u32) -> Instant {
        let end = self.deadline.checked_sub(TO_REPORT).unwrap_or(self.deadline);
        end.min(Instant::now() + Duration::from_millis(timeout_ms.into()))
    }
}

impl Answer {
    /// What the guest gets.
    pub(super) fn into_text(self) -> String {
        self.object.to_string()
    }
}

/// The address of one object, each part checked.
pub(super) fn object_address(object: &Object) -> Result<Address<'_>, AddressError> {
    let Object { group, version, resource, namespace, name } = object;
    Address::new(group, version, resource, namespace.as_deref(), Some(name))
}

/// The address of the objects of one resource, each part checked.
pub(super) fn collection_address(collection: &Collection) -> Result<Address<'_>, AddressError> {
    let Collection { group, version, resource, namespace, .. } = collection;
    Address::new(group, version, resource, namespace.as_deref(), None)
}

/// The query of a request; parameters without a value are left out.
pub(super) fn query(parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    match query.finish() {
        query if query.is_empty() => query,
        query => format!("?{query}"),
    }
}

/// Count the bytes while they come, so that a long answer is never held whole.
async fn read(mut body: Body, bytes_max: usize) -> Result<Bytes, CapabilityError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| convert_client_error(&error))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > bytes_max {
                return Err(CapabilityError::TooLarge { bytes_max: bytes_max as u64 });
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

fn answer(status: StatusCode, body: &[u8]) -> Result<Answer, CapabilityError> {
    let mut object: Value = serde_json::from_slice(body)
        .map_err(|_| CapabilityError::Other("the API server's answer is not JSON".to_owned()))?;
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

/// The only table from an API server's status to an error of the contract.
pub(super) fn convert_status(status: StatusCode, body: &[u8]) -> CapabilityError {
    let message = || {
        let text = serde_json::from_slice::<Value>(body).ok();
        let text = text.as_ref().and_then(|body| body["message"].as_str());
        text.map_or_else(|| format!("the API server answers {status}"), str::to_owned)
    };
    match status {
        StatusCode::NOT_FOUND => CapabilityError::NotFound,
        StatusCode::CONFLICT => CapabilityError::Conflict(message()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            CapabilityError::Other(format!("the API server forbids it to the host: {}", message()))
        }
        // The body of an apply does not fit the type, which the API server takes for its own fault.
        StatusCode::INTERNAL_SERVER_ERROR if message().starts_with("failed to create typed patch object") => {
            CapabilityError::Invalid(message())
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => CapabilityError::Unavailable(message()),
        status if status.is_server_error() => CapabilityError::Unavailable(message()),
        status if status.is_client_error() => CapabilityError::Invalid(message()),
        _ => CapabilityError::Other(message()),
    }
}

/// The text of a client's error can carry addresses and account names, which are not for
/// guests: they learn the kind of the error.
pub(super) fn convert_client_error(error: &kube::Error) -> CapabilityError {
    match error {
        kube::Error::Auth(_) => {
            CapabilityError::Unavailable("the host can't authenticate to the API server".to_owned())
        }
        _ => CapabilityError::Unavailable("the API server can't be reached".to_owned()),
    }
}
