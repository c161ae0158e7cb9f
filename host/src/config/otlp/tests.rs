//! What is sent where, by keys and by variables.

use std::path::Path;

use expect_test::{Expect, expect};

use crate::config::Config;
use crate::telemetry::Target;

/// The configuration of this file and these variables, as the signals, each with where it goes.
fn shown(file: &str, variables: &[(&str, &str)]) -> String {
    let environment =
        |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
    let read = |_: &Path| Ok(file.to_owned());
    let config = match Config::load(Some(Path::new("c.yaml")), &[], environment, read) {
        Ok((config, _)) => config,
        Err(error) => return format!("{error}\n"),
    };
    let show = |target: &Target| {
        let Target { protocol, url, headers, timeout, authority } = target;
        let headers: Vec<_> = headers.iter().map(|(name, value)| format!(" {name}={}", value.expose())).collect();
        let authority = authority.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default();
        format!("{protocol:?} {url} {timeout:?}{}{authority}\n", headers.concat())
    };
    let traces = config.otlp.traces.map_or("no traces\n".to_owned(), |target| show(&target));
    let metrics = config.otlp.metrics.map(|(target, every)| format!("every {every:?}: {}", show(&target)));
    traces + &metrics.unwrap_or_default()
}

#[track_caller]
fn check(file: &str, variables: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&shown(&format!("otel: {{{file}}}"), variables));
}

#[test]
fn keys_say_where_a_collector_is() {
    check("", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "nonsense")], expect!["no traces\n"]);
    check(
        "traces_enabled: true, metrics_enabled: true",
        &[],
        expect![[r#"
            Grpc https://localhost:4317 10s
            every 60s: Grpc https://localhost:4317 10s
        "#]],
    );
    check(
        "traces_enabled: true, collector_endpoint: collector, collector_port: '14317', collector_use_insecure_grpc: true, timeout: 3",
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:1"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "7")],
        expect!["Grpc http://collector:14317 3s\n"],
    );
    check(
        "traces_enabled: true, collector_endpoint: '::1', protocol: http/protobuf",
        &[],
        expect!["Http https://[::1]:4318/v1/traces 10s\n"],
    );
}

#[test]
fn variables_count_where_keys_say_nothing() {
    check(
        "traces_enabled: true, metrics_enabled: true",
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://m/in"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20YTpi+/==, x=1"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "X=2"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ],
        expect![[r#"
            Http http://c:4318/v1/traces 2.5s authorization=Basic YTpi+/== x=1 /ca.pem
            every 500ms: Http https://m/in 2.5s authorization=Basic YTpi+/== x=2 /ca.pem
        "#]],
    );
    check(
        "",
        &[
            ("OTEL_TRACES_ENABLED", "true"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:1"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
        ],
        expect!["Grpc http://c:1 10s\n"],
    );
    check("traces_enabled: true", &[("OTEL_SDK_DISABLED", "true")], expect!["no traces\n"]);
}

#[test]
fn says_what_is_wrong() {
    check(
        "protocol: http/json",
        &[],
        expect![[r#"
        error unmarshalling config file: 'c.yaml:1:18: 'otel.protocol' must be grpc or http/protobuf, got 'http/json''
    "#]],
    );
    check(
        "traces_enabled: true, collector_endpoint: 'http://c'",
        &[],
        expect![[r#"
        error unmarshalling config file: 'c.yaml:1:50: 'otel.collector_endpoint' must be a name or an address, got 'http://c''
    "#]],
    );
    check(
        "traces_enabled: true",
        &[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://c"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
        ],
        expect![[r#"
            error unmarshalling config file: 'environment variable OTEL_EXPORTER_OTLP_PROTOCOL: must be grpc or http/protobuf, got 'http/json'; environment variable OTEL_EXPORTER_OTLP_TIMEOUT: must be a time in milliseconds, a whole number from 1 on, got '10s'; environment variable OTEL_EXPORTER_OTLP_ENDPOINT: must be the address of a collector, such as http://collector:4317; environment variable OTEL_EXPORTER_OTLP_HEADERS: must be headers as name=value, with commas between; environment variable OTEL_TRACES_SAMPLER: must be one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio, got 'sometimes''
        "#]],
    );
    check(
        "traces_enabled: true",
        &[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")],
        expect![[r#"
            error unmarshalling config file: 'environment variable OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1, as 'traceidratio' needs it, got '2''
        "#]],
    );
}
