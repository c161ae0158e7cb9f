//! The HTTP edge: takes events in, and answers whoever watches the program.
//!
//! An event is answered as soon as the queue has accepted it, because senders neither wait for
//! actions nor read the answer. This module decodes events but knows nothing of rules or actions;
//! [`Refusal`] is the only table from errors to statuses.
//!
//! Events are accepted with `POST` on every path that is not another endpoint, as the original does:
//! a sender whose address ends in `/events` would not notice a 404, and lose each of its alerts.

mod connections;
mod refusal;
mod watched;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use rules::Event;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};

use crate::config::ServerLimits;
use crate::pipeline::report_event;
use crate::store::{Counts, Store};
use crate::telemetry::TraceId;
use crate::telemetry::logs::Logger;
use crate::telemetry::metrics::{self, Metrics};
use refusal::{Refusal, Throttle};

/// What is read of a body that is too large before the answer, so that a client that sends all
/// before it reads sees the answer rather than a broken connection.
const DISCARDED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the server needs of the rest of the program.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Where events go.
    pub store: Store,
    /// What is counted, and shown at `/metrics`.
    pub metrics: Metrics,
    /// Where lines go.
    pub logger: Logger,
    /// Whether `/readyz` says so.
    pub ready: Arc<AtomicBool>,
    /// Whether each event is logged when it is received.
    pub print_all_events: bool,
    /// The limits of requests and connections.
    pub limits: ServerLimits,
}

/// Serves until `shutdown` is ready, then lets requests in flight finish for `drain_max` at most.
///
/// Returns the number of connections that had to be cut.
pub async fn serve(
    listener: TcpListener,
    intake: Intake,
    shutdown: impl Future<Output = ()>,
    drain_max: Duration,
) -> usize {
    let (limits, logger) = (intake.limits, intake.logger.clone());
    let server = connections::Server { listener, router: router(intake), limits, logger };
    server.run(shutdown, drain_max).await
}

fn router(intake: Intake) -> Router {
    let shared = Arc::new(Shared { intake, throttle: Throttle::new() });
    Router::new()
        .route("/healthz", get(healthz).fallback(only_get))
        .route("/readyz", get(readyz).fallback(only_get))
        .route("/metrics", get(show_metrics).fallback(only_get))
        .fallback(any_other)
        .with_state(shared)
}

struct Shared {
    intake: Intake,
    throttle: Throttle,
}

impl Shared {
    /// Counts a refusal, logs it unless too many came at once, and answers it.
    fn refuse(&self, refusal: &Refusal) -> Response {
        let Intake { metrics, logger, .. } = &self.intake;
        metrics.rejected(refusal.reason());
        if logger.enabled(refusal.level())
            && let Some(left_out) = self.throttle.admit(Instant::now())
        {
            let note = left_out.map(|lines| format!("{lines} lines like this were left out"));
            let line = logger.line(refusal.level(), "http").error(refusal);
            line.field("result", note.as_deref().unwrap_or_default()).write();
        }
        refusal.into_response()
    }
}

async fn any_other(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let accepted = match (request.method(), request.uri().path()) {
        (&Method::POST, _) => receive(&shared.intake, request).await,
        (_, "/") => Err(Refusal::NotPost),
        _ => Err(Refusal::NotFound),
    };
    match accepted {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => shared.refuse(&refusal),
    }
}

/// Reads an event and queues it.
async fn receive(intake: &Intake, request: Request) -> Result<(), Refusal> {
    let trace_id = trace_id(&request);
    let body = read_body(request, &intake.limits).await?;
    let event = Event::from_json(&body).map_err(|error| Refusal::Event(error.to_string()))?;
    intake.metrics.event(&event.rule, event.priority.name(), &event.source);
    if intake.print_all_events {
        report_event(&intake.logger, &event, &trace_id.to_string());
    }
    intake.store.accept(event, trace_id).await.map_err(Refusal::Store)
}

/// The caller's trace, where it names one; never anything in the body.
fn trace_id(request: &Request) -> TraceId {
    let header = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    header.and_then(TraceId::from_traceparent).unwrap_or_else(TraceId::random)
}

async fn read_body(request: Request, limits: &ServerLimits) -> Result<Bytes, Refusal> {
    let deadline = Instant::now() + limits.body_timeout;
    let waits_for_go_ahead = request.headers().contains_key(header::EXPECT);
    let mut body = request.into_body();
    let read = timeout_at(deadline, collect(&mut body, limits.body_bytes_max)).await;
    let read = read.unwrap_or(Err(Refusal::SlowBody));
    // A client that asks before it sends has sent nothing that could be in the way.
    if matches!(read, Err(Refusal::TooLarge { .. })) && !waits_for_go_ahead {
        // How far this came makes no difference to the answer.
        let _ = timeout_at(deadline, discard(&mut body)).await;
    }
    read
}

async fn collect(body: &mut Body, bytes_max: usize) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(Refusal::TooLarge { bytes_max });
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len().max(whole.len()) + data.len() > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        // Most events come in one piece, which need not be copied.
        if first.is_empty() {
            first = data;
        } else {
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

async fn discard(body: &mut Body) {
    let mut discarded_bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded_bytes += frame.data_ref().map_or(0, Bytes::len);
        if discarded_bytes > DISCARDED_BYTES_MAX {
            return;
        }
    }
}

async fn healthz() -> Response {
    status(StatusCode::OK, r#"{"status": "ok"}"#)
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    if shared.intake.ready.load(Ordering::Relaxed) {
        status(StatusCode::OK, r#"{"status": "ok"}"#)
    } else {
        status(StatusCode::SERVICE_UNAVAILABLE, r#"{"status": "not ready"}"#)
    }
}

fn status(code: StatusCode, json: &'static str) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}

async fn show_metrics(State(shared): State<Arc<Shared>>) -> Response {
    let Intake { store, metrics, .. } = &shared.intake;
    if let Ok(Counts { waiting, in_flight }) = store.counts().await {
        metrics.queue(waiting, in_flight);
    }
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.render()).into_response()
}

async fn only_get(State(shared): State<Arc<Shared>>) -> Response {
    shared.refuse(&Refusal::NotGet)
}

#[cfg(test)]
mod tests;
