//! Many events at once: what is bounded, what waits, what is dropped, and who is held up by whom.
//!
//! Behind the host is an API server that answers requests to some paths only once it is told to.

use std::fs;
use std::sync::Arc;

use expect_test::expect;
use host::testing::{Config, configuration};
use kube::client::Body;
use serde_json::{Value, json};
use simulation::Simulation;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::hostile::{CLUSTER, event, folder, guest};
use crate::running::{Host, config, text, told};

/// Requests that wait until they are let through.
pub(crate) struct Gate {
    is_open: watch::Sender<bool>,
    waiting: Arc<watch::Sender<usize>>,
}

impl Gate {
    /// A closed gate before the requests to a simulation whose method and path contain `held`, and the client that is behind it.
    pub(crate) fn before(simulation: &Simulation, held: &'static str) -> (Gate, kube::Client) {
        let (is_open, waiting) = (watch::Sender::new(false), Arc::new(watch::Sender::new(0)));
        let (client, opens, arrivals) = (simulation.client(), is_open.subscribe(), Arc::clone(&waiting));
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (client, mut opens, arrivals) = (client.clone(), opens.clone(), Arc::clone(&arrivals));
            async move {
                if format!("{} {}", request.method(), request.uri().path()).contains(held) {
                    arrivals.send_modify(|count| *count += 1);
                    opens.wait_for(|is_open| *is_open).await.unwrap();
                }
                client.send(request).await
            }
        });
        (Gate { is_open, waiting }, kube::Client::new(service, "default"))
    }

    /// Wait until so many requests have come.
    pub(crate) async fn holds(&self, count: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting >= count).await.unwrap();
    }

    pub(crate) fn open(&self) {
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

pub(crate) fn with_rules(rules: &str) -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let config = config(folder.path());
    (folder, config)
}

pub(crate) async fn start(config: Config, client: kube::Client) -> Host {
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
    json!({"proc.cmdline": line, "container.id": "3f0c2b7d91ae"})
}

/// `kubernetes:label` reads nothing but its target, so what waits has one run; the one that runs already had begun
/// before the others came.
#[tokio::test]
async fn what_differs_in_nothing_that_is_read_has_one_run() {
    let (_folder, config) = with_rules(LABEL);
    let other_container = json!({"proc.cmdline": "d", "container.id": "1f0c2b7d91ae"});
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
        event 1: dropped: 2 newer events wait for the same target, which is as many as may
        event 2: dropped: 2 newer events wait for the same target, which is as many as may
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
    let ended = |line: &Value| line["message"] == "action" && text(line, "rule") != "R";
    let ended: Vec<_> = host.log.lines().into_iter().filter(ended).collect();
    assert!(ended.is_empty(), "{}", told(&ended));
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
    // Each leaves as much as it takes: four times 3 of 16 where all come together.
    hold_up(Config { concurrency_events_max: 16, ..config.clone() }, &SLOW, 10, 12).await;
    hold_up(Config { concurrency_events_max: 64, concurrency_requests_max: 16, ..config.clone() }, &SLOW, 10, 12).await;
    // One call takes more than a MiB of memory.
    hold_up(Config { concurrency_events_max: 64, concurrency_memory_bytes_max: 16 << 20, ..config }, &SLOW, 10, 7)
        .await;
}

/// What computes for long takes turns, and leaves a thread to all else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_computes_holds_up_no_other() {
    let folder = folder("hostile:spin", guest!("spin"), "    limits: {cpu: 200ms}\n");
    let host = start(config(folder.path()), Simulation::from_yaml(CLUSTER).unwrap().client()).await;
    for at in 0..10 {
        host.post(event("bad", &format!("spin-{at}"))).await;
    }
    host.post(event("good", "web-0")).await;
    host.wait_until_idle().await;
    let lines = host.stop().await;
    let ends: Vec<_> = lines.iter().filter(|line| line["message"] == "action").map(|line| text(line, "rule")).collect();
    assert_eq!(ends.len(), 11);
    // Two of the guest run at once, and each has its turn; only the first may have ended before.
    assert!(ends.iter().position(|rule| *rule == "Good").unwrap() <= 2, "{ends:?}");
}

/// Each bound of the configuration at its least and at its most: the host starts, and answers an event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bound_that_is_accepted_works() {
    // Times that a client could not keep are tested where they are known.
    let row = regex::Regex::new(r"(?m)^\| `([a-z_.]+)` \|.*\| (\d+) to (\d+) \|").unwrap();
    let keys = configuration::markdown();
    let bounds: Vec<_> = row.captures_iter(&keys).map(|row| row.extract::<3>().1).collect();
    assert!(bounds.len() > 15, "{bounds:?}");
    for at_most in [false, true] {
        let value = |[name, least, most]: &[&str; 3]| {
            let value = if at_most { most } else { least };
            let is_unfit = *name == "listen_port" || (!at_most && name.ends_with("_timeout_ms"));
            if is_unfit { String::new() } else { format!("{name}: {value}\n") }
        };
        let nested: String = bounds.iter().map(value).collect();
        let (folder, _) = with_rules(LABEL);
        fs::write(folder.path().join("config.yaml"), as_tree(&nested)).unwrap();
        let simulation = Simulation::from_yaml(CLUSTER).unwrap();
        let of_tests = config(folder.path());
        let read = |path: &std::path::Path| fs::read_to_string(path);
        let (as_written, warnings) =
            Config::load(Some(&folder.path().join("config.yaml")), &of_tests.rules_files, |_| None, read).unwrap();
        assert!(warnings.is_empty());
        let host = start(
            Config { cache_dir: of_tests.cache_dir, watch_rules: false, own_namespace: None, ..as_written },
            simulation.client(),
        )
        .await;
        host.post(shell("web-0", json!({}))).await;
        let line = host.log.line("action", |_| true).await;
        assert_eq!(text(&line, "status"), "success", "{line}");
        host.stop().await;
    }
}

/// Keys with dots as maps in maps.
fn as_tree(lines: &str) -> String {
    let mut groups = std::collections::BTreeMap::<&str, String>::new();
    for (group, rest) in lines.lines().map(|line| line.split_once('.').unwrap()) {
        groups.entry(group).or_default().push_str(&format!("  {rest}\n"));
    }
    groups.iter().map(|(group, keys)| format!("{group}:\n{keys}")).collect()
}

/// It asks for all that its entry allows, which is more than there is for one actionner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_memory_ends_and_leaves_some() {
    let folder = folder("hostile:memory", guest!("memory"), "    limits: {memory: 1Gi, cpu: 60s}\n");
    let config = Config { concurrency_memory_bytes_max: 64 << 20, ..config(folder.path()) };
    let host = start(config, Simulation::from_yaml(CLUSTER).unwrap().client()).await;
    for at in 0..3 {
        host.post(event("bad", &format!("memory-{at}"))).await;
    }
    host.post(event("good", "web-0")).await;
    host.wait_until_idle().await;
    let lines = host.stop().await;
    let of = |rule: &str| -> Vec<&str> {
        let ends = lines.iter().filter(|line| line["message"] == "action" && text(line, "rule") == rule);
        ends.map(|line| text(line, if rule == "Good" { "status" } else { "error" })).collect()
    };
    assert_eq!(of("Good"), ["success"]);
    let refused = "the actionner asked for more memory than other calls leave of the 67108864 bytes that all share \
                   (`concurrency.memory_bytes_max`), of which one actionner has half at most";
    assert_eq!(of("Bad"), [refused; 3]);
}
