//! What others watch the program by: whether it lives, whether it is ready, and its metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};

use super::intake::Intake;
use super::refusal::Refusal;
use crate::telemetry::metrics;

/// The paths that are not for events.
pub(super) fn routes(intake: &Arc<Intake>) -> Router {
    Router::new()
        .route("/healthz", get(healthz).fallback(only_get))
        .route("/readyz", get(readyz).fallback(only_get))
        .route("/metrics", get(show_metrics).fallback(only_get))
        .with_state(Arc::clone(intake))
}

async fn healthz() -> Response {
    status(StatusCode::OK, r#"{"status": "ok"}"#)
}

async fn readyz(State(intake): State<Arc<Intake>>) -> Response {
    if intake.ready.load(Ordering::Relaxed) {
        status(StatusCode::OK, r#"{"status": "ok"}"#)
    } else {
        status(StatusCode::SERVICE_UNAVAILABLE, r#"{"status": "not ready"}"#)
    }
}

fn status(code: StatusCode, json: &'static str) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}

async fn show_metrics(State(intake): State<Arc<Intake>>) -> Response {
    let Intake { admission, metrics, .. } = &*intake;
    metrics.queue(admission.store().counts());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.render()).into_response()
}

async fn only_get() -> Refusal {
    Refusal::NotGet
}
