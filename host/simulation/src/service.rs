//! The simulation as a service for HTTP requests, which a [`kube::Client`] talks to as it would to a connection.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use serde_json::{Value, json};

use super::call::Unaddressed;
use super::exec::Session;
use super::failure::Failure;
use super::reply::{Reply, reply};
use super::{RecordedRequest, Simulation, discovery};

impl Simulation {
    /// A client of this cluster, whose default namespace is `default`.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        kube::Client::new(Service(self.clone()), "default")
    }

    async fn serve(self, request: Request<Body>) -> Result<Response<Full<Bytes>>, io::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let (number, latency, failure) = {
            let mut state = self.state();
            let failure = state.failures.next(parts.method.as_str(), parts.uri.path());
            state.requests.push(recorded(&parts, &body));
            (state.requests.len() - 1, state.latency, failure)
        };
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let mut response = match failure {
            Some(Failure::Status { code, retry_after_s }) => refused(code, retry_after_s),
            Some(Failure::Disconnect) => return Err(broken()),
            Some(Failure::Silence) => std::future::pending().await,
            Some(Failure::DisconnectAfterwards) => {
                self.respond(&parts, &body);
                return Err(broken());
            }
            Some(Failure::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                self.respond(&parts, &body)
            }
            Some(Failure::Padding(bytes)) => pad(self.respond(&parts, &body), bytes),
            Some(Failure::None) | None => self.respond(&parts, &body),
        };
        if let Some(request) = self.state().requests.get_mut(number) {
            request.status = Some(response.code.as_u16());
        }
        if let Some(session) = response.session.take() {
            let commands = self.state().commands.clone();
            return session.open(parts, commands).await;
        }
        Ok(response.into_http())
    }

    fn respond(&self, parts: &http::request::Parts, body: &[u8]) -> Sent {
        match parts.uri.path() {
            "/version" => {
                return Sent::json(
                    StatusCode::OK,
                    &json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3", "platform": "simulation"}),
                );
            }
            "/livez" | "/readyz" | "/healthz" => return Sent::text(StatusCode::OK, "ok"),
            _ => {}
        }
        if let Some(list) = discovery::list(parts.uri.path(), &parts.headers) {
            return Sent { content_type: discovery::AGGREGATED, ..Sent::json(StatusCode::OK, &list) };
        }
        match reply(&mut self.state().store, parts, body) {
            Ok(Reply::Object(answer)) => Sent { warnings: answer.warnings, ..Sent::json(answer.code, &answer.body) },
            Ok(Reply::Log(Some(text))) => Sent { content_type: "text/plain", ..Sent::text(StatusCode::OK, &text) },
            Ok(Reply::Log(None)) => Sent { content_type: "", ..Sent::text(StatusCode::NO_CONTENT, "") },
            Ok(Reply::Session(session)) => {
                Sent { session: Some(session), ..Sent::text(StatusCode::SWITCHING_PROTOCOLS, "") }
            }
            Err(Unaddressed::Refusal(refusal)) => Sent::json(refusal.code, &refusal.body()),
            Err(Unaddressed::PageNotFound) => Sent::text(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }
}

/// What goes over the wire.
struct Sent {
    code: StatusCode,
    content_type: &'static str,
    body: String,
    warnings: Vec<String>,
    retry_after_s: Option<u32>,
    /// A command to be run once the connection is upgraded.
    session: Option<Session>,
}

impl Sent {
    fn json(code: StatusCode, body: &Value) -> Sent {
        Sent {
            code,
            content_type: "application/json",
            body: body.to_string(),
            warnings: Vec::new(),
            retry_after_s: None,
            session: None,
        }
    }

    fn text(code: StatusCode, body: &str) -> Sent {
        Sent {
            code,
            content_type: "text/plain; charset=utf-8",
            body: body.to_owned(),
            warnings: Vec::new(),
            retry_after_s: None,
            session: None,
        }
    }

    fn into_http(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.body));
        *response.status_mut() = self.code;
        let headers = response.headers_mut();
        if !self.content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        for text in self.warnings {
            if let Ok(value) = HeaderValue::from_str(&format!("299 - {text:?}")) {
                headers.append(WARNING, value);
            }
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn recorded(parts: &http::request::Parts, body: &[u8]) -> RecordedRequest {
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    RecordedRequest {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        content_type: content_type.map(str::to_owned),
        body: String::from_utf8_lossy(body).into_owned(),
        status: None,
    }
}

fn refused(code: u16, retry_after_s: Option<u32>) -> Sent {
    let (reason, message) = match code {
        429 => ("TooManyRequests", "too many requests, please try again later"),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        504 => ("Timeout", "the server was unable to return a response in the time allotted"),
        _ => ("InternalError", "an error on the server has prevented the request from succeeding"),
    };
    let mut details = json!({});
    if let Some(seconds) = retry_after_s {
        details["retryAfterSeconds"] = json!(seconds);
    }
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
        "details": details, "code": code,
    });
    let mut sent = Sent::json(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &body);
    sent.retry_after_s = retry_after_s;
    sent
}

fn pad(mut sent: Sent, bytes: usize) -> Sent {
    if let Ok(mut body) = serde_json::from_str::<Value>(&sent.body) {
        body["metadata"]["annotations"]["padding"] = json!("x".repeat(bytes));
        sent.body = body.to_string();
    }
    sent
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the simulated connection was reset")
}

/// What a client holds.
#[derive(Clone)]
struct Service(Simulation);

impl tower::Service<Request<Body>> for Service {
    type Response = Response<Full<Bytes>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.clone().serve(request))
    }
}
