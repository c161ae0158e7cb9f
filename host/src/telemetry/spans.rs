//! Spans: what the host does for an event, as a trace that a collector takes in.
//!
//! Where no traces are made, a span is nothing: `tracing` finds its callsite disabled, nothing is described, nothing is
//! allocated. Spans do not follow from what runs in which thread: each is told what it is below, since what is sent
//! later, or by the next process, belongs below what ended long ago.

mod ids;

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{SpanContext, SpanId, SpanRef, Status, TraceContextExt, TraceFlags, TraceState};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::parent::Parent;
use super::text::cut;
use super::trace_id::TraceId;

pub(super) use ids::Ids;

/// What all spans of the host are made for: by it they are told apart from those of libraries.
pub(super) const TARGET: &str = "falco_talon::spans";

/// A text of a span is cut where it becomes longer than this: as many spans wait as the queue holds.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// The same for what outsiders have named, and so many of that.
const FIELD_BYTES_MAX: usize = 512;
const FIELDS_MAX: usize = 64;

/// What the host does in answer to an event, from now until this is dropped; nothing where no traces are made.
#[derive(Debug, Default)]
pub(crate) struct Span(Option<Live>);

#[derive(Debug)]
struct Live {
    /// Ends the span when it is dropped.
    _handle: tracing::Span,
    context: Context,
}

/// Which part a span has in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It answers a request.
    Server,
    /// None.
    Internal,
}

impl Span {
    /// Whether traces are made at all. Costs what a span costs that is nothing.
    pub(crate) fn are_made() -> bool {
        tracing::span_enabled!(target: TARGET, tracing::Level::INFO)
    }

    /// Begin a span below another, or, where none is known, the first one of a trace.
    pub(crate) fn new(name: &str, kind: Kind, trace_id: TraceId, parent: Option<Parent>) -> Self {
        let kind = match kind {
            Kind::Server => "server",
            Kind::Internal => "internal",
        };
        let handle = tracing::info_span!(target: TARGET, parent: None, "span", otel.name = name, otel.kind = kind);
        if handle.is_disabled() {
            return Self(None);
        }
        let context = match parent {
            Some(parent) => {
                // It was not started, so it can be put below another.
                let _ = handle.set_parent(Context::new().with_remote_span_context(parent.into()));
                handle.context()
            }
            None => ids::naming(trace_id, || handle.context()),
        };
        let is_real = context.span().span_context().is_valid();
        Self(is_real.then_some(Live { _handle: handle, context }))
    }

    /// A span below this text, which [`Span::traceparent`] has made; nothing where it says none.
    pub(crate) fn below(traceparent: Option<&str>, name: &str) -> Self {
        let parent = traceparent.and_then(|text| text.parse::<Parent>().ok());
        parent.map_or(Self(None), |parent| Self::new(name, Kind::Internal, parent.trace_id, Some(parent)))
    }

    /// Whether traces are made.
    pub(crate) fn is_made(&self) -> bool {
        self.0.is_some()
    }

    /// What spans below it need to know of it.
    pub(crate) fn parent(&self) -> Option<Parent> {
        let Live { context, .. } = self.0.as_ref()?;
        let span = context.span();
        let context = span.span_context();
        let trace_id = TraceId::of(context.trace_id().to_bytes())?;
        Some(Parent { trace_id, span_id: context.span_id().to_bytes(), is_sampled: context.is_sampled() })
    }

    /// The same as a text that can be stored.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.parent().map(|parent| parent.to_string())
    }

    /// Say more of it, where it is recorded.
    pub(crate) fn describe(&self, describe: impl FnOnce(&Description<'_>)) {
        if let Some(Live { context, .. }) = &self.0 {
            let span = context.span();
            if span.is_recording() {
                describe(&Description(span));
            }
        }
    }
}

impl From<Parent> for SpanContext {
    fn from(parent: Parent) -> Self {
        let Parent { trace_id, span_id, is_sampled } = parent;
        let flags = TraceFlags::default().with_sampled(is_sampled);
        let trace_id = trace_id.number().into();
        // It may be of another process.
        SpanContext::new(trace_id, SpanId::from_bytes(span_id), flags, true, TraceState::default())
    }
}

/// What a span says.
pub(crate) struct Description<'a>(SpanRef<'a>);

impl Description<'_> {
    /// An attribute; none where it says nothing.
    pub(crate) fn text(&self, key: impl Into<Cow<'static, str>>, value: &str) {
        if !value.is_empty() {
            self.set(key, cut(value, TEXT_BYTES_MAX).to_owned());
        }
    }

    /// Attributes that somebody outside has named, of whom there may be many: some of them, and of each the begin.
    pub(crate) fn fields<'a>(&self, fields: impl Iterator<Item = (String, Cow<'a, str>)>) {
        for (key, value) in fields.take(FIELDS_MAX) {
            self.text(cut(&key, FIELD_BYTES_MAX).to_owned(), cut(&value, FIELD_BYTES_MAX));
        }
    }

    pub(crate) fn texts(&self, key: &'static str, values: &[String]) {
        let values = values.iter().take(FIELDS_MAX);
        let values = values.map(|value| StringValue::from(cut(value, FIELD_BYTES_MAX).to_owned()));
        self.set(key, Value::Array(Array::String(values.collect())));
    }

    pub(crate) fn number(&self, key: &'static str, value: u64) {
        self.set(key, i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub(crate) fn flag(&self, key: &'static str, value: bool) {
        self.set(key, value);
    }

    fn set(&self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        self.0.set_attribute(KeyValue::new(key.into(), value));
    }

    /// Something happened meanwhile; the original's events are called by what they say.
    pub(crate) fn event(&self, name: &str, at: SystemTime) {
        self.0.add_event_with_timestamp(cut(name, TEXT_BYTES_MAX).to_owned(), at, Vec::new());
    }

    /// It went well, and this is what there is to say of it.
    pub(crate) fn succeeded(&self, message: &str) {
        self.event(message, SystemTime::now());
        self.0.set_status(Status::Ok);
    }

    /// It went well.
    pub(crate) fn ok(&self) {
        self.0.set_status(Status::Ok);
    }

    /// It did not go well.
    pub(crate) fn failed(&self, message: &str) {
        let message = cut(message, TEXT_BYTES_MAX).to_owned();
        let said = [("exception.type", "error".to_owned()), ("exception.message", message.clone())];
        let said = said.map(|(key, value)| KeyValue::new(key, value));
        self.0.add_event("exception", said.into());
        self.0.set_status(Status::error(message));
    }
}

#[cfg(test)]
mod tests;
