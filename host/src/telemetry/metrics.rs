//! What is counted and timed, and the text of `/metrics`.
//!
//! The three counters of the original keep their names, help texts and labels. Labels whose values
//! come from outside are bounded (see [`series`]): what goes beyond is still counted, as `other`.

mod series;

use std::sync::Arc;
use std::time::Duration;

use prometheus::proto::MetricFamily;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::text::clean;
use series::{LABEL_BYTES_MAX, Series};

/// The content type of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const PREFIX: &str = "falcosecurity_falco_talon_";

/// From half a millisecond, since most events are done within one, to a slow capture or drain.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The registry and everything in it. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    events: Series,
    matches: Series,
    actions: Series,
    outputs: Series,
    event_seconds: Histogram,
    queue_wait_seconds: Histogram,
    action_seconds: HistogramVec,
    host_call_seconds: HistogramVec,
    queue_bytes: IntGauge,
    queue_stored_bytes: IntGauge,
    dead_letters: IntGauge,
    deliveries_due: IntGauge,
    deliveries_given_up: IntCounterVec,
    queue_depth: IntGauge,
    events_in_flight: IntGauge,
    duplicates: IntCounter,
    unmatched: IntCounter,
    dropped: IntCounter,
    coalesced: IntCounterVec,
    denials: IntCounterVec,
    retries: IntCounterVec,
    rejected_requests: IntCounterVec,
    displaced_connections: IntCounterVec,
    reloads: IntCounterVec,
    checks: IntGaugeVec,
    dropped_log_lines: IntCounter,
}

/// What the queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queued {
    /// Events that wait to be taken.
    pub waiting: usize,
    /// Events that were taken and are not done.
    pub in_flight: usize,
    /// About how much memory the events take that are loaded.
    pub bytes: usize,
    /// What all of them take in the store.
    pub stored_bytes: u64,
    /// Events that ended and that a person may want to look at.
    pub dead: usize,
}

/// What one completed action is counted under.
#[derive(Debug, Clone, Copy)]
pub struct ActionLabels<'a> {
    /// The action's name in the rule.
    pub action: &'a str,
    /// What ran.
    pub actionner: &'a str,
    /// The name of the Falco rule. The original put the whole alert here.
    pub event: &'a str,
    /// The name of our rule.
    pub rule: &'a str,
    /// `success`, `failure`, `ignored`, `dropped`, `superseded`, `expired` or `unknown`.
    pub status: &'a str,
    /// The namespace of the target, empty if it has none.
    pub namespace: &'a str,
    /// The pod that was the target; empty for another target.
    pub pod: &'a str,
}

impl Metrics {
    /// All metrics at zero. `series_max` bounds each metric whose labels come from outside.
    pub fn new(version: &str, series_max: usize) -> prometheus::Result<Metrics> {
        let registry = Registry::new();
        let build = &Builder { registry: &registry, version, series_max };
        let build_info = build.counters("build_info", "version of this program", &["version"])?;
        build_info.with_label_values(&[version]).inc();
        let inner = Inner {
            events: build.series(
                "event_total",
                "number of received events",
                &["event", "priority", "source"],
                &["event", "source"],
            )?,
            matches: build.series(
                "match_total",
                "number of matched events",
                &["event", "priority", "source", "rule"],
                &["event", "source"],
            )?,
            actions: build.series(
                "action_total",
                "number of actions",
                &["action", "actionner", "event", "rule", "status", "namespace", "pod"],
                &["event", "namespace", "pod"],
            )?,
            outputs: build.series(
                "output_total",
                "number of artifacts sent to outputs",
                &["action", "rule", "target", "status"],
                &[],
            )?,
            event_seconds: build.histogram(
                "event_duration_seconds",
                "time from the reception of an event to the end of its last action",
            )?,
            queue_wait_seconds: build.histogram("queue_wait_seconds", "time that events waited in the queue")?,
            action_seconds: build.histograms("action_duration_seconds", "time that actions took", "actionner")?,
            host_call_seconds: build.histograms(
                "host_call_duration_seconds",
                "time that calls of actionners to the host took",
                "capability",
            )?,
            queue_bytes: build.gauge("queue_bytes", "memory of the events that are loaded, in bytes")?,
            queue_stored_bytes: build
                .gauge("queue_stored_bytes", "what the events that are not done take in the store, in bytes")?,
            dead_letters: build
                .gauge("dead_letters", "number of events that could not be brought to an end and are kept")?,
            deliveries_due: build.gauge("deliveries_due", "number of artifacts that are still to be delivered")?,
            deliveries_given_up: build.counters(
                "delivery_given_up_total",
                "number of artifacts that could not be delivered",
                &["target"],
            )?,
            queue_depth: build.gauge("queue_depth", "number of events that wait in the queue")?,
            events_in_flight: build
                .gauge("events_in_flight", "number of events that were taken from the queue and are not done")?,
            duplicates: build.counter("duplicate_total", "number of events dropped as duplicates")?,
            unmatched: build.counter("unmatched_total", "number of events that no rule answers")?,
            dropped: build
                .counter("dropped_total", "number of events dropped because newer ones waited for the same target")?,
            coalesced: build.counters(
                "coalesced_total",
                "number of actions answered by the run of another event",
                &["actionner"],
            )?,
            denials: build.counters(
                "denial_total",
                "number of calls of actionners that the policy denied",
                &["actionner", "capability"],
            )?,
            retries: build.counters(
                "retry_total",
                "number of actions tried again after a temporary failure",
                &["actionner"],
            )?,
            rejected_requests: build.counters(
                "rejected_request_total",
                "number of requests that were answered with an error",
                &["reason"],
            )?,
            displaced_connections: build.counters(
                "displaced_connection_total",
                "number of connections that were closed for a new one",
                &["limit"],
            )?,
            reloads: build.counters("reload_total", "number of reloads of rules and policy", &["result"])?,
            checks: build.gauges("check", "whether a check of /readyz is ok (1) or failed (0)", "check")?,
            dropped_log_lines: build
                .counter("dropped_log_line_total", "number of lines of the log that nobody read in time")?,
            registry: registry.clone(),
        };
        Ok(Metrics(Arc::new(inner)))
    }

    /// An artifact was sent to `target`, or should have been.
    pub fn output(&self, action: &str, rule: &str, target: &str, status: &str) {
        self.0.outputs.increment(&[action, rule, target, status]);
    }

    /// So many artifacts are still to be delivered.
    pub fn deliveries_due(&self, count: usize) {
        self.0.deliveries_due.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// An artifact will not be delivered any more.
    pub fn gave_up(&self, target: &str) {
        self.0.deliveries_given_up.with_label_values(&[&*clean(target, LABEL_BYTES_MAX)]).inc();
    }

    /// An event was received; `event` is its Falco rule.
    pub fn event(&self, event: &str, priority: &str, source: &str) {
        self.0.events.increment(&[event, priority, source]);
    }

    /// An event matched `rule`; `event` is its Falco rule.
    pub fn matched(&self, event: &str, priority: &str, source: &str, rule: &str) {
        self.0.matches.increment(&[event, priority, source, rule]);
    }

    /// An action ran to its end, well or not.
    pub fn action(&self, labels: &ActionLabels<'_>) {
        let ActionLabels { action, actionner, event, rule, status, namespace, pod } = *labels;
        self.0.actions.increment(&[action, actionner, event, rule, status, namespace, pod]);
    }

    /// How long an event took, from its reception to the end of its last action.
    pub fn event_took(&self, duration: Duration) {
        self.0.event_seconds.observe(duration.as_secs_f64());
    }

    /// How long an event waited in the queue.
    pub fn queue_waited(&self, duration: Duration) {
        self.0.queue_wait_seconds.observe(duration.as_secs_f64());
    }

    /// How long an action took.
    pub fn action_took(&self, actionner: &str, duration: Duration) {
        let labels = [&*clean(actionner, LABEL_BYTES_MAX)];
        self.0.action_seconds.with_label_values(&labels).observe(duration.as_secs_f64());
    }

    /// How long a call of an actionner to the host took. `capability` is one of ours.
    pub fn host_call_took(&self, capability: &'static str, duration: Duration) {
        self.0.host_call_seconds.with_label_values(&[capability]).observe(duration.as_secs_f64());
    }

    /// What the queue holds. Set when asked for.
    pub fn queue(&self, depth: Queued) {
        let Queued { waiting, in_flight, bytes, stored_bytes, dead } = depth;
        let set = |gauge: &IntGauge, number: u64| gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        set(&self.0.queue_depth, waiting as u64);
        set(&self.0.events_in_flight, in_flight as u64);
        set(&self.0.queue_bytes, bytes as u64);
        set(&self.0.queue_stored_bytes, stored_bytes);
        set(&self.0.dead_letters, dead as u64);
    }

    /// An event was dropped because the same was handled a moment ago.
    pub fn duplicate(&self) {
        self.0.duplicates.inc();
    }

    /// No rule answers an event.
    pub fn unmatched(&self) {
        self.0.unmatched.inc();
    }

    /// An event was dropped because too many newer ones waited for the same target.
    pub fn dropped(&self) {
        self.0.dropped.inc();
    }

    /// An action was answered by the run of another event.
    pub fn coalesced(&self, actionner: &str) {
        self.0.coalesced.with_label_values(&[&*clean(actionner, LABEL_BYTES_MAX)]).inc();
    }

    /// The policy denied a call. `capability` is one of ours.
    pub fn denied(&self, actionner: &str, capability: &'static str) {
        let actionner = clean(actionner, LABEL_BYTES_MAX);
        self.0.denials.with_label_values(&[&*actionner, capability]).inc();
    }

    /// An action is tried again after a temporary failure.
    pub fn retried(&self, actionner: &str) {
        self.0.retries.with_label_values(&[&*clean(actionner, LABEL_BYTES_MAX)]).inc();
    }

    /// A request was answered with an error.
    pub fn rejected(&self, reason: &'static str) {
        self.0.rejected_requests.with_label_values(&[reason]).inc();
    }

    /// A connection was closed for a new one, because of the limit that this key of the configuration sets.
    pub fn displaced(&self, key: &'static str) {
        self.0.displaced_connections.with_label_values(&[key]).inc();
    }

    /// Rules and policy were loaded anew, or could not be and the old ones stay.
    pub fn reloaded(&self, success: bool) {
        let result = if success { "success" } else { "failure" };
        self.0.reloads.with_label_values(&[result]).inc();
    }

    /// The state of a check, by its name, which is one of ours. Set when asked for.
    pub fn check(&self, name: &'static str, is_ok: bool) {
        self.0.checks.with_label_values(&[name]).set(i64::from(is_ok));
    }

    /// Counts lines of the log that are left out.
    pub(crate) fn dropped_log_lines(&self) -> IntCounter {
        self.0.dropped_log_lines.clone()
    }

    /// Everything as Prometheus' text format.
    pub fn render(&self) -> String {
        let mut families = self.0.registry.gather();
        for metric in families.iter_mut().flat_map(MetricFamily::mut_metric) {
            // To Prometheus an empty label is an absent one, and the original does not show it.
            let mut labels = metric.take_label();
            labels.retain(|label| !label.value().is_empty());
            metric.set_label(labels);
        }
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&families, &mut text) {
            text.push_str(&format!("# the rest could not be encoded: {error}\n"));
        }
        text
    }
}

/// Makes and registers metrics, all under the same prefix.
struct Builder<'a> {
    registry: &'a Registry,
    version: &'a str,
    series_max: usize,
}

impl Builder<'_> {
    fn series(
        &self,
        name: &str,
        help: &str,
        labels: &[&'static str],
        open: &[&'static str],
    ) -> prometheus::Result<Series> {
        let options = Opts::new(format!("{PREFIX}{name}"), help)
            .const_label("otel_scope_name", "github.com/Falco-Talon/falco-talon")
            .const_label("otel_scope_version", self.version);
        let counters = IntCounterVec::new(options, labels)?;
        self.registry.register(Box::new(counters.clone()))?;
        Ok(Series::new(counters, labels, open, self.series_max))
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        let counter = IntCounter::new(format!("{PREFIX}{name}"), help)?;
        self.registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        let counters = IntCounterVec::new(Opts::new(format!("{PREFIX}{name}"), help), labels)?;
        self.registry.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        let gauge = IntGauge::new(format!("{PREFIX}{name}"), help)?;
        self.registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> prometheus::Result<IntGaugeVec> {
        let gauges = IntGaugeVec::new(Opts::new(format!("{PREFIX}{name}"), help), &[label])?;
        self.registry.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    fn histogram(&self, name: &str, help: &str) -> prometheus::Result<Histogram> {
        let options = HistogramOpts::new(format!("{PREFIX}{name}"), help).buckets(SECONDS.into());
        let histogram = Histogram::with_opts(options)?;
        self.registry.register(Box::new(histogram.clone()))?;
        Ok(histogram)
    }

    fn histograms(&self, name: &str, help: &str, label: &str) -> prometheus::Result<HistogramVec> {
        let options = HistogramOpts::new(format!("{PREFIX}{name}"), help).buckets(SECONDS.into());
        let histograms = HistogramVec::new(options, &[label])?;
        self.registry.register(Box::new(histograms.clone()))?;
        Ok(histograms)
    }
}

#[cfg(test)]
mod tests;
