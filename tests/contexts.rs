//! What rules ask to know of the surroundings of their events: looked up by the host, and handed on to a function.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use host::testing::Config;
use serde_json::{Value, json};
use simulation::{Failure, Matcher, Simulation};
use tempfile::TempDir;

use crate::data::loader;
use crate::hostile::event;
use crate::outside::{Outside, serve};
use crate::running::{Host, config, text, told};

const CLUSTER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop}
spec: {nodeName: worker-1, containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Node
metadata:
  name: worker-1
  labels:
    kubernetes.io/hostname: worker-1
    node.kubernetes.io/instance-type: m5.large
    node-role.kubernetes.io/worker: ''
    topology.kubernetes.io/region: eu-west-1
    topology.kubernetes.io/zone: eu-west-1a
spec: {providerID: 'aws:///eu-west-1a/i-0'}
";

/// The metadata service of an instance.
#[derive(Clone, Default)]
struct Metadata {
    asked: Arc<Mutex<Vec<String>>>,
    /// So many requests meet a server that is down.
    failures: Arc<AtomicUsize>,
}

impl Metadata {
    async fn start(&self) -> String {
        serve(Router::new().fallback(answer).with_state(self.clone())).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(State(metadata): State<Metadata>, request: Request) -> Response {
    let asked = format!("{} {}", request.method(), request.uri().path());
    metadata.asked.lock().unwrap().push(asked.clone());
    let is_down = metadata.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    if is_down.is_ok() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let has_token = header("x-aws-ec2-metadata-token") == "t0ken";
    let lifetime: u32 = header("x-aws-ec2-metadata-token-ttl-seconds").parse().unwrap_or_default();
    match asked.as_str() {
        "PUT /latest/api/token" if lifetime > 0 => "t0ken".into_response(),
        _ if !has_token => StatusCode::UNAUTHORIZED.into_response(),
        "GET /latest/meta-data/placement/region" => "eu-west-1".into_response(),
        "GET /latest/meta-data/iam/info" => json!({
            "Code": "Success",
            "InstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/talon",
            "InstanceProfileId": "AIPA0",
        })
        .to_string()
        .into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

struct Place {
    folder: TempDir,
    outside: Outside,
    metadata: Metadata,
    simulation: Simulation,
    config: Config,
}

impl Place {
    /// Where a function is called with what these contexts tell.
    async fn new(contexts: &str, more: &str) -> Self {
        let (folder, outside, metadata) = (tempfile::tempdir().unwrap(), Outside::start().await, Metadata::default());
        let rules = format!(
            "- rule: R\n  match: {{rules: [shell]}}\n  actions:\n    - {{action: Call it, actionner: 'aws:lambda', \
             parameters: {{aws_lambda_name: echo}}, additional_contexts: [{contexts}]{more}}}\n"
        );
        std::fs::write(folder.path().join("rules.yaml"), rules).unwrap();
        let mut config = config(folder.path());
        config.clouds = outside.config();
        config.clouds.aws.metadata_endpoint = Some(format!("http://{}", metadata.start().await));
        config.deduplication.window = Duration::ZERO;
        Self { folder, outside, metadata, simulation: Simulation::from_yaml(CLUSTER).unwrap(), config }
    }

    async fn start(&self) -> Host {
        let host = Host::start(self.config.clone(), self.simulation.client()).await;
        host.unwrap_or_else(|log| panic!("{}", told(&log.lines())))
    }

    /// Respond to these events, one after the other: what the log says.
    async fn act(&self, events: &[String]) -> Vec<Value> {
        let host = self.start().await;
        for event in events {
            host.post(event).await;
            host.wait_until_idle().await;
        }
        host.stop().await
    }

    /// The context of each call of the function, without what is always there.
    fn contexts(&self) -> Vec<Value> {
        let heard = self.outside.heard();
        let calls = heard.iter().filter_map(|line| line.as_str()?.strip_prefix("lambda "));
        let payloads = calls.map(|line| serde_json::from_str::<Value>(&line[line.find('{').unwrap()..]).unwrap());
        let contexts = payloads.map(|mut payload| {
            let context = payload["context"].as_object_mut().unwrap();
            context.retain(|key, _| !key.starts_with("falco-talon."));
            payload["context"].take()
        });
        contexts.collect()
    }
}

/// How the action ended.
fn ended(lines: &[Value]) -> String {
    let line = lines.iter().find(|line| line["message"] == "action").unwrap();
    format!("{}: {}{}", text(line, "status"), text(line, "error"), text(line, "output"))
}

fn told_of(lines: &[Value]) -> Vec<String> {
    let lines = lines.iter().filter(|line| line["message"] == "context");
    lines
        .map(|line| {
            let fields = ["level", "context", "action", "actionner", "rule", "error"].map(|field| text(line, field));
            fields.join(" | ")
        })
        .collect()
}

/// From the host of this name.
fn from(hostname: &str, pod: &str) -> String {
    let mut event: Value = serde_json::from_str(&event("shell", pod)).unwrap();
    event["hostname"] = hostname.into();
    event.to_string()
}

fn node() -> Value {
    json!({
        "node.hostname": "worker-1", "node.instancetype": "m5.large", "node.role": "worker",
        "node.spec.providerid": "aws:///eu-west-1a/i-0", "node.topology.region": "eu-west-1",
        "node.topology.zone": "eu-west-1a",
    })
}

fn instance() -> Value {
    json!({
        "aws.instance_profile_arn": "arn:aws:iam::123456789012:instance-profile/talon",
        "aws.instance_profile_id": "AIPA0", "aws.region": "eu-west-1",
    })
}

#[tokio::test]
async fn a_function_gets_what_its_rule_asks_for() {
    let place = Place::new("aws, k8snode", "").await;
    let lines = place.act(&[event("shell", "web-0"), from("worker-1", "gone-0")]).await;
    assert!(ended(&lines).starts_with("success: "), "{}", ended(&lines));
    let mut all = instance();
    all.as_object_mut().unwrap().extend(node().as_object().unwrap().clone());
    assert_eq!(place.contexts(), [all.clone(), all]);
    let asked = ["PUT /latest/api/token", "GET /latest/meta-data/placement/region", "GET /latest/meta-data/iam/info"];
    assert_eq!(place.metadata.asked(), asked, "it is asked once, and for no credentials");
    let requests = place.simulation.requests();
    let nodes = requests.iter().filter(|request| request.path == "/api/v1/nodes/worker-1").count();
    assert_eq!(nodes, 1, "{requests:#?}");
    assert!(requests.iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn what_is_away_for_now_is_waited_for() {
    let place = Place::new("aws", "").await;
    place.metadata.failures.store(1, Ordering::Relaxed);
    let lines = place.act(&[event("shell", "web-0")]).await;
    assert!(ended(&lines).starts_with("success: "), "{}", ended(&lines));
    assert_eq!(place.contexts(), [instance()]);
    let expected = "error | aws | Call it | aws:lambda | shell | the metadata of the host's instance can't be read: it answers \
                    503 Service Unavailable";
    assert_eq!(told_of(&lines)[0], expected);
}

#[tokio::test]
async fn without_what_its_rule_asks_for_nothing_runs() {
    let place = Place::new("k8snode", "").await;
    let lines = place.act(&[from("worker-9", "gone-0")]).await;
    assert_eq!(ended(&lines), "failure: no context 'k8snode': the node 'worker-9' can't be read: not found");
    let expected = "error | k8snode | Call it | aws:lambda | shell | the node 'worker-9' can't be read: not found";
    assert_eq!(told_of(&lines), [expected]);
    assert_eq!(place.contexts(), [] as [Value; 0]);

    let place = Place::new("k8snode", "").await;
    let lines = place.act(&[from("", "gone-0")]).await;
    let expected =
        "failure: no context 'k8snode': the event names no pod that is there and runs on a node, and no hostname";
    assert_eq!(ended(&lines), expected);
}

#[tokio::test]
async fn with_ignore_errors_it_runs_with_what_there_is() {
    let place = Place::new("k8snode, aws", ", ignore_errors: true").await;
    place
        .simulation
        .fail(Matcher::any().path("/api/v1/nodes/worker-1"), [Failure::Status { code: 403, retry_after_s: None }]);
    let lines = place.act(&[event("shell", "web-0")]).await;
    assert!(ended(&lines).starts_with("success: "), "{}", ended(&lines));
    assert_eq!(told_of(&lines).len(), 1);
    assert_eq!(place.contexts(), [instance()]);
}

#[tokio::test]
async fn where_the_metadata_must_not_be_asked_a_rule_that_needs_it_does_not_load() {
    let mut place = Place::new("aws", "").await;
    place.config.clouds.aws.metadata_disabled = true;
    let Err(log) = Host::start(place.config.clone(), place.simulation.client()).await else { panic!("it started") };
    let told = told(&log.lines());
    assert!(told.contains("AWS_EC2_METADATA_DISABLED forbids to look it up"), "{told}");
}

#[tokio::test]
async fn the_host_needs_the_right_to_read_nodes_where_a_rule_asks_for_one() {
    let reads = async |contexts: &str| {
        let place = Place::new(contexts, "").await;
        loader(place.folder.path()).load().await.map_err(|_| ()).unwrap().generation.reads_of_host()
    };
    assert_eq!(reads("aws").await, [] as [&str; 0]);
    assert_eq!(reads("k8snode").await, ["nodes", "pods"]);
}
