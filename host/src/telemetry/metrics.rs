//! What is counted and timed, and the text of `/metrics`.
//!
//! The three counters of the original keep their names, help texts and labels. Labels whose values
//! come from outside are bounded (see [`series`]): what goes beyond is still counted, as `other`.

mod families;

mod series;

mod build;

use std::sync::Arc;
use std::time::Duration;

use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge, Registry, TextEncoder};

use super::text::clean;
use build::Builder;
use families::{Actions, Deliveries, Events, Process};
use series::LABEL_BYTES_MAX;

/// The content type of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The registry and everything in it. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    events: Events,
    actions: Actions,
    deliveries: Deliveries,
    process: Process,
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
        let (events, actions) = (Events::new(build)?, Actions::new(build)?);
        let (deliveries, process) = (Deliveries::new(build)?, Process::new(build)?);
        Ok(Metrics(Arc::new(Inner { registry, events, actions, deliveries, process })))
    }

    /// An artifact was sent to `target`, or should have been.
    pub fn output(&self, action: &str, rule: &str, target: &str, status: &str) {
        self.0.deliveries.outputs.increment(&[action, rule, target, status]);
    }

    /// So many artifacts are still to be delivered.
    pub fn deliveries_due(&self, count: usize) {
        self.0.deliveries.outputs_due.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// An artifact will not be delivered any more.
    pub fn gave_up(&self, target: &str) {
        self.0.deliveries.outputs_given_up.with_label_values(&[&*clean(target, LABEL_BYTES_MAX)]).inc();
    }

    /// An event was received; `event` is its Falco rule.
    pub fn event(&self, event: &str, priority: &str, source: &str) {
        self.0.events.received.increment(&[event, priority, source]);
    }

    /// An event matched `rule`; `event` is its Falco rule.
    pub fn matched(&self, event: &str, priority: &str, source: &str, rule: &str) {
        self.0.events.matches.increment(&[event, priority, source, rule]);
    }

    /// An action ran to its end, well or not.
    pub fn action(&self, labels: &ActionLabels<'_>) {
        let ActionLabels { action, actionner, event, rule, status, namespace, pod } = *labels;
        self.0.actions.ended.increment(&[action, actionner, event, rule, status, namespace, pod]);
    }

    /// How long an event took, from its reception to the end of its last action.
    pub fn event_took(&self, duration: Duration) {
        self.0.events.seconds.observe(duration.as_secs_f64());
    }

    /// How long an event waited in the queue.
    pub fn queue_waited(&self, duration: Duration) {
        self.0.events.wait_seconds.observe(duration.as_secs_f64());
    }

    /// How long an action took.
    pub fn action_took(&self, actionner: &str, duration: Duration) {
        let labels = [&*clean(actionner, LABEL_BYTES_MAX)];
        self.0.actions.seconds.with_label_values(&labels).observe(duration.as_secs_f64());
    }

    /// How long a call of an actionner to the host took. `capability` is one of ours.
    pub fn host_call_took(&self, capability: &'static str, duration: Duration) {
        self.0.actions.host_call_seconds.with_label_values(&[capability]).observe(duration.as_secs_f64());
    }

    /// What the queue holds. Set when asked for.
    pub fn queue(&self, depth: Queued) {
        let Queued { waiting, in_flight, bytes, stored_bytes, dead } = depth;
        let set = |gauge: &IntGauge, number: u64| gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        set(&self.0.events.waiting, waiting as u64);
        set(&self.0.events.in_flight, in_flight as u64);
        set(&self.0.events.bytes, bytes as u64);
        set(&self.0.events.stored_bytes, stored_bytes);
        set(&self.0.events.dead, dead as u64);
    }

    /// An event was dropped because the same was handled a moment ago.
    pub fn duplicate(&self) {
        self.0.events.duplicates.inc();
    }

    /// No rule answers an event.
    pub fn unmatched(&self) {
        self.0.events.unmatched.inc();
    }

    /// An event was dropped because too many newer ones waited for the same target.
    pub fn dropped(&self) {
        self.0.events.dropped.inc();
    }

    /// An action was answered by the run of another event.
    pub fn coalesced(&self, actionner: &str) {
        self.0.actions.coalesced.with_label_values(&[&*clean(actionner, LABEL_BYTES_MAX)]).inc();
    }

    /// The policy denied a call. `capability` is one of ours.
    pub fn denied(&self, actionner: &str, capability: &'static str) {
        let actionner = clean(actionner, LABEL_BYTES_MAX);
        self.0.actions.denials.with_label_values(&[&*actionner, capability]).inc();
    }

    /// An action is tried again after a temporary failure.
    pub fn retried(&self, actionner: &str) {
        self.0.actions.retries.with_label_values(&[&*clean(actionner, LABEL_BYTES_MAX)]).inc();
    }

    /// A request was answered with an error.
    pub fn rejected(&self, reason: &'static str) {
        self.0.process.rejected_requests.with_label_values(&[reason]).inc();
    }

    /// A connection was closed for a new one, because of the limit that this key of the configuration sets.
    pub fn displaced(&self, key: &'static str) {
        self.0.process.displaced_connections.with_label_values(&[key]).inc();
    }

    /// Rules and policy were loaded anew, or could not be and the old ones stay.
    pub fn reloaded(&self, success: bool) {
        let result = if success { "success" } else { "failure" };
        self.0.process.reloads.with_label_values(&[result]).inc();
    }

    /// The state of a check, by its name, which is one of ours. Set when asked for.
    pub fn check(&self, name: &'static str, is_ok: bool) {
        self.0.process.checks.with_label_values(&[name]).set(i64::from(is_ok));
    }

    /// Counts lines of the log that are left out.
    pub(crate) fn dropped_log_lines(&self) -> IntCounter {
        self.0.process.dropped_log_lines.clone()
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

#[cfg(test)]
mod tests;
