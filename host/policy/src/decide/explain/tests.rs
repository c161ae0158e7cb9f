//! How the policy reads in words.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::grants::{Policy, Verb};

const GRANTS: &str = "kubernetes:
      - {verbs: [get], resources: [pods, nodes, apps/replicasets]}
      - {verbs: [delete], resources: [pods]}
      - {verbs: [create, patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}
      - {verbs: [get], resources: [namespaces], scope: any, names: [a, b]}
      - {verbs: [list], resources: [pods], scope: event-node}
";

fn entry() -> Entry {
    let policy = Policy::bundled([("acme:test", GRANTS)]).unwrap();
    policy.entry("acme:test")
}

fn facts(namespace: &str, name: &str) -> Facts {
    let event = json!({"rule": "r", "priority": "Warning", "source": "syscall", "output": "o",
                           "hostname": "h", "time": "2026-07-22T14:24:41.123456789Z", "tags": [],
                           "output_fields": {"k8s.pod.name": name, "k8s.ns.name": namespace}});
    Facts::of(&rules::Event::from_json(event.to_string().as_bytes()).unwrap())
}

#[track_caller]
fn check(text: &str, expected: &Expect) {
    expected.assert_eq(text);
}

#[test]
fn each_grant_is_shown_with_the_objects_that_it_reaches() {
    check(
        &abilities("acme:test", &entry(), &facts("shop", "web-0")),
        &expect![[r#"
            The event names pods shop/web-0.
            Whatever is granted, no write in the namespaces [kube-system].
            `acme:test` is granted:
              1. {verbs: [get], resources: [pods, nodes, apps/replicasets], scope: event-target}
                pods: get shop/web-0
                nodes: none that is known before an object is read
                apps/replicasets: none that is known before an object is read
              2. {verbs: [delete], resources: [pods], scope: event-target}
                pods: delete shop/web-0
              3. {verbs: [create, patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}
                networking.k8s.io/networkpolicies: any in shop named [falco-talon-*]
              4. {verbs: [get], resources: [namespaces], scope: any, names: [a, b]}
                namespaces: any named [a, b]
              5. {verbs: [list], resources: [pods], scope: event-node}
                pods: any on the node of the event, once its pods were listed
            Each call may use at most {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}.
        "#]],
    );
}

#[test]
fn protected_and_hostile_names_are_shown_as_such() {
    check(
        &abilities("acme:test", &entry(), &facts("kube-system", "coredns")),
        &expect![[r#"
            The event names pods kube-system/coredns.
            Whatever is granted, no write in the namespaces [kube-system].
            `acme:test` is granted:
              1. {verbs: [get], resources: [pods, nodes, apps/replicasets], scope: event-target}
                pods: get kube-system/coredns
                nodes: none that is known before an object is read
                apps/replicasets: none that is known before an object is read
              2. {verbs: [delete], resources: [pods], scope: event-target}
                pods: not kube-system/coredns, which is protected
              3. {verbs: [create, patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}
                networking.k8s.io/networkpolicies: none in kube-system, which is protected
              4. {verbs: [get], resources: [namespaces], scope: any, names: [a, b]}
                namespaces: any named [a, b]
              5. {verbs: [list], resources: [pods], scope: event-node}
                pods: any on the node of the event, once its pods were listed
            Each call may use at most {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}.
        "#]],
    );
    check(
        &abilities("acme:test", &entry(), &facts("shop", "../x")),
        &expect![[r#"
            The event names no object.
            It also names what can be no object: pods: `../x` can't be a name: lower-case letters, digits, `-` and `.` only, at most 253.
            Whatever is granted, no write in the namespaces [kube-system].
            `acme:test` is granted:
              1. {verbs: [get], resources: [pods, nodes, apps/replicasets], scope: event-target}
                pods: none that is known before an object is read
                nodes: none that is known before an object is read
                apps/replicasets: none that is known before an object is read
              2. {verbs: [delete], resources: [pods], scope: event-target}
                pods: none that is known before an object is read
              3. {verbs: [create, patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}
                networking.k8s.io/networkpolicies: none that is known before an object is read
              4. {verbs: [get], resources: [namespaces], scope: any, names: [a, b]}
                namespaces: any named [a, b]
              5. {verbs: [list], resources: [pods], scope: event-node}
                pods: any on the node of the event, once its pods were listed
            Each call may use at most {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}.
        "#]],
    );
}

#[test]
fn an_actionner_that_may_not_run_is_reported_so() {
    check(
        &abilities("acme:test", &Entry::Missing, &Facts::default()),
        &expect![[r#"
                `acme:test` may not run: the policy has no entry for it. `falco-talon actionners inspect FILE` prints one.
            "#]],
    );
    check(
        &abilities("acme:test", &Entry::Forbidden, &Facts::default()),
        &expect![[r#"
                `acme:test` may not run: the policy forbids it.
            "#]],
    );
}

#[test]
fn a_call_is_allowed_by_a_grant_or_denied_with_the_reason() {
    let mut request = KubernetesRequest {
        verb: Verb::Delete,
        group: "",
        resource: "pods",
        subresource: None,
        namespace: Some("shop"),
        name: Some("web-0"),
        fields: &[],
        node: None,
    };
    let (entry, facts) = (entry(), facts("shop", "web-0"));
    check(
        &call("acme:test", &entry, &facts, &request),
        &expect![[r#"
                Allowed by grant 2 of `acme:test`:
                  - {verbs: [delete], resources: [pods], scope: event-target}
            "#]],
    );
    request.name = Some("web-1");
    check(
        &call("acme:test", &entry, &facts, &request),
        &expect![[r#"
                Denied. `acme:test` may not delete pods shop/web-1: its grants reach only what the event names, and what that names once it was read: `pods shop/web-0`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
                  - {verbs: [delete], resources: [pods], scope: event-namespace, namespaces: [shop], names: [web-1]}
                  # it also allows the same for any event of the namespace
            "#]],
    );
}

/// A call of the event's namespace and pod, in answer to it.
fn called(verb: Verb, group: &str, resource: &str, namespace: Option<&str>, name: Option<&str>) -> String {
    let request =
        KubernetesRequest { verb, group, resource, subresource: None, namespace, name, fields: &[], node: None };
    call("acme:test", &entry(), &facts("shop", "web-0"), &request)
}

#[test]
fn what_a_read_could_teach_is_an_answer_of_its_own() {
    check(
        &called(Verb::Get, "", "nodes", None, Some("worker-1")),
        &expect![[r#"
            Allowed once read from the pod, as its node or what it belongs to, by grant 1 of `acme:test`:
              - {verbs: [get], resources: [pods, nodes, apps/replicasets], scope: event-target}
        "#]],
    );
    check(
        &called(Verb::Get, "apps", "replicasets", Some("shop"), Some("web")),
        &expect![[r#"
            Allowed once read from the pod, as its node or what it belongs to, by grant 1 of `acme:test`:
              - {verbs: [get], resources: [pods, nodes, apps/replicasets], scope: event-target}
        "#]],
    );
    check(
        &called(Verb::List, "", "pods", None, None),
        &expect![[r#"
            Allowed once known to be on the node of the event, by grant 5 of `acme:test`:
              - {verbs: [list], resources: [pods], scope: event-node}
        "#]],
    );
    // No pod belongs to it, or to what lies elsewhere.
    check(
        &called(Verb::Get, "apps", "replicasets", Some("other"), Some("web")),
        &expect![[r#"
            Denied. `acme:test` may not get apps/replicasets other/web: its grants reach only what the event names, and what that names once it was read: `pods shop/web-0`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [get], resources: [apps/replicasets], scope: any, namespaces: [other], names: [web]}
              # it also allows the same for any event
        "#]],
    );
    check(
        &called(Verb::Get, "", "secrets", Some("shop"), Some("web")),
        &expect![[r#"
            Denied. `acme:test` may not get secrets shop/web: it has no grant for this resource; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [get], resources: [secrets], scope: event-namespace, namespaces: [shop], names: [web]}
              # it also allows the same for any event of the namespace
        "#]],
    );
    check(
        &called(Verb::Delete, "", "nodes", None, Some("worker-1")),
        &expect![[r#"
            Denied, also once read from the pod, as its node or what it belongs to. `acme:test` may not delete nodes worker-1: of this resource it is granted only `get`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [delete], resources: [nodes], scope: event-target, names: [worker-1]}
              # without `names`, the same for whatever an event leads to
        "#]],
    );
}

const OTHERS: &str = "functions:
  - {provider: aws}
http:
  - {url: 'https://hooks.acme.example/falco/', methods: [POST], headers: {Authorization: {env: ACME_TOKEN}}}
objects:
  - {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}
";

#[test]
fn grants_that_no_event_narrows_are_shown_as_they_stand() {
    let entry = Policy::bundled([("acme:test", OTHERS)]).unwrap().protecting("falco").entry("acme:test");
    check(
        &abilities("acme:test", &entry, &Facts::default()),
        &expect![[r#"
            The event names no object.
            Whatever is granted, no write in the namespaces [kube-system, falco].
            `acme:test` is granted:
              functions: {provider: aws}
              http: {url: https://hooks.acme.example/falco/, methods: [POST], headers: {Authorization: {env: ACME_TOKEN}}}
              objects: {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}
            Each call may use at most {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}.
        "#]],
    );
}
