//! Who is told: of each end, in the order in which it happened, however long that takes; and nobody waits for it.

use std::collections::VecDeque;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::running::{Host, config, text, told};
use crate::world::World;

const CLUSTER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop}
spec: {nodeName: node-1, containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop}
spec: {nodeName: node-1, containers: [{name: web, image: nginx}]}
";

/// What the pod of an event is called there is its Falco rule, too.
const RULES: &str = "
- rule: Label it
  match: {rules: [label]}
  notifiers: [Webhook]
  actions:
    - action: Mark
      actionner: kubernetes:label
      parameters: {labels: {touched: 'yes'}}
";

/// A server that is told, and answers as it is asked to, and well after that.
#[derive(Clone)]
struct Told {
    heard: Arc<watch::Sender<Vec<Value>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    address: SocketAddr,
}

#[derive(Clone, Copy)]
enum Answer {
    Status(u16),
    Never,
}

impl Told {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Self { heard: Arc::default(), answers: Arc::default(), address };
        let router = Router::new().fallback(hear).with_state(told.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        told
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn answer(&self, answers: &[Answer]) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// What it has taken, once it is so much.
    async fn hears(&self, count: usize) -> Vec<Value> {
        let mut heard = self.heard.subscribe();
        let heard = tokio::time::timeout(Duration::from_secs(60), heard.wait_for(|heard| heard.len() >= count)).await;
        heard.unwrap_or_else(|_| panic!("{:#?}", self.heard.borrow())).unwrap().clone()
    }
}

async fn hear(State(told): State<Told>, body: Bytes) -> StatusCode {
    let answer = told.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(200));
    match answer {
        Answer::Never => std::future::pending().await,
        Answer::Status(200) => {
            let body = serde_json::from_slice(&body).unwrap();
            told.heard.send_modify(|heard| heard.push(body));
            StatusCode::OK
        }
        Answer::Status(status) => StatusCode::from_u16(status).unwrap(),
    }
}

/// A folder with these rules, and with this configuration beside the address of who is told.
struct Place(tempfile::TempDir);

impl Place {
    fn new(told: &Told, config: &str, rules: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("rules.yaml", rules);
        let retry = "retry: {backoff_ms_min: 1, backoff_ms_max: 20}";
        let config = format!("{retry}\nnotifiers:\n  webhook: {{url: '{}'}}\n{config}", told.url());
        place.write("config.yaml", &config);
        place
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    async fn start(&self, lasts: bool) -> Host {
        let mut config = config(self.0.path());
        config.data_dir = lasts.then(|| self.0.path().join("data"));
        let host = Host::start(config, World::simulated(CLUSTER).client().0).await;
        host.unwrap_or_else(|log| panic!("{}", told(&log.lines())))
    }
}

fn event(rule: &str, pod: &str, number: usize) -> String {
    let event = json!({
        "rule": rule, "priority": "Notice", "source": "syscall", "output": format!("it happened: {number}"),
        "time": "2025-11-22T13:24:41Z", "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": pod, "n": number},
    });
    event.to_string()
}

fn of<'a>(heard: &'a [Value], field: &str) -> Vec<&'a str> {
    heard.iter().map(|body| text(body, field)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_end_is_told_truthfully_and_in_its_order() {
    let told = Told::start().await;
    let rules = "
- rule: Label it
  match: {rules: [label]}
  actions: [{action: Mark, actionner: kubernetes:label, parameters: {labels: {touched: 'yes'}}}]
- rule: Rehearse it
  match: {rules: [rehearse]}
  dry_run: true
  actions: [{action: Mark, actionner: kubernetes:label, parameters: {labels: {touched: 'no'}}}]
- rule: End it
  match: {rules: [terminate]}
  actions: [{action: End, actionner: kubernetes:terminate, parameters: {ignore_standalone_pods: true}}]
- rule: Reach for the node
  match: {rules: [node]}
  actions: [{action: Mark the node, actionner: kubernetes:label, parameters: {level: node, labels: {a: b}}}]
- rule: Forbidden
  match: {rules: [forbidden]}
  actions: [{action: Annotate, actionner: kubernetes:annotation, parameters: {annotations: {a: b}}}]
";
    let place = Place::new(&told, "default_notifiers: [WEBHOOK]\n", rules);
    place.write(
        "policy.yaml",
        "version: 1\nactionners:\n  kubernetes:annotation:\n    kubernetes:\n\
         \x20   - {verbs: [get], resources: [pods]}\n    \
         - {verbs: [patch], resources: [pods], namespaces: [other], fields: [metadata.annotations]}\n",
    );
    let host = place.start(false).await;
    for (number, rule) in ["label", "rehearse", "terminate", "node", "forbidden"].into_iter().enumerate() {
        host.post(event(rule, "web-0", number)).await;
    }
    let heard = told.hears(5).await;
    assert_eq!(of(&heard, "status"), ["success", "dry_run", "ignored", "failure", "denied"], "{heard:#?}");
    assert_eq!(of(&heard, "rule"), ["Label it", "Rehearse it", "End it", "Reach for the node", "Forbidden"]);
    for body in &heard[..3] {
        assert!(!text(body, "output").is_empty() && text(body, "error").is_empty(), "{body}");
    }
    for body in &heard[3..] {
        assert!(text(body, "output").is_empty() && !text(body, "error").is_empty(), "{body}");
    }
    assert_eq!(heard[0]["objects"], json!({"Namespace": "shop", "Pod": "web-0"}));
    assert_eq!(heard[0]["event"], "it happened: 0");
    host.wait_until_idle().await;
    let lines = host.stop().await;
    let said: Vec<_> = lines.iter().filter(|line| line["message"] == "notification").collect();
    assert_eq!(said.len(), 5, "{lines:#?}");
    for (line, body) in said.iter().zip(&heard) {
        for field in ["rule", "action", "actionner", "trace_id"] {
            assert_eq!(text(line, field), text(body, field));
        }
        let seen = ["level", "status", "stage", "notifier"].map(|field| text(line, field));
        assert_eq!(seen, ["info", "success", "action", "webhook"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_told_later_and_in_its_order() {
    for lasts in [true, false] {
        let told = Told::start().await;
        told.answer(&[503, 500, 429, 503].map(Answer::Status));
        let host = Place::new(&told, "", RULES).start(lasts).await;
        for number in 0..20 {
            host.post(event("label", "web-0", number)).await;
        }
        let heard = told.hears(20).await;
        let expected: Vec<_> = (0..20).map(|number| format!("it happened: {number}")).collect();
        assert_eq!(of(&heard, "event"), expected);
        let lines = host.stop().await;
        let of_status = |status: &str| {
            lines.iter().filter(|line| line["message"] == "notification" && text(line, "status") == status).count()
        };
        assert_eq!(
            (of_status("due"), of_status("success"), of_status("failure")),
            (1, 20, 0),
            "{}",
            self::said(&lines)
        );
    }
}

fn said(lines: &[Value]) -> String {
    let notifications: Vec<_> = lines.iter().filter(|line| line["message"] == "notification").cloned().collect();
    told(&notifications)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_told_is_given_up_and_holds_up_no_other() {
    let told = Told::start().await;
    told.answer(&[Answer::Status(400)]);
    let host = Place::new(&told, "", RULES).start(true).await;
    for number in 0..2 {
        host.post(event("label", "web-0", number)).await;
    }
    assert_eq!(of(&told.hears(1).await, "event"), ["it happened: 1"]);
    let failed = host.log.line("notification", |line| text(line, "status") == "failure").await;
    assert_eq!(text(&failed, "level"), "error");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_for_too_long_is_given_up() {
    let told = Told::start().await;
    told.answer(&[Answer::Status(503); 2_000]);
    let host = Place::new(&told, "deliveries: {within: 1s}\n", RULES).start(true).await;
    for number in 0..3 {
        host.post(event("label", "web-0", number)).await;
    }
    let failed = host.log.line("notification", |line| text(line, "status") == "failure").await;
    assert!(text(&failed, "error").ends_with("; given up after 1 s"), "{failed}");
    host.wait_until_idle().await;
    let lines = host.stop().await;
    let failures = lines.iter().filter(|line| line["message"] == "notification" && line["status"] == "failure");
    assert_eq!(failures.count(), 3, "{}", said(&lines));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_holds_up_no_action_no_other_notifier_and_no_end_of_the_host() {
    let (told, hangs) = (Told::start().await, Told::start().await);
    hangs.answer(&[Answer::Never; 100]);
    let place = Place::new(
        &told,
        &format!("  slack: {{webhook_url: '{}'}}\ndefault_notifiers: [slack, webhook]\n", hangs.url()),
        RULES,
    );
    let host = place.start(true).await;
    for number in 0..10 {
        host.post(event("label", "web-0", number)).await;
    }
    assert_eq!(told.hears(10).await.len(), 10);
    let lines = host.stop().await;
    let stays = |line: &Value| text(line, "result").starts_with("10 notifications stay stored");
    assert!(lines.iter().any(stays), "{}", self::told(&lines));

    hangs.answers.lock().unwrap().clear();
    let host = place.start(true).await;
    assert_eq!(hangs.hears(10).await.len(), 10);
    host.wait_until_idle().await;
    host.stop().await;
    assert_eq!((told.hears(10).await.len(), hangs.hears(10).await.len()), (10, 10), "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_wait_than_may() {
    let told = Told::start().await;
    told.answer(&[Answer::Never]);
    let host = Place::new(&told, "deliveries: {notifications_max: 2}\n", RULES).start(true).await;
    for number in 0..5 {
        host.post(event("label", "web-0", number)).await;
    }
    let full = host.log.line("notification", |line| text(line, "error").contains("as many as may")).await;
    assert_eq!((text(&full, "notifier"), text(&full, "level")), ("webhook", "error"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_ones_are_told_as_one_with_their_count() {
    let told = Told::start().await;
    let place = Place::new(&told, "", RULES);
    let config = fs::read_to_string(place.0.path().join("config.yaml")).unwrap();
    let grouped = config.replace("'}\n", "', group: {by: [rule, namespace], within: 1s}}\n");
    place.write("config.yaml", &grouped);
    let host = place.start(true).await;
    for number in 0..7 {
        host.post(event("label", ["web-0", "web-1"][number % 2], number)).await;
    }
    let heard = told.hears(1).await;
    assert_eq!(heard.len(), 1);
    let shown = heard[0].to_string();
    for part in ["7", "shop/web-0", "shop/web-1"] {
        assert!(shown.contains(part), "{shown}");
    }
    let line = host.log.line("notification", |line| text(line, "status") == "success").await;
    assert_eq!(text(&line, "count"), "7");
    host.stop().await;
    assert_eq!(told.hears(1).await.len(), 1);
}

/// Has the store not written until it is dropped.
struct Locked(rusqlite::Connection);

impl Locked {
    fn new(place: &Place) -> Self {
        let connection = rusqlite::Connection::open(place.0.path().join("data/store/store.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(30)).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.execute_batch("ROLLBACK");
    }
}

async fn until_unwritable(host: &Host) {
    host.log.line("store", |line| !text(line, "error").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_can_not_forget_is_not_told_again() {
    let told = Told::start().await;
    told.answer(&[Answer::Never]);
    let place = Place::new(&told, "", RULES);
    let host = place.start(true).await;
    for number in 0..3 {
        host.post(event("label", "web-0", number)).await;
        host.log.line("action", |line| text(line, "event") == format!("it happened: {number}")).await;
    }
    host.stop().await;

    let host = place.start(true).await;
    let locked = Locked::new(&place);
    told.hears(3).await;
    until_unwritable(&host).await;
    drop(locked);
    host.wait_until_idle().await;
    host.stop().await;
    assert_eq!(of(&told.hears(3).await, "event"), ["it happened: 0", "it happened: 1", "it happened: 2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_while_nothing_can_be_stored_is_told_once_it_can() {
    let told = Told::start().await;
    let rules = RULES.replace(
        "actionner: kubernetes:label\n      parameters: {labels: {touched: 'yes'}}",
        "actionner: kubernetes:download\n      parameters: {file: PIPE}\n      output: {target: 'local:file', parameters: \
         {destination: /tmp}}",
    );
    let place = Place::new(&told, "", "");
    let pipe = place.0.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let rules = rules.replace("PIPE", &pipe.display().to_string());
    place.write("rules.yaml", &rules.replace("/tmp}", &format!("{}}}", place.0.path().display())));
    let host = place.start(true).await;
    host.post(event("label", "web-0", 0)).await;
    // Whoever reads the pipe has begun, and ends when this does.
    let writer = tokio::task::spawn_blocking(move || fs::OpenOptions::new().write(true).open(pipe).unwrap());
    let mut writer = writer.await.unwrap();
    let locked = Locked::new(&place);
    std::io::Write::write_all(&mut writer, b"evidence").unwrap();
    drop(writer);
    until_unwritable(&host).await;
    drop(locked);
    told.hears(2).await;
    host.wait_until_idle().await;
    host.stop().await;
}
