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
            let ObjectId { group, resource, namespace, name } = &target.object;
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

/// Take in what was read of `resource`, as `apps/replicasets`.
fn learn(targets: &mut Targets, resource: &str, name: &str, object: &Value) -> Result<(), Replaced> {
    let (group, resource) = resource.rsplit_once('/').unwrap_or(("", resource));
    targets.learn(&Address::new(group, "v1", resource, Some("shop"), Some(name)).unwrap(), object)
}

fn about_web_0() -> Targets {
    targets(&json!({"k8s.pod.name": "web-0", "k8s.ns.name": "shop"}))
}

fn pod(spec: Value, owners: Value) -> Value {
    json!({"spec": spec, "metadata": {"uid": "pod", "labels": {"app": "web"}, "ownerReferences": owners}})
}

fn owner(api_version: &str, kind: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "name": "owner", "uid": "1", "controller": true})
}

fn workload(uid: &str, selected: &str, owners: Value) -> Value {
    json!({"metadata": {"uid": uid, "ownerReferences": owners}, "spec": {"selector": {"matchLabels": {"app": selected}}}})
}

#[test]
fn a_pod_names_its_node() {
    let mut targets = about_web_0();
    learn(&mut targets, "pods", "web-0", &pod(json!({"nodeName": "worker-1"}), json!([]))).unwrap();
    assert_eq!(shown(&targets), ["/pods shop/web-0", "/nodes /worker-1"]);
    assert_eq!(targets.namespaces().collect::<Vec<_>>(), ["shop"]);
    let mut targets = about_web_0();
    learn(&mut targets, "pods", "web-0", &pod(json!({"nodeName": "../x"}), json!([]))).unwrap();
    assert_eq!(shown(&targets), ["/pods shop/web-0"]);
}

#[test]
fn a_controller_is_a_target_once_it_was_read() {
    #[track_caller]
    fn check(api_version: &str, kind: &str, resource: &str) {
        let mut targets = about_web_0();
        learn(&mut targets, "pods", "web-0", &pod(json!({}), json!([owner(api_version, kind)]))).unwrap();
        let (group, plural) = resource.rsplit_once('/').unwrap_or(("", resource));
        assert!(targets.is_claimed(group, plural, Some("shop"), "owner"), "{resource}");
        assert!(!targets.contains(group, plural, Some("shop"), "owner"));
        learn(&mut targets, resource, "owner", &workload("1", "web", json!([]))).unwrap();
        assert!(targets.contains(group, plural, Some("shop"), "owner"), "{resource}");
        assert_eq!(targets.namespaces().collect::<Vec<_>>(), ["shop"]);
    }
    check("apps/v1", "ReplicaSet", "apps/replicasets");
    check("apps/v1", "StatefulSet", "apps/statefulsets");
    check("batch/v1", "Job", "batch/jobs");
    check("v1", "ReplicationController", "replicationcontrollers");
    check("argoproj.io/v1alpha1", "Rollout", "argoproj.io/rollouts");
    check("acme.example/v1", "Policy", "acme.example/policies");
    check("acme.example/v1", "Gateway", "acme.example/gateways");
    check("acme.example/v1", "Box", "acme.example/boxes");
}

#[test]
fn what_can_own_nothing_is_not_even_claimed() {
    fn check(owner: Value) {
        let mut targets = about_web_0();
        learn(&mut targets, "pods", "web-0", &pod(json!({}), json!([owner]))).unwrap();
        assert_eq!(targets.claims, [], "{owner}");
    }
    for (api_version, kind) in [
        ("v1", "Node"),
        ("v1", "Secret"),
        ("v1", "Namespace"),
        ("v1", "Pod"),
        ("apps/v1", "ControllerRevision"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("acme.example/v1", "a/b"),
        ("acme.example/v1", ""),
    ] {
        check(owner(api_version, kind));
    }
    let with = |key: &str, value: Value| {
        let mut owner = owner("apps/v1", "ReplicaSet");
        owner[key] = value;
        owner
    };
    check(with("controller", json!(false)));
    check(with("controller", Value::Null));
    check(with("uid", json!("")));
    check(with("uid", Value::Null));
    check(with("name", json!("../x")));
}

#[test]
fn a_claim_that_is_not_true_makes_no_target() {
    fn check(read: Value) {
        let mut targets = about_web_0();
        learn(&mut targets, "pods", "web-0", &pod(json!({}), json!([owner("apps/v1", "Deployment")]))).unwrap();
        learn(&mut targets, "apps/deployments", "owner", &read).unwrap();
        assert_eq!(shown(&targets), ["/pods shop/web-0"], "{read}");
    }
    check(workload("2", "web", json!([])));
    check(workload("1", "payments", json!([])));
    check(json!({"metadata": {"uid": "1"}, "spec": {"selector": {}}}));
    check(json!({"metadata": {"uid": "1"}}));
    check(json!([]));
}

#[test]
fn an_object_that_is_no_target_teaches_nothing() {
    let mut targets = about_web_0();
    let object = pod(json!({"nodeName": "w"}), json!([owner("apps/v1", "ReplicaSet")]));
    learn(&mut targets, "pods", "web-1", &object).unwrap();
    learn(&mut targets, "pods/status", "web-0", &object).unwrap();
    learn(&mut targets, "apps/replicasets", "owner", &workload("1", "web", json!([]))).unwrap();
    learn(&mut targets, "pods", "web-0", &json!([])).unwrap();
    assert_eq!(shown(&targets), ["/pods shop/web-0"]);
}

#[test]
fn controllers_are_followed_step_by_step() {
    let mut targets = about_web_0();
    let of = |kind: &str, name: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": name, "controller": true}]);
    let set = workload("set", "web", of("Deployment", "web"));
    learn(&mut targets, "apps/replicasets", "set", &set).unwrap();
    assert!(!targets.is_claimed("apps", "deployments", Some("shop"), "web"));
    learn(&mut targets, "pods", "web-0", &pod(json!({}), of("ReplicaSet", "set"))).unwrap();
    learn(&mut targets, "apps/replicasets", "set", &set).unwrap();
    learn(&mut targets, "apps/deployments", "web", &workload("web", "web", of("Deployment", "web"))).unwrap();
    let expected = ["/pods shop/web-0", "apps/replicasets shop/set", "apps/deployments shop/web"];
    assert_eq!(shown(&targets), expected);
    let learnt = targets.iter().map(|target| (target.learnt, target.uid.as_deref()));
    let expected = [(Learnt::Named, Some("pod")), (Learnt::Controller, Some("set")), (Learnt::Controller, Some("web"))];
    assert_eq!(learnt.collect::<Vec<_>>(), expected);
}

#[test]
fn owners_crowd_nothing_out() {
    let mut owners: Vec<Value> = (0..1_000)
        .map(|n| json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("r{n}"), "uid": "1"}))
        .collect();
    owners.push(owner("apps/v1", "ReplicaSet"));
    let mut targets = about_web_0();
    learn(&mut targets, "pods", "web-0", &pod(json!({"nodeName": "worker-1"}), json!(owners))).unwrap();
    assert!(targets.contains("", "nodes", None, "worker-1"));
    assert!(targets.is_claimed("apps", "replicasets", Some("shop"), "owner"));
    assert_eq!(targets.claims.len(), 1);
    // Also where it says something else each time that it is read.
    for n in 0..100 {
        let mut owner = owner("apps/v1", "ReplicaSet");
        owner["name"] = json!(format!("r{n}"));
        learn(&mut targets, "pods", "web-0", &pod(json!({}), json!([owner]))).unwrap();
    }
    assert_eq!(targets.claims.len(), OWNERS_MAX);
    assert!(targets.is_claimed("apps", "replicasets", Some("shop"), "r99"));
}

#[test]
fn pods_of_the_node_are_reached_each_with_its_controller() {
    let listed = |node: &str, name: &str, owners: Value| json!({"metadata": {"namespace": "other", "name": name, "ownerReferences": owners}, "spec": {"nodeName": node}});
    let mut targets = about_web_0();
    learn(&mut targets, "pods", "web-0", &pod(json!({"nodeName": "worker-1"}), json!([]))).unwrap();
    let mut crowd: Vec<Value> = (0..1_000).map(|_| owner("apps/v1", "DaemonSet")).collect();
    crowd.iter_mut().for_each(|owner| owner["controller"] = json!(false));
    let pods = [
        listed("worker-1", "a", json!(crowd)),
        listed("worker-1", "b", json!([owner("apps/v1", "DaemonSet")])),
        listed("worker-2", "c", json!([])),
        listed("worker-1", "../x", json!([])),
    ];
    assert_eq!(targets.learn_pods_of_node(&pods), 0);
    let reached = ["a", "b", "c"].map(|name| targets.is_on_node("", "pods", Some("other"), name));
    assert_eq!(reached, [true, true, false]);
    assert!(targets.is_claimed_on_node("apps", "daemonsets", Some("other"), "owner"));
    assert!(!targets.is_on_node("apps", "daemonsets", Some("other"), "owner"));
    let many: Vec<Value> = (0..ON_NODE_MAX).map(|n| listed("worker-1", &format!("p{n}"), json!([]))).collect();
    assert_eq!(targets.learn_pods_of_node(&many), 2);
}

#[test]
fn another_of_the_same_name_is_not_the_target() {
    let mut targets = about_web_0();
    let read = |uid: &str| json!({"metadata": {"uid": uid}});
    learn(&mut targets, "pods", "web-0", &read("1")).unwrap();
    learn(&mut targets, "pods", "web-0", &read("1")).unwrap();
    let replaced = learn(&mut targets, "pods", "web-0", &read("2")).unwrap_err();
    assert_eq!((replaced.object.to_string(), replaced.learnt), ("pods shop/web-0".to_owned(), Learnt::Named));
    let fields = json!({"k8s.pod.name": "web-0", "k8s.ns.name": "shop", "k8smeta.pod.uid": "1"});
    let mut targets = self::targets(&fields);
    assert!(learn(&mut targets, "pods", "web-0", &read("2")).is_err());
    assert!(learn(&mut targets, "pods", "web-0", &read("1")).is_ok());
}

/// What is left of an attempt before, as it is stored.
fn after(targets: &Targets) -> Targets {
    let mut next = about_web_0();
    next.expect(targets.uids().to_string().parse().unwrap());
    next
}

#[test]
fn what_an_attempt_has_found_is_what_the_next_one_has_to_find() {
    let of_set = pod(json!({"nodeName": "worker-1"}), json!([owner("apps/v1", "StatefulSet")]));
    let mut first = about_web_0();
    learn(&mut first, "pods", "web-0", &of_set).unwrap();
    learn(&mut first, "apps/statefulsets", "owner", &workload("1", "web", json!([]))).unwrap();
    let id = |resource: &str, name: &str| ObjectId::new("", resource, Some("shop"), name);
    let mut second = after(&first);
    assert_eq!([second.uid(&id("pods", "web-0")), second.uid(&id("pods", "web-1"))], [Some("pod"), None]);
    let is_another = |uid: &str| second.is_another(&id("pods", "web-0"), uid);
    assert_eq!(["pod", "successor"].map(is_another), [false, true]);
    // It has read nothing, and what it knows is not lost.
    let mut third = after(&second);
    for next in [&mut second, &mut third] {
        let mut successor = of_set.clone();
        successor["metadata"]["uid"] = json!("successor");
        let replaced = learn(next, "pods", "web-0", &successor).unwrap_err();
        assert_eq!((replaced.object, replaced.learnt), (id("pods", "web-0"), Learnt::Named));
        assert_eq!(shown(next), ["/pods shop/web-0"], "and it teaches nothing");
        learn(next, "pods", "web-0", &of_set).unwrap();
        learn(next, "apps/statefulsets", "owner", &workload("1", "web", json!([]))).unwrap();
        assert_eq!(next.uids(), first.uids());
    }
}

#[test]
fn a_controller_and_a_node_can_be_others_too() {
    let of_set = |uid: &str| {
        let mut owner = owner("apps/v1", "StatefulSet");
        owner["uid"] = json!(uid);
        pod(json!({"nodeName": "worker-1"}), json!([owner]))
    };
    let node = |targets: &mut Targets, uid: &str| {
        targets.learn(
            &Address::new("", "v1", "nodes", None, Some("worker-1")).unwrap(),
            &json!({"metadata": {"uid": uid}}),
        )
    };
    let mut first = about_web_0();
    learn(&mut first, "pods", "web-0", &of_set("1")).unwrap();
    learn(&mut first, "apps/statefulsets", "owner", &workload("1", "web", json!([]))).unwrap();
    node(&mut first, "1").unwrap();
    let mut second = after(&first);
    learn(&mut second, "pods", "web-0", &of_set("2")).unwrap();
    let replaced = learn(&mut second, "apps/statefulsets", "owner", &workload("2", "web", json!([]))).unwrap_err();
    assert_eq!(replaced.learnt, Learnt::Controller);
    assert!(!second.contains("apps", "statefulsets", Some("shop"), "owner"));
    assert_eq!(node(&mut second, "2").unwrap_err().learnt, Learnt::NodeOfPod);
    node(&mut second, "1").unwrap();
}

#[test]
fn what_was_written_is_found_too() {
    let address = |resource, name| Address::new("", "v1", resource, Some("shop"), Some(name)).unwrap();
    let mut targets = about_web_0();
    targets.note_written(&address("pods", "web-1"), "1");
    targets.note_written(&address("pods/status", "web-0"), "1");
    targets.note_written(&address("pods", "web-0"), "");
    assert_eq!(targets.uids(), Uids::default());
    targets.note_written(&address("pods", "web-0"), "1");
    targets.note_written(&address("pods", "web-0"), "2");
    assert_eq!(targets.uid(&targets.objects[0].object), Some("1"));
    let read = |uid: &str| json!({"metadata": {"uid": uid}});
    assert!(learn(&mut after(&targets), "pods", "web-0", &read("2")).is_err());
    assert!(learn(&mut after(&targets), "pods", "web-0", &read("1")).is_ok());
}
