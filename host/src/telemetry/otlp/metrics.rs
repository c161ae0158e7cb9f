//! Metrics on their way to a collector: what `/metrics` shows, sent every now and then.
//!
//! They are converted from the registry that `/metrics` is made of. Counting in the SDK of OpenTelemetry besides would be
//! a second set of numbers, which need not be the same; and its instruments that are observed from outside, as these
//! would have to be, have no histograms.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use prometheus::proto::{self, MetricFamily, MetricType};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout_at};

use super::outage::Outage;
use super::resource::resource;
use super::settings::{Signal, Target};
use super::transport::{Export, SetupError, Transport};
use crate::telemetry::logs::Logger;

/// What the labels of the series say that are the scope's own, to OpenTelemetry.
const SCOPE_LABELS: &str = "otel_scope_";

/// As the labels of `/metrics` have it.
const SCOPE: &str = "github.com/Falco-Talon/falco-talon";

/// Sends metrics until it is ended.
#[derive(Debug)]
pub(crate) struct MetricsExport {
    end: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl MetricsExport {
    /// Send what `gather` finds to a collector, each time that `every` has passed.
    pub(crate) fn start(
        (target, every): &(Target, Duration),
        logger: &Logger,
        gather: impl Fn() -> Vec<MetricFamily> + Send + 'static,
    ) -> Result<Self, SetupError> {
        let transport = Transport::new(target)?;
        let (outage, start, every) = (Outage::new(logger.clone(), Signal::Metrics), now(), *every);
        let (end, mut is_ended) = oneshot::channel();
        let ended = tokio::spawn(async move {
            let mut ticks = interval_at(Instant::now() + every, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let is_last = tokio::select! {
                    _ = ticks.tick() => false,
                    _ = &mut is_ended => true,
                };
                let families = gather();
                let request = request(&families, start, now());
                match transport.send(&Export::Metrics(request)).await {
                    Ok(()) => outage.over(),
                    // They are sums, so that the next ones say all that these did.
                    Err(error) => outage.lost(families.len(), &error, Instant::now()),
                }
                if is_last {
                    return;
                }
            }
        });
        Ok(Self { end, ended })
    }

    /// Send them once more, for as long as there is time.
    pub(crate) async fn end(mut self, deadline: Instant) {
        let _ = self.end.send(());
        if timeout_at(deadline, &mut self.ended).await.is_err() {
            self.ended.abort();
        }
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn request(families: &[MetricFamily], start: u64, now: u64) -> ExportMetricsServiceRequest {
    let ResourceAttributesWithSchema { attributes, schema_url } = (&resource()).into();
    let scope = InstrumentationScope {
        name: SCOPE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let metrics = families.iter().filter_map(|family| metric(family, start, now)).collect();
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }];
    let resource = Some(Resource { attributes: attributes.0, ..Resource::default() });
    let schema_url = schema_url.unwrap_or_default();
    ExportMetricsServiceRequest { resource_metrics: vec![ResourceMetrics { resource, scope_metrics, schema_url }] }
}

fn metric(family: &MetricFamily, start: u64, now: u64) -> Option<Metric> {
    let numbers = |value: fn(&proto::Metric) -> f64| {
        let point = |metric: &proto::Metric| NumberDataPoint {
            attributes: attributes(metric),
            start_time_unix_nano: start,
            time_unix_nano: now,
            value: Some(number_data_point::Value::AsDouble(value(metric))),
            ..NumberDataPoint::default()
        };
        family.get_metric().iter().map(point).collect()
    };
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data = match family.get_field_type() {
        MetricType::COUNTER => metric::Data::Sum(Sum {
            data_points: numbers(|metric| metric.get_counter().get_value()),
            aggregation_temporality,
            is_monotonic: true,
        }),
        MetricType::GAUGE => {
            metric::Data::Gauge(Gauge { data_points: numbers(|metric| metric.get_gauge().get_value()) })
        }
        MetricType::HISTOGRAM => {
            let data_points = family.get_metric().iter().map(|metric| histogram(metric, start, now)).collect();
            metric::Data::Histogram(Histogram { data_points, aggregation_temporality })
        }
        // There are none.
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    let name = family.name();
    Some(Metric {
        // The ending is Prometheus' own.
        name: name.strip_suffix("_total").unwrap_or(name).to_owned(),
        description: family.help().to_owned(),
        unit: if name.ends_with("_seconds") { "s".to_owned() } else { String::new() },
        data: Some(data),
        ..Metric::default()
    })
}

/// Prometheus counts what is in a bucket and in all below it.
fn histogram(metric: &proto::Metric, start: u64, now: u64) -> HistogramDataPoint {
    let histogram = metric.get_histogram();
    let count = histogram.get_sample_count();
    let buckets = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
    let (mut below, mut bucket_counts, mut explicit_bounds) = (0, Vec::new(), Vec::new());
    for bucket in buckets {
        bucket_counts.push(bucket.cumulative_count().saturating_sub(below));
        explicit_bounds.push(bucket.upper_bound());
        below = bucket.cumulative_count();
    }
    bucket_counts.push(count.saturating_sub(below));
    HistogramDataPoint {
        attributes: attributes(metric),
        start_time_unix_nano: start,
        time_unix_nano: now,
        count,
        sum: Some(histogram.get_sample_sum()),
        bucket_counts,
        explicit_bounds,
        ..HistogramDataPoint::default()
    }
}

fn attributes(metric: &proto::Metric) -> Vec<KeyValue> {
    let own = metric.get_label().iter().filter(|label| !label.name().starts_with(SCOPE_LABELS));
    let attribute = |label: &proto::LabelPair| KeyValue {
        key: label.name().to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(label.value().to_owned())) }),
        ..KeyValue::default()
    };
    own.map(attribute).collect()
}

#[cfg(test)]
mod tests {
    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

    use super::*;

    #[test]
    fn says_what_the_registry_does() {
        let registry = Registry::new();
        let options = Opts::new("event_total", "received").const_label("otel_scope_name", "x");
        let counters = IntCounterVec::new(options, &["rule"]).unwrap();
        let gauge = IntGauge::new("depth", "that wait").unwrap();
        let options = HistogramOpts::new("took_seconds", "how long").buckets(vec![1.0, 2.0]);
        let histograms = HistogramVec::new(options, &["of"]).unwrap();
        registry.register(Box::new(counters.clone())).unwrap();
        registry.register(Box::new(gauge.clone())).unwrap();
        registry.register(Box::new(histograms.clone())).unwrap();
        counters.with_label_values(&["R"]).inc_by(3);
        gauge.set(-2);
        for seconds in [0.5, 1.5, 1.5, 9.0] {
            histograms.with_label_values(&["a"]).observe(seconds);
        }
        let metrics: Vec<_> = registry
            .gather()
            .iter()
            .filter_map(|family| metric(family, 1, 2))
            .map(|metric| (metric.name, metric.data))
            .collect();
        let [
            (depth, Some(metric::Data::Gauge(of_depth))),
            (event, Some(metric::Data::Sum(of_event))),
            (took, Some(metric::Data::Histogram(of_took))),
        ] = &*metrics
        else {
            panic!("{metrics:?}")
        };
        assert_eq!([depth, event, took], ["depth", "event", "took_seconds"]);
        let double = |value| Some(number_data_point::Value::AsDouble(value));
        assert_eq!(of_depth.data_points[0].value, double(-2.0));
        assert!(of_event.is_monotonic && of_event.aggregation_temporality == 2, "{of_event:?}");
        assert_eq!((of_event.data_points[0].value, of_event.data_points[0].attributes.len()), (double(3.0), 1));
        let point = &of_took.data_points[0];
        assert_eq!((point.count, point.sum), (4, Some(12.5)));
        assert_eq!((&*point.bucket_counts, &*point.explicit_bounds), (&[1, 2, 1][..], &[1.0, 2.0][..]));
    }
}
