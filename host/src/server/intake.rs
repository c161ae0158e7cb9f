//! Takes an event in: what is asked of a request that carries one, and how it gets into the queue.
//!
//! Events are accepted with `POST` on every path that is not another endpoint, as the original does:
//! a sender whose address ends in `/events` would not notice a 404, and lose each of its alerts.

use std::sync::Arc;

use axum::extract::Request;
use bytes::Bytes;
use http::Method;
use rules::Event;

use super::refusal::Refusal;
use super::trace::parent;
use crate::config::ServerLimits;
use crate::health::Health;
use crate::pipeline::{Admission, report_event};
use crate::telemetry::TraceId;
use crate::telemetry::logs::Logger;
use crate::telemetry::metrics::Metrics;

/// What the server needs of the rest of the program.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Where events go.
    pub admission: Admission,
    /// What is counted, and shown at `/metrics`.
    pub metrics: Metrics,
    /// Where lines go.
    pub logger: Logger,
    /// What is well with the host, and what is not.
    pub health: Health,
    /// Whether each event is logged when it is received.
    pub print_all_events: bool,
    /// The limits of requests and connections.
    pub limits: ServerLimits,
}

/// Refuses what can't be an event, and what the connection has no room for.
pub(super) fn only_post(mut request: Request) -> Result<Request, Refusal> {
    if let Some(refusal) = request.extensions_mut().remove::<Refusal>() {
        return Err(refusal);
    }
    match (request.method(), request.uri().path()) {
        (&Method::POST, _) => Ok(request),
        (_, "/") => Err(Refusal::NotPost),
        _ => Err(Refusal::NotFound),
    }
}

/// Decodes an event and queues it.
pub(super) async fn queue(intake: Arc<Intake>, request: http::Request<Bytes>) -> Result<(), Refusal> {
    let parent = parent(&request);
    let trace_id = parent.map_or_else(TraceId::random, |parent| parent.trace_id());
    let body = request.into_body();
    let event = Event::from_json(&body).map_err(|error| Refusal::Event(error.to_string()))?;
    intake.metrics.event(&event.rule, event.priority.name(), &event.source);
    if intake.print_all_events {
        report_event(&intake.logger, &event, &trace_id.to_string());
    }
    intake.admission.admit(event, body, trace_id, parent).await.map_err(Refusal::Store)
}
