//! What an event names, what that names itself, and what is not believed.

#![expect(clippy::needless_pass_by_value, reason = "the rows of a table read more easily without references")]

use serde_json::json;

use super::*;

fn targets(fields: &Value) -> Targets {
    let event = json!({"rule": "r", "priority": "Warning", "source": "syscall", "output": "o",
                       "hostname": "h", "time": "2026-07-22T14:24:41.123456789Z", "tags": [],
                       "output_fields": fields});
    Targets::of(&Event::from_json(event.to_string().as_bytes()).unwrap())
}

fn shown(targets: &Targets) -> Vec<String> {
    targets
        .iter()
        .map(|target| {
            let Target { group, resource, namespace, name } = target;
            format!("{group}/{resource} {}/{name}", namespace.as_deref().unwrap_or(""))
        })
        .collect()
}

#[track_caller]
fn check(fields: Value, expected: &[&str]) {
    assert_eq!(shown(&targets(&fields)), expected);
}

#[test]
fn an_event_names_its_pod() {
    check(json!({"k8s.pod.name": "web-0", "k8s.ns.name": "shop"}), &["/pods shop/web-0"]);
    check(json!({"ka.target.pod.name": "web-0", "ka.target.namespace": "shop"}), &["/pods shop/web-0"]);
    check(json!({"k8s.pod.name": "web-0"}), &[]);
    check(json!({"proc.name": "sh"}), &[]);
}

#[test]
fn an_audit_record_names_its_object() {
    let audit = |resource: &str| json!({"ka.target.resource": resource, "ka.target.name": "web", "ka.target.namespace": "shop"});
    check(audit("pods"), &["/pods shop/web"]);
    check(audit("deployments"), &["apps/deployments shop/web"]);
    check(audit("clusterroles"), &["rbac.authorization.k8s.io/clusterroles /web"]);
    check(audit("rollouts"), &[]);
    check(audit("pods/../secrets"), &[]);
    check(json!({"ka.target.resource": "namespaces", "ka.target.name": "shop"}), &["/namespaces /shop"]);
}

#[test]
fn the_path_of_a_request_names_the_group() {
    let audit = |resource: &str, uri: &str| json!({"ka.target.resource": resource, "ka.target.name": "web", "ka.target.namespace": "shop", "ka.uri": uri});
    let rollout = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web?dryRun=All";
    check(audit("rollouts", rollout), &["argoproj.io/rollouts shop/web"]);
    check(audit("deployments", "/apis/apps/v1/namespaces/shop/deployments/web"), &["apps/deployments shop/web"]);
    check(audit("pods", "/api/v1/namespaces/shop/pods/web"), &["/pods shop/web"]);
    check(audit("deployments", "/apis/acme.example/v1/deployments/web"), &["acme.example/deployments shop/web"]);
    check(audit("rollouts", "/apis/../x"), &[]);
    check(audit("rollouts", "nonsense"), &[]);
}

#[test]
fn an_audit_record_whose_object_is_not_known_is_reported() {
    for (resource, reason) in [
        ("rollouts", "rollouts: an audit record names no group, and Kubernetes itself has no such resource"),
        ("pods/../secrets", "`pods/../secrets` can't be a resource"),
        ("pods", "pods lie in a namespace, and none is named"),
    ] {
        let targets = targets(&json!({"ka.target.resource": resource, "ka.target.name": "web"}));
        assert!(targets.refused()[0].contains(reason), "{:?}", targets.refused());
    }
}

#[test]
fn names_that_can_be_no_name_are_refused_and_told() {
    for name in ["../../secrets", "web-1/exec", "Web", "a b", "*", "..", "\u{202e}x", "a\r\nb"] {
        let by_name = targets(&json!({"k8s.pod.name": name, "k8s.ns.name": "shop"}));
        let by_namespace = targets(&json!({"k8s.pod.name": "web", "k8s.ns.name": name}));
        for targets in [by_name, by_namespace] {
            assert_eq!(shown(&targets), [""; 0], "{name:?}");
            assert_eq!(targets.refused().len(), 1, "{name:?}");
            assert!(!targets.refused()[0].contains(|c: char| c.is_control() || c == '\u{202e}'));
            assert_eq!(targets.namespaces().count(), 0);
        }
    }
}

fn pod(name: &str, spec: Value, owners: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
           "metadata": {"name": name, "namespace": "shop", "ownerReferences": owners}})
}

fn owner(api_version: &str, kind: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "name": "owner", "uid": "1"})
}

#[track_caller]
fn check_learned(object: Value, expected: &[&str]) {
    let mut targets = targets(&json!({"k8s.pod.name": "web-0", "k8s.ns.name": "shop"}));
    targets.learn(&object);
    assert_eq!(shown(&targets)[1..], *expected);
    assert_eq!(targets.namespaces().collect::<Vec<_>>(), ["shop"]);
}

#[test]
fn a_target_names_its_owners_and_its_node() {
    check_learned(pod("web-0", json!({"nodeName": "worker-1"}), json!([])), &["/nodes /worker-1"]);
    for (api_version, kind, expected) in [
        ("apps/v1", "ReplicaSet", "apps/replicasets shop/owner"),
        ("apps/v1", "StatefulSet", "apps/statefulsets shop/owner"),
        ("batch/v1", "Job", "batch/jobs shop/owner"),
        ("v1", "Node", "/nodes /owner"),
        ("argoproj.io/v1alpha1", "Rollout", "argoproj.io/rollouts shop/owner"),
        ("acme.example/v1", "Policy", "acme.example/policies shop/owner"),
        ("acme.example/v1", "Gateway", "acme.example/gateways shop/owner"),
        ("acme.example/v1", "Box", "acme.example/boxes shop/owner"),
    ] {
        check_learned(pod("web-0", json!({}), json!([owner(api_version, kind)])), &[expected]);
    }
}

#[test]
fn only_workloads_are_believed_to_be_owners() {
    for (api_version, kind) in [
        ("v1", "Secret"),
        ("v1", "Namespace"),
        ("v1", "Pod"),
        ("apps/v1", "ControllerRevision"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("acme.example/v1", "a/b"),
        ("acme.example/v1", ""),
    ] {
        check_learned(pod("web-0", json!({}), json!([owner(api_version, kind)])), &[]);
    }
}

#[test]
fn an_object_that_is_no_target_teaches_nothing() {
    check_learned(pod("web-1", json!({"nodeName": "w"}), json!([owner("apps/v1", "ReplicaSet")])), &[]);
    check_learned(json!({"kind": "Pod", "metadata": {"name": "web-0"}}), &[]);
    check_learned(json!([]), &[]);
}

#[test]
fn owners_are_followed_step_by_step_and_not_without_end() {
    let mut targets = targets(&json!({"k8s.pod.name": "web-0", "k8s.ns.name": "shop"}));
    let replicaset = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "owner", "namespace": "shop", "ownerReferences": [owner("apps/v1", "Deployment")]}});
    targets.learn(&replicaset);
    assert!(!targets.contains("apps", "deployments", Some("shop"), "owner"));
    targets.learn(&pod("web-0", json!({}), json!([owner("apps/v1", "ReplicaSet")])));
    targets.learn(&replicaset);
    assert!(targets.contains("apps", "deployments", Some("shop"), "owner"));
    let many: Vec<Value> =
        (0..1_000).map(|n| json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("r{n}")})).collect();
    targets.learn(&pod("web-0", json!({"nodeName": "../x"}), json!(many)));
    assert_eq!(targets.iter().count(), TARGETS_MAX);
}
