//! What `/metrics` shows after something was counted.

use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::expect;

use super::build::PREFIX;
use super::compat::UnknownCompat;
use super::*;
use crate::telemetry::text::is_printable;

fn metrics(series_max: usize) -> Metrics {
    Metrics::new("devel", series_max).unwrap().shown_as(Compat::Singular)
}

/// The samples of one metric, in the order in which they are shown.
fn lines(metrics: &Metrics, name: &str) -> String {
    let wanted = |line: &&str| line.contains(name);
    metrics.render().lines().filter(wanted).flat_map(|line| [line, "\n"]).collect()
}

fn parse(metrics: &Metrics) -> prometheus_parse::Scrape {
    let text = metrics.render();
    prometheus_parse::Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap()
}

fn counted(scrape: &prometheus_parse::Scrape, name: &str) -> f64 {
    let samples = scrape.samples.iter().filter(|sample| sample.metric == name);
    let value = |sample: &prometheus_parse::Sample| match sample.value {
        prometheus_parse::Value::Counter(value) => value,
        ref other => panic!("{name} is not a counter but {other:?}"),
    };
    samples.map(value).sum()
}

#[test]
fn counters_of_the_announcement() {
    let metrics = metrics(100);
    let event = "Unexpected outbound connection destination";
    metrics.event(event, "Critical", "syscalls");
    metrics.event(event, "Critical", "syscalls");
    metrics.matched(event, "Critical", "syscalls", "Suspicious outbound connection");
    metrics.action(&ActionLabels {
        action: "Terminate Pod",
        actionner: "kubernetes:terminate",
        event: "Test logs",
        rule: "Suspicious outbound connection",
        status: "failure",
        namespace: "falco",
        pod: "falco-5b7kc",
    });
    expect![[r#"
        # HELP falcosecurity_falco_talon_action_total number of actions
        # TYPE falcosecurity_falco_talon_action_total counter
        falcosecurity_falco_talon_action_total{action="Terminate Pod",actionner="kubernetes:terminate",event="Test logs",namespace="falco",otel_scope_name="github.com/Falco-Talon/falco-talon",otel_scope_version="devel",pod="falco-5b7kc",rule="Suspicious outbound connection",status="failure"} 1
    "#]]
    .assert_eq(&lines(&metrics, "action_total"));
    expect![[r#"
        # HELP falcosecurity_falco_talon_event_total number of received events
        # TYPE falcosecurity_falco_talon_event_total counter
        falcosecurity_falco_talon_event_total{event="Unexpected outbound connection destination",otel_scope_name="github.com/Falco-Talon/falco-talon",otel_scope_version="devel",priority="Critical",source="syscalls"} 2
    "#]]
    .assert_eq(&lines(&metrics, "event_total"));
    expect![[r#"
        # HELP falcosecurity_falco_talon_match_total number of matched events
        # TYPE falcosecurity_falco_talon_match_total counter
        falcosecurity_falco_talon_match_total{event="Unexpected outbound connection destination",otel_scope_name="github.com/Falco-Talon/falco-talon",otel_scope_version="devel",priority="Critical",rule="Suspicious outbound connection",source="syscalls"} 1
    "#]]
    .assert_eq(&lines(&metrics, "match_total"));
}

/// As a later version of the original shows them.
#[test]
fn counters_have_two_names_and_are_counted_once() {
    let count = |compat: Compat| {
        let metrics = metrics(100).shown_as(compat);
        metrics.event("Test label", "Critical", "syscall");
        metrics.event("Test label", "Critical", "syscall");
        metrics.output("Get logs", "logs", "minio:s3", "success");
        metrics.duplicate();
        lines(&metrics, "event_total") + &lines(&metrics, "s_total")
    };
    let (singular, plural) = (count(Compat::Singular), count(Compat::Plural));
    expect![[r#"
        # HELP falcosecurity_falco_talon_events_total number of received events
        # TYPE falcosecurity_falco_talon_events_total counter
        falcosecurity_falco_talon_events_total{event="Test label",otel_scope_name="github.com/falcosecurity/falco-talon",otel_scope_schema_url="",otel_scope_version="devel",priority="Critical",source="syscall"} 2
        # HELP falcosecurity_falco_talon_outputs_total number of outputs
        # TYPE falcosecurity_falco_talon_outputs_total counter
        falcosecurity_falco_talon_outputs_total{action="Get logs",category="minio",otel_scope_name="github.com/falcosecurity/falco-talon",otel_scope_schema_url="",otel_scope_version="devel",rule="logs",status="success",target="minio:s3"} 1
    "#]]
    .assert_eq(&plural);
    assert!(singular.ends_with(" 2\n") && !singular.contains("s_total"), "{singular}");
    assert_eq!(count(Compat::Both), singular + &plural);
    let names = ["both", "Singular", "plural", "seed"].map(str::parse);
    assert_eq!(names, [Ok(Compat::Both), Ok(Compat::Singular), Ok(Compat::Plural), Err(UnknownCompat)]);
}

#[test]
fn what_is_looked_at_is_as_it_is_when_asked_for() {
    let metrics = metrics(100);
    let place = Arc::new(AtomicUsize::new(3));
    let places = Arc::clone(&place);
    let look = metrics.look(move |metrics| {
        metrics.places_free("server.connections_max", places.load(Ordering::Relaxed));
    });
    assert!(lines(&metrics, "places_free").ends_with(
        r#"{limit="server.connections_max"} 3
"#
    ));
    place.store(2, Ordering::Relaxed);
    assert!(lines(&metrics, "places_free").ends_with(" 2\n"));
    drop(look);
    place.store(1, Ordering::Relaxed);
    assert!(lines(&metrics, "places_free").ends_with(" 2\n"));
    assert_eq!(Arc::strong_count(&place), 1);
}

#[test]
fn an_action_runs_until_it_has_ended() {
    let metrics = metrics(100);
    let (one, other) = (metrics.running("a:b"), metrics.running("a:b"));
    assert!(lines(&metrics, "actions_running").ends_with(" 2\n"));
    drop((one, other));
    assert!(lines(&metrics, "actions_running").ends_with(" 0\n"));
}

#[test]
fn leaves_out_empty_labels() {
    let metrics = metrics(100);
    metrics.event("rule", "Critical", "");
    assert!(!metrics.render().contains("source="));
}

#[test]
fn counts_what_is_beyond_the_cap_as_other() {
    let metrics = metrics(2);
    for rule in ["one", "two", "three", "four", "two"] {
        metrics.event(rule, "Notice", "syscall");
    }
    let scrape = parse(&metrics);
    assert_eq!(counted(&scrape, "falcosecurity_falco_talon_event_total"), 5.0);
    let shown = lines(&metrics, "event_total{");
    assert_eq!(shown.lines().count(), 3);
    assert!(shown.contains(r#"event="other""#) && shown.contains(r#"source="other"} 2"#), "{shown}");
    assert!(shown.contains(r#"event="two""#) && shown.contains(r#"source="syscall"} 2"#), "{shown}");
}

#[test]
fn hostile_label_values_stay_labels() {
    let metrics = metrics(100);
    metrics.event("a\"} 7\nforged_total{x=\"\\", "Critical", "\u{1b}[31m");
    metrics.event(&"long ".repeat(20_000), "Critical", "syscall");
    let text = metrics.render();
    let escaped = "event=\"a\\\"} 7\u{fffd}forged_total{x=\\\"\\\\\",";
    assert!(text.contains(escaped), "{text}");
    let is_fit = |line: &str| line.len() < 600 && line.chars().all(is_printable);
    assert!(text.lines().all(is_fit), "{text}");
    assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with(PREFIX)));
}

#[test]
fn everything_else_is_shown() {
    let metrics = metrics(100);
    metrics.event_took(Duration::from_millis(3));
    metrics.queue_waited(Duration::from_micros(40));
    metrics.action_took("kubernetes:label", Duration::from_millis(4));
    metrics.host_call_took("kubernetes-write", Duration::from_secs(90));
    metrics.queue(Queued { waiting: 3, in_flight: 2, bytes: 4096, stored_bytes: 8192, dead: 1 });
    metrics.duplicate();
    metrics.accepted();
    metrics.refused();
    drop(metrics.running("kubernetes:label"));
    metrics.sandbox_took("kubernetes:label", Duration::from_micros(90));
    metrics.upload_took("aws:s3", Duration::from_secs(2));
    metrics.notification_took("slack", Duration::from_secs(1));
    metrics.notifications_waiting("slack", 7);
    metrics.notification_given_up("slack");
    metrics.notification_dropped("slack");
    metrics.memory_free(4096);
    metrics.denied("acme:page", "http");
    metrics.retried("kubernetes:label");
    metrics.rejected("queue full");
    metrics.reloaded(true);
    metrics.reloaded(false);
    let text = metrics.render();
    let samples = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket"));
    let samples: String = samples.flat_map(|line| [line.trim_start_matches(PREFIX), "\n"]).collect();
    expect![[r#"
        accepted_total 1
        action_duration_seconds_sum{actionner="kubernetes:label"} 0.004
        action_duration_seconds_count{actionner="kubernetes:label"} 1
        actions_running{actionner="kubernetes:label"} 0
        audit_missing_line_total 0
        build_info{version="devel"} 1
        dead_letters 1
        deliveries_due 0
        denial_total{actionner="acme:page",capability="http"} 1
        dropped_log_line_total 0
        dropped_total 0
        duplicate_total 1
        event_duration_seconds_sum 0.003
        event_duration_seconds_count 1
        events_in_flight 2
        host_call_duration_seconds_sum{capability="kubernetes-write"} 90
        host_call_duration_seconds_count{capability="kubernetes-write"} 1
        memory_free_bytes 4096
        notification_dropped_total{notifier="slack"} 1
        notification_duration_seconds_sum{notifier="slack"} 1
        notification_duration_seconds_count{notifier="slack"} 1
        notification_given_up_total{notifier="slack"} 1
        notifications_waiting{notifier="slack"} 7
        queue_bytes 4096
        queue_depth 3
        queue_stored_bytes 8192
        queue_wait_seconds_sum 0.00004
        queue_wait_seconds_count 1
        refused_total 1
        rejected_request_total{reason="queue full"} 1
        reload_total{result="failure"} 1
        reload_total{result="success"} 1
        retry_total{actionner="kubernetes:label"} 1
        sandbox_overhead_seconds_sum{actionner="kubernetes:label"} 0.00009
        sandbox_overhead_seconds_count{actionner="kubernetes:label"} 1
        unmatched_total 0
        upload_duration_seconds_sum{target="aws:s3"} 2
        upload_duration_seconds_count{target="aws:s3"} 1
    "#]]
    .assert_eq(&samples);
    assert_eq!(counted(&parse(&metrics), "falcosecurity_falco_talon_reload_total"), 2.0);
}
