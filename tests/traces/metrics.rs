//! The metrics that a Collector is sent are those of `/metrics`.

use std::collections::BTreeMap;

use tokio::task::spawn_blocking;

use super::{attributes, documents, end, list, program, respond, until};
use crate::running::text;
use crate::servers::{self, Server};

/// The sums and counts of `/metrics` by name and labels, under the names that they have at the Collector.
fn shown(metrics: &str) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let counted = name.strip_suffix("_total").or_else(|| name.strip_suffix("_count"));
        let Some(name) = counted else { continue };
        let labels = labels.trim_end_matches('}').split("\",").map(|label| label.trim_end_matches('"'));
        let mut labels: Vec<_> =
            labels.filter(|label| !label.is_empty() && !label.starts_with("otel_scope_")).collect();
        labels.sort_unstable();
        values.insert(format!("{name} {}", labels.join(" ").replace("=\"", "=")), value.parse().unwrap());
    }
    values
}

/// The same of what the Collector was sent last.
fn sent(collector: &Server) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for document in documents(collector.value("metrics")) {
        let of_scopes = list(&document, "resourceMetrics").flat_map(|of_resource| list(of_resource, "scopeMetrics"));
        for metric in of_scopes.flat_map(|of_scope| list(of_scope, "metrics")) {
            for point in list(&metric["sum"], "dataPoints").chain(list(&metric["histogram"], "dataPoints")) {
                let labels: Vec<_> =
                    attributes(point).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
                let count = point["count"].as_str().and_then(|count| count.parse().ok());
                let value = point["asDouble"].as_f64().or(count).unwrap_or_default();
                values.insert(format!("{} {}", text(metric, "name"), labels.join(" ")), value);
            }
        }
    }
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_those_that_are_shown() {
    let Some(collector) = servers::start("otelcol", &[]) else { return };
    let mut program = program(collector.value("otlp_grpc"), "").await;
    let follow = move || {
        for _ in 0..3 {
            respond(&mut program, "/", "");
        }
        let drained = |metrics: &str| metrics.contains("falcosecurity_falco_talon_events_in_flight 0\n");
        let metrics = until(|| Some(program.request("GET", "/metrics", "")).filter(|metrics| drained(metrics)));
        end(&mut program);
        let expected = shown(&metrics);
        let actions = expected.iter().filter(|(series, _)| series.starts_with("falcosecurity_falco_talon_action "));
        assert_eq!(actions.map(|(_, value)| value).sum::<f64>(), 3.0, "{expected:?}");
        let found = until(|| Some(sent(&collector)).filter(|sent| !sent.is_empty()));
        assert_eq!(found, expected);
    };
    spawn_blocking(follow).await.unwrap();
}
