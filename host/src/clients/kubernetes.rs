//! The Kubernetes API: how it is reached, and requests to it.
//!
//! Paths come from a [`policy::Address`], whose parts were checked: the client library would put a
//! name such as `x/exec` into the path as it stands. Asks no policy; who sends a request has done so.

mod cluster;
mod connection;
mod session;

mod exec;
mod refusal;
mod request;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::core::discovery::v2::APIGroupDiscoveryList;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::circuit::{Circuit, Reached};
use super::end::{End, Failed};
use super::error::{ClientError, Refusal, RequestError};
use super::meter::{Permit, Place};
use super::web::FIRST_BYTE_MAX;
use crate::body::{self, BodyError};
use crate::fair::{Held, Share};
use crate::telemetry::logs::Logger;
use cluster::Way;
use refusal::{LATE, Miss, convert_client_error};
use request::{IDENTITY, answer, json};
use session::{CATEGORY, Session};

pub use cluster::Cluster;
pub(crate) use exec::{Command, Exit};
pub(crate) use refusal::TERMINATING;
pub(crate) use request::{Answer, ApiRequest, FieldManager, Identity, JSON, Written};

/// The answer to a write. No object that the API server stores is longer.
const WRITTEN_BYTES_MAX: usize = 8 << 20;

/// A `Status` object, in which errors are reported.
const STATUS_BYTES_MAX: usize = 1 << 20;

/// Longer than any call waits, so that what a server asks for can be added to a time.
const RETRY_AFTER_S_MAX: u64 = 24 * 60 * 60;

/// Where bytes go that are more than is held at once.
pub(crate) trait Sink: Send {
    /// Take some more.
    fn take(&mut self, bytes: Vec<u8>) -> impl Future<Output = Result<(), RequestError>> + Send;
}

/// Left of a call when a silent server is given up, so that the actionner can say so.
const TO_REPORT: Duration = Duration::from_millis(250);

/// How often a request is sent again that the API server turned away unread.
const TURNED_AWAY_MAX: u32 = 3;

/// The Kubernetes API, by the host's own credentials.
#[derive(Clone)]
pub struct Kubernetes {
    session: Arc<Session>,
    circuit: Circuit,
    /// Bounds the requests that wait for an answer.
    requests: Option<Share>,
}

impl Kubernetes {
    /// A client of `cluster`, unless nothing is to be reached.
    ///
    /// # Errors
    ///
    /// Where the configuration is wrong; nothing is sent yet.
    pub async fn connect(cluster: &Cluster, logger: Option<&Logger>) -> Result<Option<Self>, ClientError> {
        let Some(session) = Session::new(cluster, logger.cloned()).await? else { return Ok(None) };
        Ok(Some(Self { session, circuit: Circuit::new(CATEGORY, logger.cloned()), requests: None }))
    }

    /// Whether the API server can be reached.
    pub(super) fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// Be one of those that share how many requests are sent at once.
    pub(crate) fn share_requests(&mut self, requests: &Share) {
        self.requests = Some(requests.clone());
    }

    /// The right to one request until it is answered, waited for.
    ///
    /// # Errors
    ///
    /// Where the time is over first: then nothing was sent.
    async fn turn(&self, permit: &Permit) -> Result<Option<Held>, RequestError> {
        let Some(requests) = &self.requests else { return Ok(None) };
        timeout_at(permit.end(), requests.take(1)).await.map_err(|_| RequestError::Timeout)
    }

    /// Read the object or the list at `path`, up to `bytes_max`.
    pub(crate) async fn get(&self, path: &str, permit: &Permit, bytes_max: usize) -> Result<Answer, Refusal> {
        let bytes = self.read(path, permit, bytes_max).await?;
        Ok(permit.work(|| answer(&bytes)).and_then(|answer| answer)?)
    }

    /// Read what is at `path`, whatever it is, up to `bytes_max`.
    pub(crate) async fn read(&self, path: &str, permit: &Permit, bytes_max: usize) -> Result<Bytes, Refusal> {
        let read = async {
            let response = self.exchange(&ApiRequest::get(path), permit).await?;
            self.read_body(response, permit, bytes_max).await
        };
        read.await.map_err(Failed::into_refusal)
    }

    /// Who holds which fields of the object at `path`; nobody where there is none.
    pub(crate) async fn field_managers(&self, path: &str, permit: &Permit) -> Result<Vec<FieldManager>, Refusal> {
        let read = async {
            let response = self.exchange(&ApiRequest { accept: IDENTITY, ..ApiRequest::get(path) }, permit).await?;
            self.read_body(response, permit, WRITTEN_BYTES_MAX).await
        };
        let body = match read.await.map_err(Failed::into_refusal) {
            Err(Refusal { error: RequestError::NotFound, .. }) => return Ok(Vec::new()),
            body => body?,
        };
        let mut object = permit.work(|| json(&body)).and_then(|object| object)?;
        let managers = serde_json::from_value(object["metadata"]["managedFields"].take());
        let unknown = |_| RequestError::Other("the API server does not say who manages which fields".to_owned());
        Ok(managers.map(Option::unwrap_or_default).map_err(unknown)?)
    }

    /// Read what is at `path` piece by piece, whatever its length.
    pub(crate) async fn pour(&self, path: &str, permit: &Permit, sink: &mut impl Sink) -> Result<u64, Refusal> {
        let mut body = self.exchange(&ApiRequest::get(path), permit).await.map_err(Failed::into_refusal)?.into_body();
        let mut bytes = 0_u64;
        while let Some(frame) = timeout_at(permit.end(), body.frame()).await.map_err(|_| RequestError::Timeout)? {
            let frame =
                frame.map_err(|error| convert_client_error(error, &self.session.server()).failed.into_refusal())?;
            if let Ok(data) = frame.into_data() {
                bytes = bytes.saturating_add(data.len() as u64);
                sink.take(data.into()).await?;
            }
        }
        Ok(bytes)
    }

    /// The resources that the API server knows: its own groups come first, the core group in an answer of its own.
    pub(crate) async fn discover(&self, permit: &Permit) -> Result<[APIGroupDiscoveryList; 2], Refusal> {
        let core = |client: kube::Client| async move { client.list_core_api_versions_aggregated().await };
        let core = self.ask(permit, core).await?;
        let groups = |client: kube::Client| async move { client.list_api_groups_aggregated().await };
        let groups = self.ask(permit, groups).await?;
        Ok([core, groups])
    }

    /// Send a write, and read which object it was.
    pub(crate) async fn write(&self, request: &ApiRequest, permit: &Permit) -> End<Written> {
        #[derive(Deserialize)]
        struct Object {
            #[serde(default)]
            metadata: Identity,
        }

        let sent = async {
            let response = self.exchange(request, permit).await?;
            let created = response.status() == StatusCode::CREATED;
            let body = self.read_body(response, permit, WRITTEN_BYTES_MAX).await.map_err(|failed| match failed {
                Failed::Unread(_) => Failed::lost("the API server's answer is too large"),
                failed => failed,
            })?;
            let Object { metadata: identity } =
                serde_json::from_slice(&body).map_err(|_| Failed::lost("the API server's answer is not JSON"))?;
            Ok(Written { identity, created })
        };
        End::of(sent.await, permit.is_rehearsal())
    }

    /// Send a request, and leave the body of a success to be read.
    ///
    /// A request that the API server turns away for being busy (429 with `Retry-After`)
    /// was not carried out, and is sent again while the time allows.
    async fn exchange(&self, request: &ApiRequest, permit: &Permit) -> Result<Response<Body>, Failed> {
        let mut turned_away = 0;
        loop {
            let miss = match self.try_by(permit, |way| self.send(request, permit, way)).await {
                Ok((response, _)) => return Ok(response),
                Err(miss) => miss,
            };
            let pause = miss.pause.filter(|_| turned_away < TURNED_AWAY_MAX);
            match pause.and_then(|pause| Instant::now().checked_add(pause)) {
                Some(again) if again < permit.end() => {
                    turned_away += 1;
                    sleep_until(again).await;
                }
                _ => {
                    if let Some(pause) = miss.pause {
                        permit.is_asked_to_wait(pause);
                    }
                    return Err(miss.failed);
                }
            }
        }
    }

    /// Send by the connection that is in force, and once more by a new one where credentials were refused and there are
    /// others. Nothing is sent where the API server is away.
    async fn try_by<'a, T, F>(&self, permit: &'a Permit, send: impl Fn(Arc<Way>) -> F) -> Result<(T, Place<'a>), Miss>
    where
        F: Future<Output = Result<T, Miss>>,
    {
        let away = || Failed::not_sent(RequestError::Unavailable("the API server can't be reached".to_owned()));
        let attempt = permit.enter(&self.circuit).ok_or_else(away)?;
        let mut is_renewed = false;
        loop {
            let place = permit.place().await.map_err(Failed::not_sent)?;
            let turn = self.turn(permit).await.map_err(Failed::not_sent)?;
            let way = timeout_at(permit.end(), self.session.way()).await;
            let way = way.map_err(|_| Failed::not_sent(RequestError::Timeout))?;
            let sent = send(Arc::clone(&way)).await;
            drop(turn);
            let miss = match sent {
                Ok(answer) => {
                    permit.settle(attempt, &Reached::Yes);
                    return Ok((answer, place));
                }
                Err(miss) => miss,
            };
            // What is known not to have been carried out is no longer on its way.
            if miss.failed.is_known() {
                permit.was_refused();
            }
            drop(place);
            if miss.are_credentials_refused && !is_renewed {
                is_renewed = timeout_at(permit.end(), self.session.is_renewed_after(&way)).await.unwrap_or(false);
                if is_renewed {
                    continue;
                }
            }
            permit.settle(attempt, &miss.reached);
            return Err(miss);
        }
    }

    async fn send(&self, request: &ApiRequest, permit: &Permit, way: Arc<Way>) -> Result<Response<Body>, Miss> {
        let is_read = request.method == Method::GET;
        if !is_read {
            permit.is_being_sent();
        }
        // The options of a deletion are in its body.
        let is_rehearsed_here = permit.is_rehearsal() && !is_read && request.method != Method::DELETE;
        let separator = if request.path.contains('?') { '&' } else { '?' };
        let rehearsed = is_rehearsed_here.then(|| format!("{}{separator}dryRun=All", request.path));
        let built = http::Request::builder()
            .method(&request.method)
            .uri(rehearsed.as_deref().unwrap_or(&request.path))
            .header(ACCEPT, request.accept)
            .header(CONTENT_TYPE, request.content_type)
            .body(Body::from(request.body.clone()))
            .map_err(|error| Failed::not_sent(RequestError::Invalid(error.to_string())))?;
        let response = begun(&way, permit, way.connection.client.send(built)).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let pause = retry_after(&response).filter(|_| status == StatusCode::TOO_MANY_REQUESTS);
        // What the status says is known, also where its words are lost.
        let body = self.read_body(response, permit, STATUS_BYTES_MAX).await.unwrap_or_default();
        // Groups beside the core may be those of other servers.
        let others = !request.path.starts_with("/api/");
        Err(Miss { pause, ..Miss::answer(status, &body, &way.connection.server, others) })
    }

    /// One question that the client library has a function for.
    async fn ask<T, F>(&self, permit: &Permit, ask: impl Fn(kube::Client) -> F) -> Result<T, Refusal>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let ask = &ask;
        let asked =
            self.try_by(permit, |way| async move { begun(&way, permit, ask(way.connection.client.clone())).await });
        asked.await.map(|(answer, _)| answer).map_err(|miss| miss.failed.into_refusal())
    }

    /// The whole body of an answer, up to `bytes_max`.
    async fn read_body(&self, response: Response<Body>, permit: &Permit, bytes_max: usize) -> Result<Bytes, Failed> {
        let read = timeout_at(permit.end(), body::read(response.into_body(), bytes_max)).await;
        read.map_err(|_| Failed::late(LATE))?.map_err(|error| match error {
            BodyError::TooLarge { bytes_max } => Failed::Unread(RequestError::TooLarge { bytes_max: bytes_max as u64 }),
            BodyError::Broken(error) => convert_client_error(error, &self.session.server()).failed,
        })
    }
}

/// The answer, of which at least the first byte comes in time. Where none does, the connection leads nowhere, and the
/// others that were there may not either.
async fn begun<T>(way: &Way, permit: &Permit, sent: impl Future<Output = kube::Result<T>>) -> Result<T, Miss> {
    let began = Instant::now();
    let end = began + FIRST_BYTE_MAX;
    // A server that is silent shows before the call is over, so that it is not the call that is to blame.
    let left = permit.end().saturating_duration_since(began);
    let end = if left > TO_REPORT * 8 { end.min(permit.end() - TO_REPORT) } else { end };
    match timeout_at(end.min(permit.end()), sent).await {
        Ok(answer) => answer.map_err(|error| convert_client_error(error, &way.connection.server)),
        Err(_) => {
            way.connection.give_up(began);
            if end > permit.end() {
                return Err(Failed::late(LATE).into());
            }
            Err(Miss::silent(&way.connection.server, end - began))
        }
    }
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?;
    let seconds: u64 = value.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_S_MAX)))
}

#[cfg(test)]
mod tests;
