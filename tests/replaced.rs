//! Pods that were replaced by others of their name since the event: nothing but a mark is put on these.

use std::fs;
use std::time::Duration;

use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use simulation::{Failure, Matcher, Simulation};

use crate::conflicts::api;
use crate::running::{Host, config, text, told};

const CLUSTER: &str = "
apiVersion: v1
kind: Node
metadata: {name: node-1}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, uid: successor, creationTimestamp: '2026-07-22T14:30:00Z', labels: {app: web}}
spec: {nodeName: node-1, containers: [{name: web, image: nginx}]}
status:
  phase: Running
  containerStatuses: [{name: web, containerID: 'containerd://aaaaaaaaaaaaaaaa', state: {running: {}}}]
";

const REPLACED: &str = "ignored: the pod 'web-0' in the namespace 'shop' has been replaced since the event";

/// How an action ends that an event with these fields leads to, and the writes and commands that were sent.
async fn respond(
    simulation: &Simulation,
    action: &str,
    fields: &Value,
    meanwhile: impl Future<Output = ()>,
) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let rules = format!("- rule: R\n  match: {{rules: [shell]}}\n  actions:\n    - {action}\n");
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let host = Host::start(config(folder.path()), simulation.client()).await;
    let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    let mut event = json!({
        "rule": "shell", "priority": "Notice", "time": "2026-07-22T14:24:41Z", "output": "a shell",
        "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": "web-0", "fd.rip": "203.0.113.7"},
    });
    event["output_fields"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    host.post(event.to_string()).await;
    meanwhile.await;
    let lines = host.stop().await;
    let line = lines.iter().find(|line| line["message"] == "action").unwrap();
    let sent = simulation.requests().into_iter();
    let sent = sent.filter(|it| it.method != "GET" || it.path.contains("/exec")).map(|it| it.method);
    (format!("{}: {}{}", text(line, "status"), text(line, "error"), text(line, "output")), sent.collect())
}

const ACTIONS: [&str; 11] = [
    "{action: A, actionner: 'kubernetes:terminate'}",
    "{action: A, actionner: 'kubernetes:terminate', parameters: {ignore_daemonsets: true}}",
    "{action: A, actionner: 'kubernetes:networkpolicy'}",
    "{action: A, actionner: 'calico:networkpolicy'}",
    "{action: A, actionner: 'cilium:networkpolicy'}",
    "{action: A, actionner: 'kubernetes:exec', parameters: {command: id}}",
    "{action: A, actionner: 'kubernetes:script', parameters: {script: id}}",
    "{action: A, actionner: 'kubernetes:cordon'}",
    "{action: A, actionner: 'kubernetes:drain'}",
    "{action: A, actionner: 'kubernetes:label', parameters: {level: node, labels: {a: b}}}",
    "{action: A, actionner: 'kubernetes:annotation', parameters: {level: node, annotations: {a: b}}}",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_event_does_nothing_to_the_successor() {
    let predecessors = [
        json!({"k8smeta.pod.uid": "predecessor"}),
        json!({"container.id": "3ad7b26ded6d"}),
        json!({"container.id": "host", "container.start_ts": 1_784_730_000_000_000_000_u64}),
    ];
    for action in ACTIONS {
        for fields in &predecessors {
            let simulation = Simulation::from_yaml(CLUSTER).unwrap();
            let (end, writes) = respond(&simulation, action, fields, async {}).await;
            assert_eq!((end.as_str(), writes.as_slice()), (REPLACED, [].as_slice()), "{action} {fields}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_about_the_pod_itself_is_responded_to() {
    for fields in [
        json!({}),
        json!({"k8smeta.pod.uid": "successor"}),
        json!({"container.id": "aaaaaaaaaaaa"}),
        json!({"container.id": "host"}),
    ] {
        let simulation = Simulation::from_yaml(CLUSTER).unwrap();
        let (end, _) = respond(&simulation, ACTIONS[0], &fields, async {}).await;
        assert_eq!(end, "success: the pod 'web-0' in the namespace 'shop' has been terminated", "{fields}");
    }
}

/// One request is all that they are, and nothing is lost by a mark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_and_annotations_are_put_on_whatever_has_the_name() {
    for action in [
        "{action: A, actionner: 'kubernetes:label', parameters: {labels: {a: b}}}",
        "{action: A, actionner: 'kubernetes:annotation', parameters: {annotations: {a: b}}}",
    ] {
        let simulation = Simulation::from_yaml(CLUSTER).unwrap();
        let (end, writes) = respond(&simulation, action, &json!({"k8smeta.pod.uid": "predecessor"}), async {}).await;
        assert!(end.starts_with("success: the pod 'web-0'"), "{end}");
        assert_eq!((writes.as_slice(), simulation.requests().len()), (["PATCH".to_owned()].as_slice(), 1));
    }
}

/// The read and the write are two requests, and the pod goes between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_finds_what_was_read_or_nothing() {
    for (action, method) in [(ACTIONS[0], "DELETE"), (ACTIONS[2], "PATCH")] {
        let simulation = Simulation::from_yaml(CLUSTER).unwrap();
        simulation.fail(
            Matcher::any().method(method).path("/api/v1/namespaces/shop/pods/web-0"),
            [Failure::Delay(Duration::from_secs(2))],
        );
        let replace = async {
            while !simulation.requests().iter().any(|it| it.method == method && it.path.contains("/pods/")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            replace(&simulation).await;
        };
        let (end, _) = respond(&simulation, action, &json!({}), replace).await;
        assert_eq!(end, REPLACED, "{action}");
        let pod = simulation.get("v1", "Pod", Some("shop"), "web-0").unwrap();
        assert_eq!(pod["metadata"]["labels"], json!({"app": "web"}));
    }
}

/// The first attempt has read the pod, and can't write; when the second one reads the pod, it is another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_tried_again_is_not_done_to_a_successor() {
    let pod = "/api/v1/namespaces/shop/pods/web-0";
    for (action, method, path) in
        [(ACTIONS[0], "DELETE", pod), (ACTIONS[2], "PATCH", pod), (ACTIONS[7], "PATCH", "/api/v1/nodes/node-1")]
    {
        let simulation = Simulation::from_yaml(CLUSTER).unwrap();
        simulation.fail(Matcher::any().method(method).path(path), [Failure::Status { code: 503, retry_after_s: None }]);
        let slow = Failure::Delay(Duration::from_secs(2));
        simulation.fail(Matcher::any().method("GET").path(pod), [Failure::None, slow]);
        let reads = || simulation.requests().iter().filter(|it| it.method == "GET" && it.path == pod).count();
        let replace = async {
            while reads() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            replace(&simulation).await;
        };
        let (end, _) = respond(&simulation, action, &json!({}), replace).await;
        assert_eq!(end, REPLACED, "{action}");
        let writes = simulation.requests().iter().filter(|it| it.method == method && it.path.starts_with(path)).count();
        // What replaces the pod deletes it.
        assert_eq!(writes, if method == "DELETE" { 2 } else { 1 }, "{action}");
        let pod = simulation.get("v1", "Pod", Some("shop"), "web-0").unwrap();
        assert_eq!(pod["metadata"]["labels"], json!({"app": "web"}), "{action}");
        assert_eq!(pod["metadata"]["deletionTimestamp"], Value::Null, "{action}");
    }
}

/// Put another pod in the place of the one that is there.
async fn replace(simulation: &Simulation) {
    let pods = api(simulation, "", "Pod");
    let mut pod = pods.get("web-0").await.unwrap();
    pods.delete("web-0", &DeleteParams::default().grace_period(0)).await.unwrap();
    pod.metadata.uid = None;
    pod.metadata.resource_version = None;
    pods.create(&PostParams::default(), &pod).await.unwrap();
}
