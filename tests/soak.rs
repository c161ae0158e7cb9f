//! A host under a steady load for a while, with every notifier and an output, of which one fails at random: nothing is
//! lost, the counters add up, and its memory does not grow.
//!
//! `FALCO_TALON_TEST_SOAK_SECONDS` says for how long; `just soak` sets it.

mod ears;

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::crash::{Answer, Api, Child, Sent, furnish};
use crate::servers;
use ears::Ears;

/// Events a second.
const RATE: u32 = 200;

/// How often its memory is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// From then on it must not grow,
const WARM_AFTER: Duration = Duration::from_secs(60);

/// by more than this.
const GROWTH_KIB_MAX: u64 = 32 << 10;

/// All that must be in the end is there by then, however busy the machine is.
const LATE: Duration = Duration::from_secs(120);

const RULES: &str = "
- rule: Label it
  match: {rules: [shell]}
  actions: [{action: Label it, actionner: 'kubernetes:label', parameters: {labels: {seen: 'true'}}}]
- rule: Keep evidence
  match: {rules: [evidence]}
  actions:
    - action: Get its log
      actionner: kubernetes:log
      output: OUTPUT
";

/// One of ten leaves evidence, one of twenty comes twice, and one of 25 is of no interest.
fn event(number: usize) -> String {
    let number = if is_repeat(number) { number - 1 } else { number };
    let rule = match number {
        number if number % 25 == 3 => "nobody's",
        number if number % 10 == 7 => "evidence",
        _ => "shell",
    };
    let pod = format!("web-{number}");
    json!({
        "rule": rule, "priority": "Notice", "output": "a shell", "source": "syscall", "hostname": pod,
        "time": "2026-07-22T14:24:41.123456789Z", "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": pod},
    })
    .to_string()
}

fn is_repeat(number: usize) -> bool {
    number % 20 == 19
}

/// What is configured of each notifier, with those that have no server here left out; and where artifacts go.
struct Servers {
    notifiers: Value,
    output: String,
    smtp: Option<servers::Server>,
    storage: Option<servers::Server>,
}

impl Servers {
    fn start(ears: &Ears, folder: &Path) -> Self {
        let (smtp, storage) = (servers::start("smtp", &[]), servers::start("s3", &[]));
        let mut notifiers = json!({
            "slack": {"webhook_url": ears.url("slack")},
            "webhook": {"url": ears.url("webhook")},
            "loki": {"url": ears.url("loki")},
            "elasticsearch": {"url": ears.url("elasticsearch")},
        });
        if let Some(smtp) = &smtp {
            let host_port = smtp.value("smtp").replace("127.0.0.1", "localhost");
            notifiers["smtp"] = json!({
                "host_port": host_port, "from": "talon@example.com", "to": "ops@example.com", "tls": true,
                "ca_file": smtp.value("ca"), "user": smtp.value("user"), "password": smtp.value("password"),
                // Nobody reads hundreds of mails a second.
                "group": {"by": ["rule"], "within": "1s"},
            });
        }
        let output = match &storage {
            Some(_) => "{target: 'minio:s3', parameters: {bucket: evidence, prefix: soak}}".to_owned(),
            None => {
                fs::create_dir(folder.join("stored")).unwrap();
                format!("{{target: 'local:file', parameters: {{destination: '{}'}}}}", folder.join("stored").display())
            }
        };
        Self { notifiers, output, smtp, storage }
    }

    fn names(&self) -> Vec<String> {
        let configured = self.notifiers.as_object().unwrap().keys().cloned();
        configured.chain(["k8sevents".to_owned()]).collect()
    }

    /// Write what a host needs to know of them.
    fn furnish(&self, folder: &Path, api: &Api) {
        furnish(folder, api.address, &folder.join("data"));
        let mut config: Value = serde_json::from_str(&fs::read_to_string(folder.join("config.yaml")).unwrap()).unwrap();
        config["notifiers"] = self.notifiers.clone();
        config["retry"] = json!({"backoff_ms_min": 10});
        // Where the machine has no time for it, they wait, and are told all the same.
        config["deliveries"] = json!({"notifications_max": 1_000_000});
        config["default_notifiers"] = json!(self.names());
        if let Some(storage) = &self.storage {
            let endpoint = storage.value("url").trim_start_matches("http://");
            config["minio"] = json!({
                "endpoint": endpoint, "access_key": storage.value("access_key"),
                "secret_key": storage.value("secret_key"),
            });
        }
        fs::write(folder.join("config.yaml"), config.to_string()).unwrap();
        fs::write(folder.join("rules.yaml"), RULES.replace("OUTPUT", &self.output)).unwrap();
    }
}

/// The samples of a metric, each with its labels as they are written.
fn samples<'a>(metrics: &'a str, name: &str) -> Vec<(&'a str, f64)> {
    let name = format!("falcosecurity_falco_talon_{name}");
    let of = metrics.lines().filter_map(|line| line.strip_prefix(&name));
    of.filter_map(|rest| {
        let (labels, value) = rest.rsplit_once(' ')?;
        (labels.is_empty() || labels.starts_with('{')).then(|| (labels, value.parse().unwrap()))
    })
    .collect()
}

/// The sum of those samples that have all these labels.
fn sum(metrics: &str, name: &str, labels: &[&str]) -> usize {
    let of = samples(metrics, name).into_iter().filter(|(found, _)| labels.iter().all(|label| found.contains(label)));
    let sum: f64 = of.map(|(_, value)| value).sum();
    sum as usize
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_all_adds_up() {
    let seconds = std::env::var("FALCO_TALON_TEST_SOAK_SECONDS").map_or(5, |seconds| seconds.parse().unwrap());
    let (folder, api, ears) = (tempfile::tempdir().unwrap(), Api::start(), Ears::start().await);
    let servers = Servers::start(&ears, folder.path());
    servers.furnish(folder.path(), &api);
    let child = Child::start(folder.path(), &[]).await;
    let sent = Sent::of(event);
    let load = sent.to(child.address, RATE);
    let memory = watch_memory(&child, Duration::from_secs(seconds)).await;
    load.stop().await;
    let metrics = settled(&child).await;
    adds_up(&metrics, &sent, &servers.names());
    arrived(&metrics, &ears, &api, &servers, folder.path()).await;
    let accepted = sum(&metrics, "accepted_total", &[]);
    println!("{seconds} s: {accepted} events accepted, {} refusals of a notifier, memory {memory:?}", ears.refused());
    child.drain().await;
}

/// What the host has in memory, in KiB, once it is warm and at its most after that.
async fn watch_memory(child: &Child, whole: Duration) -> Option<(u64, u64)> {
    let began = Instant::now();
    let (mut warm, mut most) = (None, 0);
    while began.elapsed() < whole {
        sleep(LOOK_EVERY.min(whole - began.elapsed())).await;
        let resident = child.resident_kib();
        let (_, metrics) = child.get("/metrics").await;
        let [depth, waiting] = ["queue_depth", "notifications_waiting"].map(|name| sum(&metrics, name, &[]));
        println!("{} s: {resident} KiB, {depth} events and {waiting} notifications wait", began.elapsed().as_secs());
        if began.elapsed() >= WARM_AFTER {
            let warm = *warm.get_or_insert(resident);
            most = resident.max(most);
            assert!(most <= warm + GROWTH_KIB_MAX, "it has grown from {warm} KiB to {most} KiB");
        }
    }
    warm.map(|warm| (warm, most))
}

/// The metrics once nothing waits any more.
async fn settled(child: &Child) -> String {
    let began = Instant::now();
    loop {
        let (_, metrics) = child.get("/metrics").await;
        let waits = ["queue_depth", "events_in_flight", "deliveries_due", "notifications_waiting"];
        if waits.iter().all(|name| sum(&metrics, name, &[]) == 0) {
            return metrics;
        }
        let waiting = samples(&metrics, "notifications_waiting");
        assert!(began.elapsed() < LATE, "{waiting:?}, all metrics:\n{metrics}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Each event has one end, each action and each artifact too, and each notifier is told of each of these.
fn adds_up(metrics: &str, sent: &Sent, notifiers: &[String]) {
    let answered = sent.count(Answer::Status(200));
    assert_eq!(sum(metrics, "event_total", &[]), answered);
    let ends = ["duplicate_total", "unmatched_total", "refused_total", "accepted_total"];
    let ends = ends.map(|name| sum(metrics, name, &[]));
    assert_eq!(ends.iter().sum::<usize>(), answered, "{ends:?}");
    assert_eq!(ends[2], 0, "none is refused");
    let (actions, outputs) = (sum(metrics, "action_total", &[]), sum(metrics, "output_total", &[]));
    assert_eq!(actions, ends[3]);
    assert_eq!(
        sum(metrics, "action_total", &[r#"status="success""#]),
        actions,
        "{:?}",
        samples(metrics, "action_total")
    );
    assert_eq!(sum(metrics, "output_total", &[r#"status="success""#]), outputs);
    assert_eq!(outputs, sum(metrics, "action_total", &[r#"actionner="kubernetes:log""#]));
    for notifier in notifiers {
        let label = format!("notifier=\"{notifier}\"");
        let told = |status: &str| sum(metrics, "notification_total", &[&label, &format!("status=\"{status}\"")]);
        assert_eq!((told("success"), told("failure")), (actions + outputs, 0), "{notifier}");
    }
}

/// What is counted is where it should be: notices once at least, artifacts once.
async fn arrived(metrics: &str, ears: &Ears, api: &Api, servers: &Servers, folder: &Path) {
    let (actions, outputs) = (sum(metrics, "action_total", &[]), sum(metrics, "output_total", &[]));
    for name in ["slack", "webhook", "loki", "elasticsearch"] {
        assert_eq!(ears.heard(name), actions + outputs, "{name}");
    }
    assert_eq!(api.events(), actions + outputs, "k8sevents");
    if let Some(smtp) = &servers.smtp {
        assert!((1..actions + outputs).contains(&mails(smtp.value("api")).await), "some are told as one");
    }
    let stored = match &servers.storage {
        Some(storage) => Path::new(storage.value("dir")).join("buckets/evidence/soak"),
        None => folder.join("stored"),
    };
    let objects = fs::read_dir(stored).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file());
    assert_eq!(objects.count(), outputs, "artifacts");
}

/// How many mails the server has.
async fn mails(api: &str) -> usize {
    let answer = ears::get(&format!("{api}/api/v1/messages?limit=1")).await;
    usize::try_from(answer["total"].as_u64().unwrap()).unwrap()
}
