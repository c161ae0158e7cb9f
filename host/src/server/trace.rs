//! Where the trace of an event begins: at its caller, or with the request that brings it.

use std::net::IpAddr;

use axum::extract::Request;
use http::header;

use crate::telemetry::{Kind, Parent, Span, TraceId};

/// The address that a request comes from, noted where traces are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Begin the span of a request. What its event is below is noted there.
pub(super) fn begin(request: &mut Request) -> Span {
    if !Span::are_made() {
        return Span::default();
    }
    let caller = caller(request);
    let trace_id = caller.map_or_else(TraceId::random, |caller| caller.trace_id());
    let span = Span::new("/", Kind::Server, trace_id, caller);
    span.describe(|span| {
        span.text("http.request.method", request.method().as_str());
        span.text("http.route", "/");
        span.text("url.path", request.uri().path());
        span.text("url.scheme", "http");
        span.text("network.protocol.version", "1.1");
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        span.text("server.address", header(header::HOST));
        span.text("user_agent.original", header(header::USER_AGENT));
        if let Some(Peer(address)) = request.extensions().get() {
            span.text("client.address", &address.to_string());
        }
    });
    // As in the original, an event is below the caller where there is one, beside the request.
    if let Some(parent) = caller.or_else(|| span.parent()) {
        request.extensions_mut().insert(parent);
    }
    span
}

/// What an event is below that comes with this request: its caller's span, where it names one; never anything in the body.
pub(super) fn parent<B>(request: &http::Request<B>) -> Option<Parent> {
    request.extensions().get().copied().or_else(|| caller(request))
}

fn caller<B>(request: &http::Request<B>) -> Option<Parent> {
    request.headers().get("traceparent")?.to_str().ok()?.parse().ok()
}
