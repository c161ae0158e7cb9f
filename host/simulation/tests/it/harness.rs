//! What tests ask of the simulation itself: its beginnings, its record of requests, its snapshot, and failures on
//! demand.

use std::time::Duration;

use expect_test::expect;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use simulation::{Failure, Matcher, Simulation};

const CLUSTER: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: shop
  labels: {app: web}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, controller: true}]
spec:
  nodeName: node-1
  containers: [{name: web, image: web:1}]
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web:1}]}}
";

fn cluster() -> Simulation {
    Simulation::from_yaml(CLUSTER).expect("a cluster")
}

fn check_refused(yaml: &str, expected: &str) {
    let error = Simulation::from_yaml(yaml).expect_err("no cluster");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_broken_cluster_is_refused_with_the_reason() {
    check_refused(
        "apiVersion: v1\nkind: Podd\nmetadata: {name: a}",
        "line 1, column 1: Podd a: the simulation knows no v1 Podd; did you mean 'v1 Pod'?",
    );
    check_refused(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dataa: {}}",
        "line 1, column 1: ConfigMap a: a ConfigMap has no field `dataa`",
    );
    check_refused(
        "{apiVersion: v1, kind: Secret, metadata: {name: a}}\n---\n{apiVersion: v1, kind: Secret, metadata: {name: a}}",
        "line 3, column 1: Secret a: it is there already",
    );
    check_refused(
        "{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {x: 1}}}",
        "line 1, column 1: Secret a: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
    );
    check_refused(
        "{apiVersion: v1, kind: List, items: [1]}",
        "line 1, column 1, item 1: an object: it is not an object: apiVersion, kind and metadata are needed",
    );
    let error = Simulation::from_yaml("a: [").expect_err("no YAML").to_string();
    assert!(error.contains("line 1 column 4"), "{error}");
}

#[tokio::test]
async fn a_cluster_begins_settled() {
    let pods: Api<Pod> = Api::namespaced(cluster().client(), "shop");
    let pod = pods.get("web-0").await.expect("the pod");
    assert_eq!(pod.status.and_then(|status| status.phase).as_deref(), Some("Running"));
    let owner = cluster().get("apps/v1", "ReplicaSet", Some("shop"), "web").expect("the owner");
    assert_eq!(owner["status"]["readyReplicas"], 1);
    let owners = pod.metadata.owner_references.expect("its owners");
    assert_eq!(owner["metadata"]["uid"], owners[0].uid);
}

#[tokio::test]
async fn a_snapshot_shows_what_was_decided() {
    let simulation = cluster();
    let pods: Api<Pod> = Api::namespaced(simulation.client(), "shop");
    let patch = Patch::Merge(json!({"metadata": {"labels": {"suspicious": "true", "empty": ""}}}));
    pods.patch("web-0", &PatchParams::default(), &patch).await.expect("a patched pod");
    let snapshot = simulation.snapshot();
    let pod = snapshot.iter().find(|object| object["kind"] == "Pod").expect("the pod");
    let kinds: Vec<&str> = snapshot.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(kinds, ["Namespace", "Pod", "ReplicaSet"]);
    expect![[r#"
        {
          "apiVersion": "v1",
          "kind": "Pod",
          "metadata": {
            "labels": {
              "app": "web",
              "empty": "",
              "suspicious": "true"
            },
            "name": "web-0",
            "namespace": "shop",
            "ownerReferences": [
              {
                "apiVersion": "apps/v1",
                "controller": true,
                "kind": "ReplicaSet",
                "name": "web"
              }
            ]
          },
          "spec": {
            "containers": [
              {
                "image": "web:1",
                "name": "web"
              }
            ],
            "nodeName": "node-1"
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(pod).expect("JSON"));
}

#[tokio::test]
async fn a_pod_with_a_grace_period_terminates_until_the_kubelet_is_done() {
    let simulation = cluster();
    let pods: Api<Pod> = Api::namespaced(simulation.client(), "shop");
    pods.delete("web-0", &DeleteParams::default()).await.expect("a deletion");
    let pod = pods.get("web-0").await.expect("a terminating pod");
    assert_eq!(pod.metadata.deletion_grace_period_seconds, Some(30));
    assert!(simulation.snapshot().iter().all(|object| object["kind"] != "Pod"));
    simulation.finish_terminations();
    assert_eq!(pods.get_opt("web-0").await.expect("an answer"), None);
}

#[tokio::test]
async fn dependents_go_with_their_owner_unless_they_are_orphaned() {
    for (orphan, left) in [(false, 0), (true, 1)] {
        let simulation = cluster();
        let sets: Api<k8s_openapi::api::apps::v1::ReplicaSet> = Api::namespaced(simulation.client(), "shop");
        let options = if orphan { DeleteParams::orphan() } else { DeleteParams::background() };
        sets.delete("web", &options).await.expect("a deletion");
        simulation.finish_terminations();
        let pods: Api<Pod> = Api::namespaced(simulation.client(), "shop");
        let pods = pods.list(&ListParams::default()).await.expect("a list").items;
        assert_eq!(pods.len(), left);
        assert!(pods.iter().all(|pod| { pod.metadata.owner_references.as_ref().is_none_or(Vec::is_empty) }));
    }
}

#[tokio::test]
async fn pages_have_every_object_once() {
    let simulation = Simulation::new(Vec::new()).expect("a cluster");
    let maps: Api<ConfigMap> = Api::namespaced(simulation.client(), "kube-public");
    for name in ["a", "b", "c", "d"] {
        let map = ConfigMap {
            metadata: kube::api::ObjectMeta { name: Some(name.to_owned()), ..Default::default() },
            ..Default::default()
        };
        maps.create(&PostParams::default(), &map).await.expect("a config map");
    }
    let mut names = Vec::new();
    let mut page = ListParams::default().limit(2);
    loop {
        let list = maps.list(&page).await.expect("a page");
        names.extend(list.items.into_iter().filter_map(|map| map.metadata.name));
        match list.metadata.continue_ {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(names, ["a", "b", "c", "d", "kube-root-ca.crt"]);
}

#[tokio::test]
async fn requests_are_recorded() {
    let simulation = cluster();
    let pods: Api<Pod> = Api::namespaced(simulation.client(), "shop");
    pods.get("absent").await.expect_err("no such pod");
    let patch = Patch::Strategic(json!({"metadata": {"labels": {"a": "b"}}}));
    pods.patch("web-0", &PatchParams::default().dry_run(), &patch).await.expect("a rehearsal");
    let requests = simulation.requests();
    let lines: Vec<String> =
        requests.iter().map(|request| format!("{} {} {:?}", request.method, request.path, request.status)).collect();
    assert_eq!(
        lines,
        [
            "GET /api/v1/namespaces/shop/pods/absent Some(404)",
            "PATCH /api/v1/namespaces/shop/pods/web-0?&dryRun=All Some(200)",
        ]
    );
    assert_eq!(requests[1].content_type.as_deref(), Some("application/strategic-merge-patch+json"));
    assert_eq!(requests[1].json(), json!({"metadata": {"labels": {"a": "b"}}}));
}

#[tokio::test]
async fn failures_come_in_order_and_only_where_they_match() {
    let simulation = cluster();
    let pods: Api<Pod> = Api::namespaced(simulation.client(), "shop");
    let refusal = |code, retry_after_s| Failure::Status { code, retry_after_s };
    let matcher = Matcher::any().method("GET").path("/api/v1/namespaces/shop/pods/web-0");
    simulation.fail(matcher, [refusal(429, Some(7)), Failure::None, refusal(503, None), Failure::Disconnect]);
    pods.list(&ListParams::default()).await.expect("another path");
    let error = pods.get("web-0").await.expect_err("a refusal");
    let kube::Error::Api(status) = error else { panic!("{error}") };
    assert_eq!((status.code, status.reason.as_str()), (429, "TooManyRequests"));
    assert_eq!(status.details.map(|details| details.retry_after_seconds), Some(7));
    pods.get("web-0").await.expect("let pass");
    let error = pods.get("web-0").await.expect_err("a refusal");
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 503), "{error}");
    let error = pods.get("web-0").await.expect_err("a broken connection");
    assert!(!matches!(error, kube::Error::Api(_)), "{error}");
    pods.get("web-0").await.expect("all is well again");
}

#[tokio::test]
async fn a_connection_can_break_after_the_work_is_done() {
    let simulation = cluster();
    let pods: Api<Pod> = Api::namespaced(simulation.client(), "shop");
    simulation.fail(Matcher::any().method("PATCH"), [Failure::DisconnectAfterwards]);
    let patch = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}));
    pods.patch("web-0", &PatchParams::default(), &patch).await.expect_err("no answer");
    let pod = simulation.get("v1", "Pod", Some("shop"), "web-0").expect("the pod");
    assert_eq!(pod["metadata"]["labels"]["a"], "b");
    assert_eq!(simulation.requests()[0].status, None);
}

#[tokio::test]
async fn answers_take_time_or_never_come() {
    let simulation = cluster();
    let pods: Api<Pod> = Api::namespaced(simulation.client(), "shop");
    simulation.set_latency(Duration::from_millis(5));
    simulation.fail(Matcher::any(), [Failure::Delay(Duration::from_millis(20)), Failure::Silence]);
    let start = tokio::time::Instant::now();
    pods.get("web-0").await.expect("a late answer");
    assert!(start.elapsed() >= Duration::from_millis(25));
    let answer = tokio::time::timeout(Duration::from_millis(50), pods.get("web-0")).await;
    assert!(answer.is_err(), "an answer came");
}

#[tokio::test]
async fn an_answer_can_be_large() {
    let simulation = cluster();
    simulation.fail(Matcher::any(), [Failure::Padding(1 << 20)]);
    let pods: Api<Pod> = Api::namespaced(simulation.client(), "shop");
    let pod = pods.get("web-0").await.expect("a pod");
    assert_eq!(pod.metadata.annotations.expect("annotations")["padding"].len(), 1 << 20);
}
