//! Two actions that change one object at once: one flight at a time, and what the second finds.

use expect_test::expect;
use host::testing::Level;
use serde_json::{Value, json};
use simulation::{Failure, Matcher, Simulation};

use crate::crowds::{Gate, start, with_rules};
use crate::hostile::{event, folder, guest};
use crate::running::{config, text};

const CLUSTER: &str = "
apiVersion: v1
kind: Node
metadata: {name: node-1}
---
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

fn is_busy(line: &Value) -> bool {
    text(line, "status") == "not_sent" && text(line, "error").contains("another action changes")
}

/// How the actions end, and the writes of both: events about two pods of one node, the second of which comes
/// while the first request that `held` names is on its way.
async fn of_two(rule: &str, action: &str, held: &'static str) -> String {
    let rules = format!("- rule: R\n  {rule}\n  match: {{rules: [shell]}}\n  actions:\n    - {action}\n");
    let (_folder, mut config) = with_rules(&rules);
    config.log_level = Level::Debug;
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let (gate, client) = Gate::before(&simulation, held);
    let host = start(config, client).await;
    host.post(event("shell", "web-0")).await;
    gate.holds(1).await;
    host.post(event("shell", "web-1")).await;
    tokio::select! {
        _ = host.log.line("audit", is_busy) => {}
        () = gate.holds(2) => {}
    }
    gate.open();
    host.wait_until_idle().await;
    let lines = host.stop().await;
    let mut shown: Vec<String> = lines
        .iter()
        .filter(|line| line["message"] == "action")
        .map(|line| format!("{}: {}{}\n", text(line, "status"), text(line, "error"), text(line, "output")))
        .collect();
    let waited = lines.iter().filter(|line| is_busy(line)).count();
    shown.push(format!("waited: {waited}\n"));
    let sent = simulation.requests().into_iter().filter(|request| request.method != "GET");
    let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    let mut sent: Vec<_> = sent.map(|request| format!("{} {}\n", request.method, path(&request.path))).collect();
    // The evictions of one drain are sent side by side.
    sent.sort();
    shown.extend(sent);
    shown.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pods_drain_one_node_once() {
    let drain = |seconds: u32| {
        format!("{{action: A, actionner: 'kubernetes:drain', parameters: {{grace_period_seconds: {seconds}}}}}")
    };
    let once = expect![[r#"
        success: the node 'node-1' has been drained: 2 evicted pods, 0 ignored pods
        ignored: the pod 'web-1' in the namespace 'shop' doesn't exist
        waited: 1
        PATCH /api/v1/nodes/node-1
        POST /api/v1/namespaces/shop/pods/web-0/eviction
        POST /api/v1/namespaces/shop/pods/web-1/eviction
    "#]];
    once.assert_eq(&of_two("", &drain(0), "PATCH /api/v1/nodes/node-1").await);
    // The node is cordoned, and the pods are still to be listed.
    once.assert_eq(&of_two("", &drain(0), "GET /api/v1/pods").await);
    // Pods that take their time to go are there for the second, which changes nothing more.
    let after = expect![[r#"
        success: the node 'node-1' has been drained: 2 evicted pods, 0 ignored pods
        success: the node 'node-1' has been drained: 2 evicted pods, 0 ignored pods
        waited: 1
        PATCH /api/v1/nodes/node-1
        PATCH /api/v1/nodes/node-1
        POST /api/v1/namespaces/shop/pods/web-0/eviction
        POST /api/v1/namespaces/shop/pods/web-0/eviction
        POST /api/v1/namespaces/shop/pods/web-1/eviction
        POST /api/v1/namespaces/shop/pods/web-1/eviction
    "#]];
    after.assert_eq(&of_two("", &drain(60), "PATCH /api/v1/nodes/node-1").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_finds_what_the_other_has_done() {
    let cordon = "{action: A, actionner: 'kubernetes:cordon'}";
    let ended = of_two("", cordon, "PATCH /api/v1/nodes/node-1").await;
    expect![[r#"
        success: the node 'node-1' has been cordoned
        ignored: the node 'node-1' is already cordoned
        waited: 1
        PATCH /api/v1/nodes/node-1
    "#]]
    .assert_eq(&ended);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_waits_for_nobody() {
    let cordon = "{action: A, actionner: 'kubernetes:cordon'}";
    let ended = of_two("dry_run: true", cordon, "PATCH /api/v1/nodes/node-1").await;
    expect![[r#"
        : no action, dry-run is enabled: the node 'node-1' has been cordoned
        : no action, dry-run is enabled: the node 'node-1' has been cordoned
        waited: 0
        PATCH /api/v1/nodes/node-1
        PATCH /api/v1/nodes/node-1
    "#]]
    .assert_eq(&ended);
}

/// It has many objects for as long as it may run, and others wait no longer than that, or are not held up at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hoards_objects_holds_up_others_until_its_deadline() {
    let entry = "    kubernetes:
      - {verbs: [get], resources: [pods]}
      - {verbs: [create], resources: [pods/exec, pods/eviction], scope: any}
    limits: {deadline: 5s, cpu: 2s}
";
    let folder = folder("hostile:requests", guest!("requests"), entry);
    let mut config = config(folder.path());
    config.log_level = Level::Debug;
    let pod = |at: u32| {
        let spec = json!({"containers": [{"name": "web", "image": "nginx"}]});
        let metadata = json!({"name": format!("web-{at}"), "namespace": "shop"});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).to_string()
    };
    let simulation = Simulation::from_yaml(&(0..40).map(pod).collect::<Vec<_>>().join("\n---\n")).unwrap();
    let refused = |_| Failure::Status { code: 403, retry_after_s: None };
    simulation.fail(Matcher::any().method("POST"), (0..30).map(refused));
    let host = start(config, simulation.client()).await;
    let mut bad: Value = serde_json::from_str(&event("bad", "web-0")).unwrap();
    bad["output_fields"]["sec.mode"] = json!("hoard");
    bad["output_fields"]["sec.n"] = json!("30");
    host.post(bad.to_string()).await;
    host.log.line("audit", |line| text(line, "request").contains("pods/eviction shop/web-29")).await;
    host.post(event("good", "web-29")).await;
    host.log.line("audit", is_busy).await;
    host.post(event("good", "web-35")).await;
    host.wait_until_idle().await;
    let lines = host.stop().await;
    let ends = lines.iter().filter(|line| line["message"] == "action");
    let ends: Vec<_> =
        ends.map(|line| [text(line, "rule"), text(line, "pod"), text(line, "status")].join(" ")).collect();
    assert_eq!(ends, ["Good web-35 success", "Bad  success", "Good web-29 success"]);
}
