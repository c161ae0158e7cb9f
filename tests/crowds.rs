//! Many events at once: what is bounded, what waits, what is dropped, and who is held up by whom.
//!
//! Behind the host is an API server that answers requests to some paths only once it is told to.

use std::fs;
use std::sync::Arc;

use expect_test::expect;
use host::testing::Config;
use kube::client::Body;
use serde_json::{Value, json};
use simulation::Simulation;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::hostile::{CLUSTER, event};
use crate::running::{Host, config, text, told};

/// Requests that wait until they are let through.
struct Gate {
    is_open: watch::Sender<bool>,
    waiting: Arc<watch::Sender<usize>>,
}

impl Gate {
    /// A closed gate before the paths of a simulation that contain `held`, and the client that is behind it.
    fn before(simulation: &Simulation, held: &'static str) -> (Gate, kube::Client) {
        let (is_open, waiting) = (watch::Sender::new(false), Arc::new(watch::Sender::new(0)));
        let (client, opens, arrivals) = (simulation.client(), is_open.subscribe(), Arc::clone(&waiting));
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (client, mut opens, arrivals) = (client.clone(), opens.clone(), Arc::clone(&arrivals));
            async move {
                if request.uri().path().contains(held) {
                    arrivals.send_modify(|count| *count += 1);
                    opens.wait_for(|is_open| *is_open).await.unwrap();
                }
                client.send(request).await
            }
        });
        (Gate { is_open, waiting }, kube::Client::new(service, "default"))
    }

    /// Wait until so many requests have come.
    async fn holds(&self, count: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting >= count).await.unwrap();
    }

    fn open(&self) {
        self.is_open.send_replace(true);
    }
}

const LABEL: &str = "
- rule: R
  match: {rules: [shell]}
  actions:
    - {action: Label it, actionner: 'kubernetes:label', parameters: {labels: {seen: 'true'}}}
";

/// A shell in a pod, with further output fields.
fn shell(pod: &str, fields: Value) -> String {
    let mut event: Value = serde_json::from_str(&event("shell", pod)).unwrap();
    event["output_fields"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event.to_string()
}

fn with_rules(rules: &str) -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let config = config(folder.path());
    (folder, config)
}

async fn start(config: Config, client: kube::Client) -> Host {
    Host::start(config, client).await.unwrap_or_else(|log| panic!("{}", told(&log.lines())))
}

/// Post events about web-0, the first of which runs while all others come, and let it end once they wait. What is
/// logged of their actions, the events being named by their message; and the metrics that begin with one of `names`.
async fn crowd(config: Config, events: &[Value], names: &[&str]) -> (String, String, Simulation) {
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let (gate, client) = Gate::before(&simulation, "web-0");
    let host = start(config, client).await;
    for (at, fields) in events.iter().enumerate() {
        let mut event: Value = serde_json::from_str(&shell("web-0", fields.clone())).unwrap();
        event["output"] = json!(format!("event {at}"));
        host.post(event.to_string()).await;
        if at == 0 {
            gate.holds(1).await;
        }
    }
    // Events are taken one after another, so that those before this one are in their lane.
    host.post(shell("web-1", json!({}))).await;
    host.log.line("action", |line| text(line, "pod") == "web-1").await;
    gate.open();
    host.wait_until_idle().await;
    let (_, metrics) = host.request("GET", "/metrics", b"").await;
    let lines = host.stop().await;
    let name_of = |trace_id: &str| {
        let of_event = lines.iter().find(|line| line["message"] == "event" && text(line, "trace_id") == trace_id);
        of_event.map_or_else(String::new, |line| text(line, "output").to_owned())
    };
    let of_action = |line: &Value| {
        let answered_by = name_of(text(line, "answered_by"));
        let by = if answered_by.is_empty() { String::new() } else { format!(" by {answered_by}") };
        let said = format!("{}{}", text(line, "error"), text(line, "output"));
        format!("{}: {}{by}: {said}\n", name_of(text(line, "trace_id")), text(line, "status"))
    };
    let actions = lines.iter().filter(|line| line["message"] == "action" && text(line, "pod") == "web-0");
    let shown = |line: &&str| names.iter().any(|name| line.contains(name)) && !line.starts_with('#');
    let metrics: String = metrics.lines().filter(shown).map(|line| format!("{line}\n")).collect();
    (actions.map(of_action).collect(), metrics, simulation)
}

fn patches(simulation: &Simulation, pod: &str) -> usize {
    let requests = simulation.requests();
    requests.iter().filter(|request| request.method == "PATCH" && request.path.contains(pod)).count()
}

fn command(line: &str) -> Value {
    json!({"proc.cmdline": line})
}

/// `kubernetes:label` reads nothing but its target, so what waits has one run; the one that runs already had begun
/// before the others came.
#[tokio::test]
async fn what_differs_in_nothing_that_is_read_has_one_run() {
    let (_folder, config) = with_rules(LABEL);
    let other_container = json!({"proc.cmdline": "d", "container.id": "1f"});
    let events = [command("a"), command("b"), command("c"), other_container, command("e")];
    let (actions, metrics, simulation) = crowd(config, &events, &["coalesced_total", "dropped_total"]).await;
    expect![[r#"
        event 0: success: the pod 'web-0' in the namespace 'shop' has been labeled
        event 1: success: the pod 'web-0' in the namespace 'shop' has been labeled
        event 2: success by event 1: the pod 'web-0' in the namespace 'shop' has been labeled
        event 3: success: the pod 'web-0' in the namespace 'shop' has been labeled
        event 4: success: the pod 'web-0' in the namespace 'shop' has been labeled
    "#]]
    .assert_eq(&actions);
    expect![[r#"
        falcosecurity_falco_talon_coalesced_total{actionner="kubernetes:label"} 1
        falcosecurity_falco_talon_dropped_total 0
    "#]]
    .assert_eq(&metrics);
    assert_eq!(patches(&simulation, "web-0"), 4);
}

/// An action that says nothing of what it reads has a run for each event, and so has a rule with one of those.
#[tokio::test]
async fn what_may_read_all_has_a_run_for_each() {
    let (_folder, config) = with_rules(&format!("{LABEL}    - {{action: Log it, actionner: 'kubernetes:log'}}\n"));
    let (_, metrics, simulation) = crowd(config, &[command("a"), command("b"), command("c")], &["coalesced"]).await;
    assert_eq!((patches(&simulation, "web-0"), metrics.as_str()), (3, ""));
}

/// The oldest of those that wait, not the one that runs.
#[tokio::test]
async fn the_oldest_of_too_many_for_one_target_is_dropped() {
    let (_folder, mut config) = with_rules(LABEL);
    config.queue_target_events_max = 2;
    let events: Vec<_> = (0..5).map(|at| json!({"container.id": at.to_string()})).collect();
    let (actions, metrics, simulation) = crowd(config, &events, &["dropped_total", "action_total"]).await;
    expect![[r#"
        event 1: dropped: dropped: more than 2 newer events wait for the same target
        event 2: dropped: dropped: more than 2 newer events wait for the same target
        event 0: success: the pod 'web-0' in the namespace 'shop' has been labeled
        event 3: success: the pod 'web-0' in the namespace 'shop' has been labeled
        event 4: success: the pod 'web-0' in the namespace 'shop' has been labeled
    "#]]
    .assert_eq(&actions);
    expect![[r#"
        falcosecurity_falco_talon_action_total{action="Label it",actionner="kubernetes:label",event="shell",namespace="shop",otel_scope_name="github.com/Falco-Talon/falco-talon",otel_scope_version="0.1.0",pod="web-0",rule="R",status="dropped"} 2
        falcosecurity_falco_talon_action_total{action="Label it",actionner="kubernetes:label",event="shell",namespace="shop",otel_scope_name="github.com/Falco-Talon/falco-talon",otel_scope_version="0.1.0",pod="web-0",rule="R",status="success"} 3
        falcosecurity_falco_talon_action_total{action="Label it",actionner="kubernetes:label",event="shell",namespace="shop",otel_scope_name="github.com/Falco-Talon/falco-talon",otel_scope_version="0.1.0",pod="web-1",rule="R",status="success"} 1
        falcosecurity_falco_talon_dropped_total 2
    "#]].assert_eq(&metrics);
    assert_eq!(patches(&simulation, "web-0"), 3);
}

/// Events of a rule of each kind about many pods, none of which is answered, and then one of a label.
async fn hold_up(config: Config, slow: &[(&str, &str)], each: usize, held: usize) {
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let (gate, client) = Gate::before(&simulation, "slow");
    let host = start(config, client).await;
    for at in 0..each {
        for (rule, _) in slow {
            host.post(event(rule, &format!("slow-{rule}-{at}"))).await;
        }
    }
    gate.holds(held).await;
    host.post(shell("web-0", json!({}))).await;
    let line = host.log.line("action", |line| text(line, "rule") == "R").await;
    assert_eq!(text(&line, "status"), "success");
    assert!(host.log.lines().iter().all(|line| line["message"] != "action" || text(line, "rule") == "R"));
    gate.open();
    host.wait_until_idle().await;
    let ended = host.stop().await.iter().filter(|line| line["message"] == "action").count();
    assert_eq!(ended, slow.len() * each + 1);
}

/// Each begins with a request about its pod.
const SLOW: [(&str, &str); 4] = [
    ("annotate", "kubernetes:annotation', parameters: {annotations: {seen: 'true'}}}"),
    ("terminate", "kubernetes:terminate'}"),
    ("isolate", "kubernetes:networkpolicy'}"),
    ("cordon", "kubernetes:cordon'}"),
];

fn with_slow() -> (TempDir, Config) {
    let rule = |(rule, action): &(&str, &str)| {
        format!("- rule: {rule}\n  match: {{rules: [{rule}]}}\n  actions:\n    - {{action: A, actionner: '{action}\n")
    };
    with_rules(&(SLOW.iter().map(rule).collect::<String>() + LABEL))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_kinds_hold_up_no_other() {
    let (_folder, mut config) = with_slow();
    config.concurrency_events_max = 2_048;
    // All that one actionner has by default, and more events than that.
    hold_up(config, &SLOW, 80, 3 * 64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_kinds_hold_up_no_other_whatever_is_scarce() {
    let (_folder, config) = with_slow();
    // Each leaves as much as it takes: 8 + 4 + 2 + 1 of 16.
    hold_up(Config { concurrency_events_max: 16, ..config.clone() }, &SLOW, 10, 15).await;
    hold_up(Config { concurrency_events_max: 64, concurrency_requests_max: 16, ..config.clone() }, &SLOW, 10, 15).await;
    // One call has more than a MiB of memory to begin with.
    hold_up(Config { concurrency_events_max: 64, concurrency_memory_bytes_max: 16 << 20, ..config }, &SLOW, 10, 8)
        .await;
}
