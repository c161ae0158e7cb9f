//! The ids of spans, and of traces: a trace is called as the event is, whose log lines have the same id.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId as Id};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use super::super::trace_id::TraceId;

thread_local! {
    /// What the trace is called that begins next in this thread.
    static NEXT: Cell<Option<u128>> = const { Cell::new(None) };
}

/// Do what begins a trace, which is called so.
pub(super) fn naming<T>(trace_id: TraceId, begin: impl FnOnce() -> T) -> T {
    NEXT.set(Some(trace_id.number()));
    let begun = begin();
    NEXT.set(None);
    begun
}

/// Makes ids: those of traces are known already.
#[derive(Debug, Default)]
pub(crate) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> Id {
        NEXT.take().map_or_else(|| self.0.new_trace_id(), Id::from)
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}
