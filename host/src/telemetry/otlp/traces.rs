//! Traces on their way to a collector: spans that ended wait in a bounded queue, and leave it in batches.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use prost::Message as _;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::outage::Outage;
use super::resource::resource;
use super::settings::{Signal, Target};
use super::transport::{Export, SetupError, Transport};
use crate::telemetry::logs::Logger;
use crate::telemetry::spans::{Ids, TARGET};

/// As the original names what makes its spans.
const SCOPE: &str = "falco-talon";

/// What is sent at once: collectors take no more than 4 MiB where they are not told otherwise.
const BYTES_MAX: usize = 3 << 20;

/// Makes spans and sends them.
#[derive(Debug, Clone)]
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Send what ends from now on to this collector, in this runtime. The SDK reads `OTEL_TRACES_SAMPLER` and
    /// `OTEL_BSP_*`; what is wrong there was reported before.
    pub(crate) fn new(target: &Target, logger: &Logger) -> Result<Self, SetupError> {
        let exporter = Exporter {
            transport: Arc::new(Transport::new(target)?),
            resource: Arc::default(),
            outage: Arc::new(Outage::new(logger.clone(), Signal::Traces)),
            runtime: Handle::current(),
        };
        let provider = SdkTracerProvider::builder()
            .with_id_generator(Ids::default())
            .with_resource(resource())
            .with_span_processor(BatchSpanProcessor::builder(exporter).build())
            .build();
        Ok(Self(provider))
    }

    /// What makes spans of those of `tracing`.
    pub(crate) fn tracer(&self) -> SdkTracer {
        let scope = InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION"));
        self.0.tracer_with_scope(scope.build())
    }

    /// Send what waits, for as long as there is time, and make no more.
    pub(crate) async fn end(self, deadline: Instant) {
        let within = deadline.saturating_duration_since(Instant::now());
        let ended = spawn_blocking(move || self.0.shutdown_with_timeout(within));
        // What could not be sent was reported.
        let _ = timeout_at(deadline, ended).await;
    }
}

/// Makes traces of the host's own spans, and of no others.
pub(crate) fn layer<S>(tracer: SdkTracer) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO))
}

/// As many requests as it takes, with the number of spans in each.
fn requests(batch: Vec<ResourceSpans>) -> Vec<(ExportTraceServiceRequest, usize)> {
    let mut requests = Vec::new();
    for mut of_resource in batch {
        for mut of_scope in std::mem::take(&mut of_resource.scope_spans) {
            let mut spans = std::mem::take(&mut of_scope.spans).into_iter().peekable();
            while spans.peek().is_some() {
                let (mut bytes, mut fitting) = (0, Vec::new());
                while let Some(span) =
                    spans.next_if(|span| fitting.is_empty() || bytes + span.encoded_len() <= BYTES_MAX)
                {
                    bytes += span.encoded_len();
                    fitting.push(span);
                }
                let count = fitting.len();
                let scope_spans = vec![ScopeSpans { spans: fitting, ..of_scope.clone() }];
                let resource_spans = vec![ResourceSpans { scope_spans, ..of_resource.clone() }];
                requests.push((ExportTraceServiceRequest { resource_spans }, count));
            }
        }
    }
    requests
}

/// Sends batches. The SDK asks for that in a thread of its own, where there is no runtime.
#[derive(Debug)]
struct Exporter {
    transport: Arc<Transport>,
    resource: Arc<ResourceAttributesWithSchema>,
    outage: Arc<Outage>,
    runtime: Handle,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (transport, outage, resource) = (self.transport.clone(), self.outage.clone(), self.resource.clone());
        let sent = self.runtime.spawn(async move {
            let mut result = Ok(());
            for (request, count) in requests(group_spans_by_resource_and_scope(batch, &resource)) {
                match transport.send(&Export::Traces(request)).await {
                    Ok(()) => outage.over(),
                    Err(error) => {
                        outage.lost(count, &error, Instant::now());
                        result = Err(OTelSdkError::InternalFailure(error));
                    }
                }
            }
            result
        });
        sent.await.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())))
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = Arc::new(ResourceAttributesWithSchema::from(resource));
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::Span;

    use super::*;

    #[test]
    fn what_is_too_much_at_once_is_sent_in_parts() {
        let span = |bytes: usize| Span { name: "x".repeat(bytes), ..Span::default() };
        let spans = [1, BYTES_MAX / 2, BYTES_MAX / 2 - 100, BYTES_MAX * 2, 1].map(span).to_vec();
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let requests = requests(vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }]);
        assert_eq!(requests.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [3, 1, 1]);
    }
}
