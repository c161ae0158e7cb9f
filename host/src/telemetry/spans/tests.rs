//! Which spans are made of what, by the layer that makes those that are sent.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::telemetry::otlp::layer;

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// The spans that `make` leaves, in the order of their ends.
fn spans(sampler: Sampler, make: impl FnOnce()) -> Vec<SpanData> {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder()
        .with_id_generator(Ids::default())
        .with_sampler(sampler)
        .with_simple_exporter(kept.clone())
        .build();
    with_default(tracing_subscriber::registry().with(layer(provider.tracer("test"))), make);
    let kept = kept.0.lock().unwrap();
    kept.clone()
}

#[test]
fn a_trace_is_called_as_it_is_told() {
    let trace_id = TraceId::random();
    let spans = spans(Sampler::AlwaysOn, || {
        let root = Span::new("event", Kind::Internal, trace_id, None);
        let below = Span::new("match", Kind::Internal, trace_id, root.parent());
        below.describe(|span| span.text("rule.name", "R"));
        drop(root);
        // By the next process, perhaps.
        let later = Span::below(below.traceparent().as_deref(), "output");
        later.describe(|span| span.failed("it is gone"));
    });
    let [root, output, matched] = &*spans else { panic!("{spans:?}") };
    let of_trace = |span: &SpanData| span.span_context.trace_id().to_string() == trace_id.to_string();
    assert!(spans.iter().all(of_trace), "{spans:?}");
    assert_eq!([&*root.name, &*matched.name, &*output.name], ["event", "match", "output"]);
    assert_eq!(root.parent_span_id, SpanId::INVALID);
    assert_eq!(matched.parent_span_id, root.span_context.span_id());
    assert_eq!(output.parent_span_id, matched.span_context.span_id());
    assert_eq!(matched.attributes, [KeyValue::new("rule.name", "R")]);
    assert_eq!(output.status, Status::error("it is gone"));
    assert_eq!(output.events.iter().map(|event| &*event.name).collect::<Vec<_>>(), ["exception"]);
}

#[test]
fn what_is_not_sampled_is_not_described_and_says_so_to_what_is_below() {
    let spans = spans(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)), || {
        let root = Span::new("event", Kind::Internal, TraceId::random(), None);
        root.describe(|_| panic!("nobody reads this"));
        let text = root.traceparent().unwrap();
        assert!(text.ends_with("-00"), "{text}");
        Span::below(Some(&text), "output").describe(|_| panic!("nobody reads this either"));
        let sampled = format!("{}-01", text.strip_suffix("-00").unwrap());
        Span::below(Some(&sampled), "notification");
    });
    assert_eq!(spans.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["notification"]);
}

#[test]
fn spans_of_libraries_are_none_of_ours() {
    let spans = spans(Sampler::AlwaysOn, || {
        let _other = tracing::error_span!(target: "hyper", "connection").entered();
        Span::new("event", Kind::Internal, TraceId::random(), None);
    });
    assert_eq!(spans.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["event"]);
}

#[test]
fn without_traces_a_span_is_nothing() {
    let span = Span::new("event", Kind::Internal, TraceId::random(), None);
    span.describe(|_| panic!("nobody reads this"));
    assert!(!span.is_made() && span.traceparent().is_none() && !Span::are_made());
}
