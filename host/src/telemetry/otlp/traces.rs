//! Traces on their way to a collector: spans that ended wait in a bounded queue, and leave it in batches.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
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
            let count = batch.len();
            let resource_spans = group_spans_by_resource_and_scope(batch, &resource);
            let sent = transport.send(&Export::Traces(ExportTraceServiceRequest { resource_spans })).await;
            match &sent {
                Ok(()) => outage.over(),
                Err(error) => outage.lost(count, error, Instant::now()),
            }
            sent.map_err(OTelSdkError::InternalFailure)
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
