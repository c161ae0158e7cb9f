//! What is counted and timed, and the text of `/metrics`.
//!
//! The counters of the original keep their names (see [`compat`]), help texts and labels. Labels whose values come from
//! outside are bounded (see [`series`]): what goes beyond is still counted, as `other`.

mod labels;

mod families;
mod looks;

mod compat;

mod series;

mod build;

use std::sync::Arc;
use std::time::Duration;

use prometheus::proto::MetricFamily;
use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder};

use super::text::clean;
use build::Builder;
pub use compat::Compat;
use families::{Actions, Deliveries, Events, Process};
pub(crate) use labels::Queued;
pub use labels::{ActionLabels, NotificationLabels};
pub(crate) use looks::Look;
use looks::Looks;
use series::LABEL_BYTES_MAX;

/// The content type of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The registry and everything in it. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    all: Arc<All>,
    compat: Compat,
}

#[derive(Debug)]
struct All {
    registry: Registry,
    version: String,
    looks: Looks,
    events: Events,
    actions: Actions,
    deliveries: Deliveries,
    process: Process,
}

/// An action that runs, until this is dropped.
#[must_use = "it runs for as long as this is held"]
#[derive(Debug)]
pub struct Running(IntGauge);

impl Metrics {
    /// All metrics at zero. `series_max` bounds each metric whose labels come from outside.
    pub fn new(version: &str, series_max: usize) -> prometheus::Result<Metrics> {
        let registry = Registry::new();
        let build = &Builder { registry: &registry, series_max };
        let (events, actions) = (Events::new(build)?, Actions::new(build)?);
        let (deliveries, process) = (Deliveries::new(build)?, Process::new(build, version)?);
        let (version, looks) = (version.to_owned(), Looks::default());
        let all = All { registry, version, looks, events, actions, deliveries, process };
        Ok(Metrics { all: Arc::new(all), compat: Compat::default() })
    }

    /// The same, with the original's counters under these names.
    #[must_use]
    pub fn shown_as(self, compat: Compat) -> Metrics {
        Metrics { compat, ..self }
    }

    /// Whenever somebody asks, until what is returned is dropped, have `look` set what nobody sets meanwhile. It must
    /// not hold these metrics, which it is given.
    pub fn look(&self, look: impl Fn(&Metrics) + Send + Sync + 'static) -> Look {
        let (all, compat) = (Arc::downgrade(&self.all), self.compat);
        self.all.looks.add(move || {
            if let Some(all) = all.upgrade() {
                look(&Metrics { all, compat });
            }
        })
    }

    /// An artifact was sent to `target`, or should have been.
    pub fn output(&self, action: &str, rule: &str, target: &str, status: &str) {
        let category = target.split(':').next().unwrap_or_default();
        self.all.deliveries.outputs.increment(&[action, category, rule, target, status]);
    }

    /// How long it took to send an artifact that has arrived.
    pub fn upload_took(&self, target: &str, duration: Duration) {
        observe(&self.all.deliveries.upload_seconds, target, duration);
    }

    /// So many artifacts are still to be delivered.
    pub fn deliveries_due(&self, count: usize) {
        set(&self.all.deliveries.outputs_due, count);
    }

    /// An artifact will not be delivered any more.
    pub fn gave_up(&self, target: &str) {
        increment(&self.all.deliveries.outputs_given_up, target);
    }

    /// So many notifications have ended that were told as one: they were sent, or will not be.
    pub fn notified(&self, labels: &NotificationLabels<'_>, count: usize) {
        let NotificationLabels { action, actionner, notifier, rule, status, target } = *labels;
        let values = [action, actionner, notifier, rule, status, target];
        self.all.deliveries.notifications.increment_by(&values, count as u64);
    }

    /// How long an attempt to send a notification took, whatever came of it.
    pub fn notification_took(&self, notifier: &str, duration: Duration) {
        observe(&self.all.deliveries.notification_seconds, notifier, duration);
    }

    /// So many notifications are still to be sent by this notifier.
    pub fn notifications_waiting(&self, notifier: &str, count: usize) {
        set(&self.all.deliveries.notifications_waiting.with_label_values(&[&*clean(notifier, LABEL_BYTES_MAX)]), count);
    }

    /// A notification will not be tried any more.
    pub fn notification_given_up(&self, notifier: &str) {
        increment(&self.all.deliveries.notifications_given_up, notifier);
    }

    /// A notification was not even queued, or removed from the queue, since too many wait.
    pub fn notification_dropped(&self, notifier: &str) {
        increment(&self.all.deliveries.notifications_dropped, notifier);
    }

    /// An event was received; `event` is its Falco rule.
    pub fn event(&self, event: &str, priority: &str, source: &str) {
        self.all.events.received.increment(&[event, priority, source]);
    }

    /// An event matched `rule`; `event` is its Falco rule.
    pub fn matched(&self, event: &str, priority: &str, source: &str, rule: &str) {
        self.all.events.matches.increment(&[event, priority, source, rule]);
    }

    /// An action ran to its end, well or not.
    pub fn action(&self, labels: &ActionLabels<'_>) {
        let ActionLabels { action, actionner, event, rule, status, namespace, pod } = *labels;
        self.all.actions.ended.increment(&[action, actionner, event, rule, status, namespace, pod]);
    }

    /// How long an event took, from its reception to the end of its last action.
    pub fn event_took(&self, duration: Duration) {
        self.all.events.seconds.observe(duration.as_secs_f64());
    }

    /// How long an event waited in the queue.
    pub fn queue_waited(&self, duration: Duration) {
        self.all.events.wait_seconds.observe(duration.as_secs_f64());
    }

    /// How long an action took.
    pub fn action_took(&self, actionner: &str, duration: Duration) {
        observe(&self.all.actions.seconds, actionner, duration);
    }

    /// An action begins to run, until what is returned is dropped.
    pub fn running(&self, actionner: &str) -> Running {
        let running = self.all.actions.running.with_label_values(&[&*clean(actionner, LABEL_BYTES_MAX)]);
        running.inc();
        Running(running)
    }

    /// How long a call of an actionner took beside its own calls to the host.
    pub fn sandbox_took(&self, actionner: &str, duration: Duration) {
        observe(&self.all.actions.sandbox_seconds, actionner, duration);
    }

    /// How long a call of an actionner to the host took. `capability` is one of ours.
    pub fn host_call_took(&self, capability: &'static str, duration: Duration) {
        self.all.actions.host_call_seconds.with_label_values(&[capability]).observe(duration.as_secs_f64());
    }

    /// What the queue holds. Set when asked for.
    pub fn queue(&self, depth: Queued) {
        let Queued { waiting, in_flight, bytes, stored_bytes, dead } = depth;
        set(&self.all.events.waiting, waiting);
        set(&self.all.events.in_flight, in_flight);
        set(&self.all.events.bytes, bytes);
        set(&self.all.events.stored_bytes, stored_bytes);
        set(&self.all.events.dead, dead);
    }

    /// How much is free of what this key of the configuration bounds. Set when asked for.
    pub fn places_free(&self, key: &'static str, count: usize) {
        set(&self.all.process.places_free.with_label_values(&[key]), count);
    }

    /// How much memory is free for calls of actionners. Set when asked for.
    pub fn memory_free(&self, bytes: usize) {
        set(&self.all.process.memory_free, bytes);
    }

    /// An event was stored to be handled.
    pub fn accepted(&self) {
        self.all.events.accepted.inc();
    }

    /// An event that a rule answers could not be stored.
    pub fn refused(&self) {
        self.all.events.refused.inc();
    }

    /// An event was dropped because the same was handled a moment ago.
    pub fn duplicate(&self) {
        self.all.events.duplicates.inc();
    }

    /// No rule answers an event.
    pub fn unmatched(&self) {
        self.all.events.unmatched.inc();
    }

    /// An event was dropped because too many newer ones waited for the same target.
    pub fn dropped(&self) {
        self.all.events.dropped.inc();
    }

    /// An action was answered by the run of another event.
    pub fn coalesced(&self, actionner: &str) {
        increment(&self.all.actions.coalesced, actionner);
    }

    /// The policy denied a call. `capability` is one of ours.
    pub fn denied(&self, actionner: &str, capability: &'static str) {
        let actionner = clean(actionner, LABEL_BYTES_MAX);
        self.all.actions.denials.with_label_values(&[&*actionner, capability]).inc();
    }

    /// An action is tried again after a temporary failure.
    pub fn retried(&self, actionner: &str) {
        increment(&self.all.actions.retries, actionner);
    }

    /// A request was answered with an error.
    pub fn rejected(&self, reason: &'static str) {
        self.all.process.rejected_requests.with_label_values(&[reason]).inc();
    }

    /// A connection was closed for a new one, because of the limit that this key of the configuration sets.
    pub fn displaced(&self, key: &'static str) {
        self.all.process.displaced_connections.with_label_values(&[key]).inc();
    }

    /// Rules and policy were loaded anew, or could not be and the old ones stay.
    pub fn reloaded(&self, success: bool) {
        let result = if success { "success" } else { "failure" };
        self.all.process.reloads.with_label_values(&[result]).inc();
    }

    /// The state of a check, by its name, which is one of ours. Set when asked for.
    pub fn check(&self, name: &'static str, is_ok: bool) {
        self.all.process.checks.with_label_values(&[name]).set(i64::from(is_ok));
    }

    /// Counts lines of the log that are left out.
    pub(crate) fn dropped_log_lines(&self) -> IntCounter {
        self.all.process.dropped_log_lines.clone()
    }

    /// Counts lines of the audit record that could not be written.
    pub(crate) fn missing_audit_lines(&self) -> IntCounter {
        self.all.process.missing_audit_lines.clone()
    }

    /// Everything that was counted, once: under the names of the announcement, and without its labels of a scope.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.all.looks.take();
        let mut families = self.all.registry.gather();
        for metric in families.iter_mut().flat_map(MetricFamily::mut_metric) {
            // To Prometheus an empty label is an absent one, and the original does not show it.
            let mut labels = metric.take_label();
            labels.retain(|label| !label.value().is_empty());
            metric.set_label(labels);
        }
        families
    }

    /// The same under the names that were chosen, and with the original's labels.
    pub fn shown(&self) -> Vec<MetricFamily> {
        self.compat.named(self.gather(), &self.all.version)
    }

    /// Everything as Prometheus' text format.
    pub fn render(&self) -> String {
        let families = self.shown();
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&families, &mut text) {
            text.push_str(&format!("# the rest could not be encoded: {error}\n"));
        }
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn set(gauge: &IntGauge, number: impl TryInto<i64>) {
    gauge.set(number.try_into().unwrap_or(i64::MAX));
}

/// One more of those with this label, which our own rules and configuration choose.
fn increment(counters: &IntCounterVec, label: &str) {
    counters.with_label_values(&[&*clean(label, LABEL_BYTES_MAX)]).inc();
}

fn observe(histograms: &HistogramVec, label: &str, duration: Duration) {
    histograms.with_label_values(&[&*clean(label, LABEL_BYTES_MAX)]).observe(duration.as_secs_f64());
}

#[cfg(test)]
mod tests;
