//! Everything that is counted and timed, by what it is about.

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Result};

use super::build::Builder;
use super::series::Series;

/// Of events, from their reception to the end of their last action.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) received: Series,
    pub(super) matches: Series,
    pub(super) unmatched: IntCounter,
    pub(super) duplicates: IntCounter,
    pub(super) refused: IntCounter,
    pub(super) accepted: IntCounter,
    pub(super) dropped: IntCounter,
    pub(super) wait_seconds: Histogram,
    pub(super) seconds: Histogram,
    pub(super) waiting: IntGauge,
    pub(super) in_flight: IntGauge,
    pub(super) bytes: IntGauge,
    pub(super) stored_bytes: IntGauge,
    pub(super) dead: IntGauge,
}

/// Of actions, and of what they ask of the host.
#[derive(Debug)]
pub(super) struct Actions {
    pub(super) ended: Series,
    pub(super) coalesced: IntCounterVec,
    pub(super) retries: IntCounterVec,
    pub(super) denials: IntCounterVec,
    pub(super) seconds: HistogramVec,
    pub(super) host_call_seconds: HistogramVec,
    pub(super) sandbox_seconds: HistogramVec,
    pub(super) running: IntGaugeVec,
}

/// Of what is sent away.
#[derive(Debug)]
pub(super) struct Deliveries {
    pub(super) outputs: Series,
    pub(super) outputs_due: IntGauge,
    pub(super) outputs_given_up: IntCounterVec,
    pub(super) upload_seconds: HistogramVec,
    pub(super) notifications: Series,
    pub(super) notifications_waiting: IntGaugeVec,
    pub(super) notifications_given_up: IntCounterVec,
    pub(super) notifications_dropped: IntCounterVec,
    pub(super) notification_seconds: HistogramVec,
}

/// Of the process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) rejected_requests: IntCounterVec,
    pub(super) displaced_connections: IntCounterVec,
    pub(super) reloads: IntCounterVec,
    pub(super) checks: IntGaugeVec,
    pub(super) dropped_log_lines: IntCounter,
    pub(super) missing_audit_lines: IntCounter,
    pub(super) places_free: IntGaugeVec,
    pub(super) memory_free: IntGauge,
}

impl Events {
    pub(super) fn new(build: &Builder<'_>) -> Result<Self> {
        let open = &["event", "source"];
        Ok(Self {
            received: build.series(
                "event_total",
                "number of received events",
                &["event", "priority", "source"],
                open,
            )?,
            matches: build.series(
                "match_total",
                "number of matched events",
                &["event", "priority", "source", "rule"],
                open,
            )?,
            unmatched: build.counter("unmatched_total", "number of events that no rule answers")?,
            duplicates: build.counter("duplicate_total", "number of events dropped as duplicates")?,
            refused: build.counter(
                "refused_total",
                "number of events that a rule answers and that could not be stored, which their senders were told",
            )?,
            accepted: build
                .counter("accepted_total", "number of events that a rule answers and that were stored to be handled")?,
            dropped: build
                .counter("dropped_total", "number of events dropped because newer ones waited for the same target")?,
            wait_seconds: build.histogram("queue_wait_seconds", "time that events waited in the queue")?,
            seconds: build.histogram(
                "event_duration_seconds",
                "time from the reception of an event to the end of its last action",
            )?,
            waiting: build.gauge("queue_depth", "number of events that wait in the queue")?,
            in_flight: build
                .gauge("events_in_flight", "number of events that were taken from the queue and are not done")?,
            bytes: build.gauge("queue_bytes", "memory of the events that are loaded, in bytes")?,
            stored_bytes: build
                .gauge("queue_stored_bytes", "what the events that are not done take in the store, in bytes")?,
            dead: build.gauge("dead_letters", "number of events that could not be brought to an end and are kept")?,
        })
    }
}

impl Actions {
    pub(super) fn new(build: &Builder<'_>) -> Result<Self> {
        Ok(Self {
            ended: build.series(
                "action_total",
                "number of actions",
                &["action", "actionner", "event", "rule", "status", "namespace", "pod"],
                &["event", "namespace", "pod"],
            )?,
            coalesced: build.counters(
                "coalesced_total",
                "number of actions answered by the run of another event",
                &["actionner"],
            )?,
            retries: build.counters(
                "retry_total",
                "number of actions tried again after a temporary failure",
                &["actionner"],
            )?,
            denials: build.counters(
                "denial_total",
                "number of calls of actionners that the policy denied",
                &["actionner", "capability"],
            )?,
            seconds: build.histograms("action_duration_seconds", "time that actions took", "actionner")?,
            host_call_seconds: build.histograms(
                "host_call_duration_seconds",
                "time that calls of actionners to the host took",
                "capability",
            )?,
            sandbox_seconds: build.histograms(
                "sandbox_overhead_seconds",
                "time that calls of actionners took beside their calls to the host",
                "actionner",
            )?,
            running: build.gauges("actions_running", "number of calls of actionners that run", "actionner")?,
        })
    }
}

impl Deliveries {
    pub(super) fn new(build: &Builder<'_>) -> Result<Self> {
        Ok(Self {
            outputs: build.series(
                "output_total",
                "number of outputs",
                &["action", "category", "rule", "target", "status"],
                &[],
            )?,
            outputs_due: build.gauge("deliveries_due", "number of artifacts that are still to be delivered")?,
            outputs_given_up: build.counters(
                "delivery_given_up_total",
                "number of artifacts that could not be delivered",
                &["target"],
            )?,
            upload_seconds: build.histograms(
                "upload_duration_seconds",
                "time that the last attempt took by which an artifact arrived",
                "target",
            )?,
            notifications: build.series(
                "notification_total",
                "number of notifications",
                &["action", "actionner", "notifier", "rule", "status", "target"],
                &[],
            )?,
            notifications_waiting: build.gauges(
                "notifications_waiting",
                "number of notifications that are still to be sent",
                "notifier",
            )?,
            notifications_given_up: build.counters(
                "notification_given_up_total",
                "number of notifications that could not be sent",
                &["notifier"],
            )?,
            notifications_dropped: build.counters(
                "notification_dropped_total",
                "number of notifications that were dropped because too many waited",
                &["notifier"],
            )?,
            notification_seconds: build.histograms(
                "notification_duration_seconds",
                "time that attempts to send notifications took",
                "notifier",
            )?,
        })
    }
}

impl Process {
    pub(super) fn new(build: &Builder<'_>, version: &str) -> Result<Self> {
        build.gauges("build_info", "version of this program", "version")?.with_label_values(&[version]).set(1);
        Ok(Self {
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
            missing_audit_lines: build
                .counter("audit_missing_line_total", "number of lines of the audit record that could not be written")?,
            places_free: build.gauges(
                "places_free",
                "how much is free of what this key of the configuration bounds",
                "limit",
            )?,
            memory_free: build.gauge("memory_free_bytes", "memory that is free for calls of actionners, in bytes")?,
        })
    }
}
