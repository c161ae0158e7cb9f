//! What a host counts that has all kinds of things to do: it adds up, is what Prometheus expects, and shows on the
//! dashboard. Of each end somebody is told who takes every message.

mod dashboard;

use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use simulation::{Failure, Matcher, Simulation};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::crowds::{Gate, start, with_rules};
use crate::hostile::{event, folder, guest};
use crate::running::{Host, config, told};
use crate::{processes, servers};

const CLUSTER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop}
spec: {nodeName: node-1, containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop}
spec: {containers: [{name: web, image: nginx}]}
";

/// `lost` leads nowhere, and `stored` is a folder.
const RULES: &str = "
- rule: Keep
  match: {rules: [kept]}
  actions:
    - action: Fetch it
      actionner: kubernetes:download
      parameters: {file: 'FOLDER/evidence'}
      output: {target: 'local:file', parameters: {destination: 'FOLDER/stored'}}
- rule: Lose
  match: {rules: [lost]}
  actions:
    - action: Fetch it
      actionner: kubernetes:download
      parameters: {file: 'FOLDER/evidence'}
      output: {target: 'local:file', parameters: {destination: 'FOLDER/lost'}}
- rule: Mark
  match: {rules: [marked]}
  actions:
    - {action: Mark it, actionner: 'kubernetes:label', parameters: {labels: {marked: 'yes'}}}
- rule: Ask
  match: {rules: [denied]}
  actions:
    - {action: Ask, actionner: 'hostile:denials'}
";

/// A host with something of everything to do.
struct Busy {
    host: Host,
    simulation: Simulation,
    rounds: u32,
    _folder: TempDir,
}

impl Busy {
    async fn start(more: &str) -> Self {
        let folder = folder(
            "hostile:denials",
            guest!("denials"),
            "    limits: {cpu: 10s, host_calls: 3}\n    ungranted: deny\n",
        );
        let path = folder.path();
        fs::write(path.join("rules.yaml"), RULES.replace("FOLDER", &path.display().to_string())).unwrap();
        let webhook = webhook().await;
        let retry = "retry: {backoff_ms_min: 1, backoff_ms_max: 20}";
        let tell = format!("default_notifiers: [webhook]\nnotifiers: {{webhook: {{url: '{webhook}'}}}}");
        fs::write(path.join("config.yaml"), format!("{retry}\n{tell}\n{more}")).unwrap();
        fs::write(path.join("evidence"), "what was touched").unwrap();
        fs::create_dir(path.join("stored")).unwrap();
        symlink(path.join("nowhere"), path.join("lost")).unwrap();
        let simulation = Simulation::from_yaml(CLUSTER).unwrap();
        processes::run_commands(&simulation);
        let (gate, client) = Gate::before(&simulation, "web-1");
        let host = Host::start(config(path), client).await;
        let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
        let mut busy = Self { host, simulation, rounds: 0, _folder: folder };
        // Those that wait behind the first are answered by one run.
        for at in 0..3 {
            busy.post("marked", "web-1", at).await;
            gate.holds(1).await;
        }
        busy.round().await;
        gate.open();
        busy.wait_until_all_is_told().await;
        busy
    }

    /// An event that differs from all others.
    async fn post(&self, rule: &str, pod: &str, number: u32) {
        let mut event: Value = serde_json::from_str(&event(rule, pod)).unwrap();
        event["output_fields"]["proc.cmdline"] = format!("{rule} {number}").into();
        event["output"] = format!("{rule} {number}").into();
        self.host.post(event.to_string()).await;
    }

    async fn round(&mut self) {
        self.rounds += 1;
        let is_away = Failure::Status { code: 503, retry_after_s: None };
        self.simulation.fail(Matcher::any().method("PATCH"), [is_away]);
        for rule in ["marked", "kept", "kept", "lost", "denied", "of nobody"] {
            self.post(rule, "web-0", self.rounds + 1_000).await;
        }
        self.post("marked", "web-9", self.rounds).await;
        assert_eq!(self.host.request("POST", "/", b"nonsense").await.0, 400);
        self.host.reload.notify_one();
    }

    async fn wait_until_all_is_told(&self) {
        self.host.wait_until_idle().await;
        while sum(&self.scrape().await, "notifications_waiting") > 0.0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn scrape(&self) -> String {
        self.host.request("GET", "/metrics", b"").await.1
    }
}

/// The address of somebody who takes every message.
async fn webhook() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(async || "ok")).await.unwrap() });
    url
}

/// The sum of all series of a metric.
fn sum(scrape: &str, name: &str) -> f64 {
    let name = format!("falcosecurity_falco_talon_{name}");
    let of_name =
        scrape.lines().filter_map(|line| line.strip_prefix(&name)).filter(|rest| rest.starts_with([' ', '{']));
    of_name.map(|rest| rest.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_and_actions_add_up() {
    let busy = Busy::start("").await;
    let scrape = busy.scrape().await;
    let sum = |name: &str| sum(&scrape, name);
    let ended = ["duplicate_total", "unmatched_total", "refused_total", "accepted_total"].map(sum);
    assert_eq!((sum("event_total"), ended), (10.0, [1.0, 1.0, 0.0, 8.0]), "{scrape}");
    // Each was about one rule with one action.
    assert_eq!((sum("match_total"), sum("action_total"), sum("coalesced_total")), (8.0, 8.0, 1.0), "{scrape}");
    assert_eq!((sum("output_total"), sum("delivery_given_up_total")), (2.0, 1.0), "{scrape}");
    assert_eq!((sum("notification_total"), sum("notification_given_up_total")), (10.0, 0.0), "{scrape}");
    assert_eq!(sum("upload_duration_seconds_count"), 1.0, "{scrape}");
    for name in ["event", "action", "output", "notification"] {
        assert_eq!(sum(&format!("{name}_total")), sum(&format!("{name}s_total")));
    }
    assert_eq!((sum("match_total"), sum("actions_running")), (sum("matches_total"), 0.0));
    busy.host.stop().await;
}

/// One event is under way, and there is no more room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_one_of_the_events() {
    let (_folder, mut config) = with_rules(RULES.split("- rule: Ask").next().unwrap());
    config.queue_events_max = 1;
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let (gate, client) = Gate::before(&simulation, "web-0");
    let host = start(config, client).await;
    host.post(event("marked", "web-0")).await;
    gate.holds(1).await;
    assert_eq!(host.request("POST", "/", event("marked", "web-1").as_bytes()).await.0, 429);
    let (_, scrape) = host.request("GET", "/metrics", b"").await;
    let counted = ["event_total", "accepted_total", "refused_total", "actions_running"].map(|name| sum(&scrape, name));
    assert_eq!(counted, [2.0, 1.0, 1.0, 1.0], "{scrape}");
    gate.open();
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_names_are_those_that_are_asked_for() {
    let busy = Busy::start("metrics: {compat: plural}\n").await;
    let scrape = busy.scrape().await;
    assert_eq!((sum(&scrape, "events_total"), sum(&scrape, "event_total")), (10.0, 0.0), "{scrape}");
    busy.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_has_no_complaint() {
    if !servers::are_there("a check of the metrics", &["promtool"]) {
        return;
    }
    let busy = Busy::start("").await;
    let scrape = busy.scrape().await;
    assert_eq!(promtool(&["check", "metrics"], &scrape), "", "{scrape}");
    busy.host.stop().await;
}

/// What `promtool` says of a text that is wrong; nothing where it is right.
fn promtool(arguments: &[&str], text: &str) -> String {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let ended = process.wait_with_output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if ended.status.success() && !arguments.contains(&"metrics") { String::new() } else { said }
}
