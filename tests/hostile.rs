//! Guests that mean harm: each ends in a clear error, and the host goes on serving others.

use std::fs;
use std::time::Duration;

use expect_test::{Expect, expect};
use host::testing::digest;
use serde_json::{Value, json};
use simulation::{Failure, Matcher, Simulation};
use tempfile::TempDir;

use crate::running::{Host, config, text, told};

pub(crate) const CLUSTER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop}
spec: {containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop}
spec: {containers: [{name: web, image: nginx}]}
";

/// The rule `good` is for the bundled actionner, the rule `bad` for the guest.
pub(crate) fn rules(guest: &str) -> String {
    format!(
        "
- rule: Good
  match: {{rules: [good]}}
  actions:
    - {{action: Label it, actionner: 'kubernetes:label', parameters: {{labels: {{seen: 'true'}}}}}}
- rule: Bad
  match: {{rules: [bad]}}
  actions:
    - {{action: Do harm, actionner: '{guest}'}}
"
    )
}

/// A policy with an entry for a component.
pub(crate) fn policy(guest: &str, component: &[u8], rest: &str) -> String {
    format!("actionners:\n  {guest}:\n    digest: {}\n{rest}", digest(component))
}

pub(crate) fn event(rule: &str, pod: &str) -> String {
    json!({
        "rule": rule, "priority": "Notice", "time": "2025-11-22T13:24:41Z", "output": "a shell",
        "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": pod},
    })
    .to_string()
}

macro_rules! guest {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/hostile-", $name, ".wasm")).as_slice()
    };
}
pub(crate) use guest;

/// A folder with the files of a host that has this guest.
pub(crate) fn folder(guest: &str, component: &[u8], entry: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    fs::create_dir(folder.path().join("actionners")).unwrap();
    write("actionners/guest.wasm", component);
    write("rules.yaml", rules(guest).as_bytes());
    write("policy.yaml", policy(guest, component, entry).as_bytes());
    folder
}

/// What a host with this guest logs, that has got an event for it, and meanwhile one for another.
async fn run(guest: &str, component: &[u8], entry: &str, simulation: &Simulation) -> Vec<Value> {
    let folder = folder(guest, component, entry);
    let host = Host::start(config(folder.path()), simulation.client()).await;
    let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    host.post(event("bad", "web-0")).await;
    assert_eq!(host.request("GET", "/healthz", b"").await.0, 200);
    host.post(event("good", "web-1")).await;
    let other = host.log.line("action", |line| text(line, "rule") == "Good").await;
    assert_eq!(text(&other, "status"), "success");
    host.log.line("action", |line| text(line, "rule") == "Bad").await;
    assert_eq!(host.request("GET", "/healthz", b"").await.0, 200);
    host.stop().await
}

async fn check(guest: &str, component: &[u8], entry: &str, expected: &Expect) -> Vec<Value> {
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let lines = run(guest, component, entry, &simulation).await;
    let end = lines.iter().find(|line| line["message"] == "action" && text(line, "rule") == "Bad").unwrap();
    expected.assert_eq(&format!("{}: {}{}", text(end, "status"), text(end, "error"), text(end, "output")));
    lines
}

const WRITES: &str = "    kubernetes:
      - {verbs: [get, delete], resources: [pods], scope: any}
    limits: {cpu: 1s}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_computes_for_ever() {
    let expected = expect!["failure: the actionner used more than the 200 ms of CPU time that the policy allows"];
    check("hostile:spin", guest!("spin"), "    limits: {cpu: 200ms}\n", &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_all_memory() {
    let expected =
        expect!["failure: the actionner asked for more than the 16777216 bytes of memory that the policy allows"];
    check("hostile:memory", guest!("memory"), "    limits: {memory: 16Mi}\n", &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_calls_itself_for_ever() {
    let expected = expect!["failure: the actionner trapped: wasm trap: out of bounds memory access"];
    check("hostile:recursion", guest!("recursion"), "    limits: {cpu: 5s}\n", &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_with_more_text_than_the_host_takes() {
    let expected = expect!["failure: the actionner passed more than 1048576 bytes to the host in one call"];
    check("hostile:strings", guest!("strings"), "    limits: {cpu: 5s}\n", &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_gives_up() {
    let expected = expect!["failure: the actionner trapped: wasm trap: wasm `unreachable` instruction executed"];
    let lines = check("hostile:trap", guest!("trap"), "    limits: {cpu: 5s}\n", &expected).await;
    // Each is one record, whatever line breaks are in it.
    let words: Vec<_> = lines.iter().filter(|line| line["message"] == "actionner").collect();
    assert_eq!(words.len(), 1);
    expect![[r#""panicked at tests/guests/hostile-trap/src/lib.rs:12:5: an event with a rule\nlevel=error forged=true\r\u{1b}[31m""#]].assert_eq(&format!("{:?}", text(words[0], "output")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hoards_handles() {
    let expected = expect![[r#"success: 64 artifacts, then: Error::Invalid("more than 64 artifacts")"#]];
    check("hostile:handles", guest!("handles"), "    artifacts: true\n", &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_looks_for_files_network_and_environment_in_wasi() {
    let expected = expect![
        "success: variables: 0, arguments: 0, directory: None, folders: 0, connect: denied, listen: denied, udp: denied, resolve: permanent-resolver-failure"
    ];
    let lines = check("hostile:wasi", guest!("wasi"), "    limits: {cpu: 1s}\n", &expected).await;
    let words = lines.iter().filter(|line| line["message"] == "actionner");
    let words: Vec<_> = words.map(|line| format!("{}: {}", text(line, "level"), text(line, "output"))).collect();
    expect![[r#"
        info: words
        info: and mo
        info: re words
        warn: a [31mcomplaint"#]]
    .assert_eq(&words.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_floods_the_log() {
    let expected = expect!["success: 10000 lines have been written"];
    let lines = check("hostile:log", guest!("log"), "    limits: {cpu: 10s}\n", &expected).await;
    let flood: Vec<_> = lines.iter().filter(|line| line["message"] == "actionner").collect();
    assert_eq!(flood.len(), 100);
    assert_eq!(flood[99]["output"], "more than 100 lines: the rest is dropped");
    // Each is one record, whatever line breaks are in it.
    assert_eq!(flood[1]["output"], "line 1\n\u{1b}[31mlevel=error forged=true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_asks_for_what_it_is_denied() {
    let expected = expect!["failure: the actionner made more than the 50 host calls that the policy allows"];
    let entry = "    kubernetes:\n      - {verbs: [get], resources: [pods]}\n    limits: {cpu: 10s, host_calls: 50}\n";
    let lines = check("hostile:denials", guest!("denials"), entry, &expected).await;
    assert_eq!(lines.iter().filter(|line| line["message"] == "policy").count(), 50);
}

/// It is loaded, and what it was not granted is denied, counted and recorded as all else is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_imports_more_than_it_is_granted() {
    let expected = expect!["failure: the actionner made more than the 3 host calls that the policy allows"];
    let entry = "    ungranted: deny\n    limits: {cpu: 10s, host_calls: 3}\n";
    let lines = check("hostile:denials", guest!("denials"), entry, &expected).await;
    let denials: Vec<_> = lines.iter().filter(|line| line["message"] == "policy").collect();
    assert_eq!(denials.len(), 3);
    expect![[r#"
        `hostile:denials` may not get secrets kube-system/token: it has no grant for this resource; to allow it, add under `kubernetes:` of `hostile:denials` in the policy:
          - {verbs: [get], resources: [secrets], scope: any, namespaces: [kube-system], names: [token]}
          # it also allows the same for any event"#]].assert_eq(text(denials[0], "error"));
}

/// The case `denied-scope-event-target` takes an actionner that asks for another object than the event's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn denied_scope_event_target() {
    let expected = expect!["failure: the actionner made more than the 1 host calls that the policy allows"];
    let entry =
        "    kubernetes:\n      - {verbs: [get], resources: [secrets]}\n    limits: {cpu: 10s, host_calls: 1}\n";
    let lines = check("hostile:denials", guest!("denials"), entry, &expected).await;
    let denial = lines.iter().find(|line| line["message"] == "policy").unwrap();
    expect![[r#"
        `hostile:denials` may not get secrets kube-system/token: its grants reach only what the event names, and what that names once it was read: `pods shop/web-0`; to allow it, add under `kubernetes:` of `hostile:denials` in the policy:
          - {verbs: [get], resources: [secrets], scope: any, namespaces: [kube-system], names: [token]}
          # it also allows the same for any event"#]].assert_eq(text(denial, "error"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hides_paths_in_names() {
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let lines = run("hostile:names", guest!("names"), WRITES, &simulation).await;
    let end = lines.iter().find(|line| text(line, "rule") == "Bad" && line["message"] == "action").unwrap();
    expect!["72 requests were refused"].assert_eq(&format!("{}{}", text(end, "error"), text(end, "output")));
    let sent: Vec<_> = simulation.requests().into_iter().map(|it| format!("{} {}", it.method, it.path)).collect();
    assert_eq!(
        sent,
        ["PATCH /api/v1/namespaces/shop/pods/web-1?fieldManager=falco-talon.kubernetes.label&fieldValidation=Strict"]
    );
}

/// What an apply leaves out is removed, and so it needs the grant that writing it would need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_removes_what_it_may_not_write() {
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let respond = async |pod: &str, fields: &str| {
        let entry = format!(
            "    kubernetes:
      - verbs: [create, patch]
        resources: [networking.k8s.io/networkpolicies]
        scope: event-namespace
        fields: [{fields}]
"
        );
        let folder = folder("hostile:apply", guest!("apply"), &entry);
        let host = Host::start(config(folder.path()), simulation.client()).await;
        let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
        host.post(event("bad", pod)).await;
        let lines = host.stop().await;
        let end = lines.iter().find(|line| line["message"] == "action").unwrap();
        let policy = simulation.get("networking.k8s.io/v1", "NetworkPolicy", Some("shop"), "falco-talon-test").unwrap();
        let has_spec = policy["spec"]["podSelector"]["matchLabels"]["app"] == "web";
        (format!("{}: {}{}", text(end, "status"), text(end, "error"), text(end, "output")), has_spec)
    };
    assert_eq!(respond("web-0", "metadata.labels, spec").await, ("success: applied".to_owned(), true));
    let (end, has_spec) = respond("web-1", "metadata.labels").await;
    expect![[r#"
        denied: can't apply: denied by the policy: `hostile:apply` may not patch networking.k8s.io/networkpolicies shop/falco-talon-test: its grants allow the fields `metadata.labels`, and it touches `spec.podSelector`, `spec.policyTypes`; to allow it, add under `kubernetes:` of `hostile:apply` in the policy:
          - {verbs: [patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, namespaces: [shop], names: [falco-talon-test], fields: [{path: spec.podSelector, values: [""]}, {path: spec.policyTypes, values: [""]}]}
          # it also allows the same for any event of the namespace"#]]
    .assert_eq(&end);
    assert!(has_spec);
    assert_eq!(respond("web-1", "metadata.labels, spec").await, ("success: applied".to_owned(), false));
}

/// An owner reference is what whoever made the pod wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_follows_what_a_pod_says_of_itself() {
    async fn check(owners: Value, expected: &str) {
        let workload = |kind: &str, uid: &str, app: &str| {
            json!({
                "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "namespace": "shop", "uid": uid},
                "spec": {"selector": {"matchLabels": {"app": app}}, "template": {"metadata": {"labels": {"app": app}},
                         "spec": {"containers": [{"name": "web", "image": "nginx"}]}}},
            })
        };
        let pod = |name: &str, owners: &Value| {
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}, "ownerReferences": owners},
                "spec": {"nodeName": "node-1", "containers": [{"name": "web", "image": "nginx"}]},
            })
        };
        let node = |name: &str| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name}});
        let objects = [
            workload("Deployment", "web", "web"),
            workload("StatefulSet", "payments", "payments"),
            node("node-1"),
            node("control-plane"),
            pod("web-0", &owners),
            pod("web-1", &json!([])),
        ];
        let simulation = Simulation::new(objects.to_vec()).unwrap();
        let entry = "    kubernetes:
      - {verbs: [get], resources: [pods, nodes, apps/deployments, apps/statefulsets]}
      - {verbs: [patch], resources: [nodes, apps/deployments, apps/statefulsets], fields: [metadata.labels]}
";
        let lines = run("hostile:owners", guest!("owners"), entry, &simulation).await;
        let end = lines.iter().find(|line| text(line, "rule") == "Bad" && line["message"] == "action").unwrap();
        assert_eq!(text(end, "output"), expected, "{owners}");
    }
    let owner = |kind: &str, name: &str, uid: &str| {
        let api_version = if kind == "Node" { "v1" } else { "apps/v1" };
        json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": true})
    };
    let without = |mut owner: Value| {
        owner["controller"] = json!(false);
        owner
    };
    check(json!([owner("Deployment", "web", "web")]), "Deployment web: read, written").await;
    check(json!([without(owner("Deployment", "web", "web"))]), "Deployment web: denied, denied").await;
    check(json!([owner("Deployment", "web", "made-up")]), "Deployment web: read, denied").await;
    check(json!([owner("Deployment", "missing", "made-up")]), "Deployment missing: not found, denied").await;
    check(json!([owner("StatefulSet", "web", "payments")]), "StatefulSet web: read, denied").await;
    check(json!([owner("Node", "control-plane", "control-plane")]), "Node control-plane: denied, denied").await;
    // The node of the pod is one of the event's, however many others it names.
    let crowd = (0..63).map(|n| without(owner("ReplicaSet", &format!("r{n}"), "made-up")));
    let node = without(owner("Node", "node-1", "node-1"));
    let ends = (0..63).map(|n| format!("ReplicaSet r{n}: denied, denied; ")).collect::<String>();
    check(crowd.chain([node]).collect(), &format!("{ends}Node node-1: read, written")).await;
}

/// Nothing of its own is needed for that: the API server never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_sleeps_in_a_host_call() {
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    simulation.fail(Matcher::any().method("DELETE"), [Failure::Silence]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), rules("kubernetes:terminate")).unwrap();
    let entry = "actionners:\n  kubernetes:terminate:\n    kubernetes:\n      - {verbs: [get], resources: [pods]}\n      \
                 - {verbs: [delete], resources: [pods]}\n    limits: {deadline: 300ms}\n";
    fs::write(folder.path().join("policy.yaml"), entry).unwrap();
    let mut config = config(folder.path());
    config.audit.file = Some(folder.path().join("audit.log"));
    let host = Host::start(config, simulation.client()).await.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    let began = tokio::time::Instant::now();
    host.post(event("bad", "web-0")).await;
    host.post(event("good", "web-1")).await;
    host.log.line("action", |line| text(line, "rule") == "Good").await;
    let end = host.log.line("action", |line| text(line, "rule") == "Bad").await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    expect!["the actionner did not end within its deadline of 300 ms; what it had begun may have been carried out"]
        .assert_eq(text(&end, "error"));
    host.stop().await;
    let audit = fs::read_to_string(folder.path().join("audit.log")).unwrap();
    let lines: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| text(line, "request") == "delete pods shop/web-0").unwrap();
    assert_eq!(text(line, "status"), "unknown", "{line}");
    let line = lines.iter().find(|line| text(line, "request").contains("web-1")).unwrap();
    assert_eq!(text(line, "status"), "success", "{line}");
}
