//! Guests that write over what they have read, while others write it, too.

use std::time::Duration;

use expect_test::expect;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use simulation::{Failure, Matcher, Simulation};

use crate::hostile::event;
use crate::outside::{Guest, Outside};
use crate::running::{Host, config, text, told};

/// As long as a write takes to arrive, so that another arrives before it.
const DELAY: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

const CLUSTER: &str = "
apiVersion: v1
kind: Node
metadata: {name: node-1}
spec: {taints: [{key: acme.example/reserved, effect: NoSchedule}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: shop
  labels: {app: web}
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, controller: true}]
spec: {nodeName: node-1, containers: [{name: web, image: nginx}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
";

/// How an action ends whose first write arrives after what `other` does.
async fn overtaken(
    guest: &Guest,
    parameters: &Value,
    simulation: &Simulation,
    other: impl Future<Output = ()>,
) -> String {
    let folder = guest.folder(&Outside::start().await, parameters);
    simulation.fail(Matcher::any().method("PATCH"), [Failure::Delay(DELAY)]);
    let host = Host::start(config(folder.path()), simulation.client()).await;
    let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    host.post(event("shell", "web-0")).await;
    while !simulation.requests().iter().any(|request| request.method == "PATCH") {
        tokio::time::sleep(PAUSE).await;
    }
    other.await;
    let lines = host.stop().await;
    let line = lines.iter().find(|line| line["message"] == "action").unwrap();
    format!("{}: {}{}", text(line, "status"), text(line, "error"), text(line, "output"))
}

pub(crate) fn api(simulation: &Simulation, group: &str, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    match kind {
        "Node" => Api::all_with(simulation.client(), &resource),
        _ => Api::namespaced_with(simulation.client(), "shop", &resource),
    }
}

#[tokio::test]
async fn a_taint_comes_beside_one_that_was_faster() {
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let grants = "    kubernetes:
      - {verbs: [get], resources: [pods, nodes]}
      - {verbs: [patch], resources: [nodes], fields: [spec.taints]}
";
    let guest =
        Guest { actionner: "acme:taint", component: "EXAMPLE_TAINT", grants: grants.to_owned(), dry_run: false };
    let nodes = api(&simulation, "", "Node");
    let other = async {
        let (reserved, faster) = (
            json!({"key": "acme.example/reserved", "effect": "NoSchedule"}),
            json!({"key": "other", "effect": "NoExecute"}),
        );
        let patch = Patch::Merge(json!({"spec": {"taints": [reserved, faster]}}));
        nodes.patch("node-1", &PatchParams::default(), &patch).await.unwrap();
    };
    let ended = overtaken(&guest, &json!({"key": "acme.example/suspicious"}), &simulation, other).await;
    expect!["success: the node 'node-1' has got the taint acme.example/suspicious:NoSchedule"].assert_eq(&ended);
    let node = simulation.get("v1", "Node", None, "node-1").unwrap();
    let taints = node["spec"]["taints"].as_array().unwrap().iter().map(|taint| text(taint, "key"));
    let expected = ["acme.example/reserved", "other", "acme.example/suspicious"];
    assert_eq!(taints.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn another_workload_of_the_same_name_is_not_scaled() {
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let grants = "    kubernetes:
      - {verbs: [get], resources: [pods, apps/statefulsets]}
      - {verbs: [patch], resources: [apps/statefulsets/scale], fields: [spec.replicas]}
";
    let guest =
        Guest { actionner: "acme:scale", component: "EXAMPLE_SCALE", grants: grants.to_owned(), dry_run: false };
    let sets = api(&simulation, "apps", "StatefulSet");
    let other = async {
        let mut set = sets.get("web").await.unwrap();
        sets.delete("web", &Default::default()).await.unwrap();
        set.metadata = kube::api::ObjectMeta { name: Some("web".to_owned()), ..Default::default() };
        sets.create(&PostParams::default(), &set).await.unwrap();
    };
    let ended = overtaken(&guest, &json!({}), &simulation, other).await;
    expect!["failure: can't scale the StatefulSet 'web' in the namespace 'shop': conflict: another object has its name since"].assert_eq(&ended);
    let set = simulation.get("apps/v1", "StatefulSet", Some("shop"), "web").unwrap();
    assert_eq!(set["spec"]["replicas"], 1);
}
