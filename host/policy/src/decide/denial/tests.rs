//! How denials read.

use expect_test::{Expect, expect};

use crate::decide::tests::{grants, outcome, targets};
use crate::decide::{Decision, Facts, KubernetesRequest, PatchKind, decide, touched_fields};
use crate::grants::Verb;

#[track_caller]
fn check_denial(line: &str, request: &str, expected: &Expect) {
    let Decision::Denied(denial) = outcome(&grants(&[line]), &targets(), request) else {
        panic!("allowed");
    };
    expected.assert_eq(&denial.to_string());
}

#[test]
fn a_denial_names_who_what_why_and_the_line_to_add() {
    check_denial(
        "{verbs: [get], resources: [pods]}",
        "get nodes /worker-1",
        &expect![[r#"
            `acme:test` may not get nodes worker-1: it has no grant for this resource; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [get], resources: [nodes], scope: event-target, names: [worker-1]}
              # without `names`, the same for whatever an event leads to"#]],
    );
    check_denial(
        "{verbs: [get], resources: [pods]}",
        "delete pods shop/web-0",
        &expect![[r#"
            `acme:test` may not delete pods shop/web-0: of this resource it is granted only `get`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [delete], resources: [pods], scope: event-target, namespaces: [shop], names: [web-0]}
              # without `names`, the same for whatever an event leads to"#]],
    );
    check_denial(
        "{verbs: [get], resources: [pods]}",
        "get pods other/web-0",
        &expect![[r#"
            `acme:test` may not get pods other/web-0: its grants reach only what the event names, and what that names once it was read: `pods shop/web-0`, `nodes worker-1`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [get], resources: [pods], scope: any, namespaces: [other], names: [web-0]}
              # it also allows the same for any event"#]],
    );
    check_denial(
        "{verbs: [get], resources: [pods], scope: any, namespaces: [a]}",
        "get pods shop/x",
        &expect![[r#"
            `acme:test` may not get pods shop/x: its grants hold only in the namespaces `a`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [get], resources: [pods], scope: event-namespace, namespaces: [shop], names: [x]}
              # it also allows the same for any event of the namespace"#]],
    );
    check_denial(
        "{verbs: [get], resources: [nodes], scope: any, names: [a]}",
        "get nodes /x",
        &expect![[r#"
            `acme:test` may not get nodes x: its grants hold only for the names `a`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [get], resources: [nodes], scope: any, names: [x]}
              # it also allows the same for any event"#]],
    );
    check_denial(
        "{verbs: [patch], resources: [pods], fields: [metadata.labels]}",
        "patch pods shop/web-0 metadata.labels.a metadata.annotations[a.b/c] spec.x[*].y",
        &expect![[r#"
            `acme:test` may not patch pods shop/web-0: its grants allow the fields `metadata.labels`, and it touches `metadata.annotations[a.b/c]`, `spec.x[*].y`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [patch], resources: [pods], scope: event-target, namespaces: [shop], names: [web-0], fields: [{path: "metadata.annotations[a.b/c]", values: [""]}, {path: metadata.labels.a, values: [""]}, {path: "spec.x[*].y", values: [""]}]}
              # without `names`, the same for whatever an event leads to"#]],
    );
    check_denial(
        "{verbs: [delete], resources: [pods], scope: any}",
        "delete pods kube-system/x",
        &expect![
            "`acme:test` may not delete pods kube-system/x: the namespace `kube-system` is protected (`protected.namespaces`), and no grant allows a write there"
        ],
    );
    check_denial(
        "{verbs: [get], resources: [pods], scope: any}",
        "get pods shop/web/../x",
        &expect![
            "`acme:test` may not get pods shop/web/../x: `web/../x` can't be a name: lower-case letters, digits, `-` and `.` only, at most 253"
        ],
    );
    check_denial(
        "{verbs: [get], resources: [pods]}",
        "get pods/exec shop/web-0",
        &expect!["`acme:test` may not get pods/exec shop/web-0: it has no grant for this resource"],
    );
}

#[test]
fn a_denial_names_the_value_where_it_is_what_matters() {
    let line = "{verbs: [patch], resources: [apps/deployments], scope: any, fields: [{path: spec.replicas, values: [0]}, spec.template]}";
    check_denial(
        line,
        "patch apps:deployments shop/web spec.replicas=5",
        &expect![[r#"
            `acme:test` may not patch apps/deployments shop/web: its grants allow the fields `spec.replicas: [0]`, `spec.template`, and it touches `spec.replicas: 5`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [patch], resources: [apps/deployments], scope: event-namespace, namespaces: [shop], names: [web], fields: [{path: spec.replicas, values: [5]}]}
              # it also allows the same for any event of the namespace"#]],
    );
    check_denial(
        line,
        "patch apps:deployments shop/web data.password=secret",
        &expect![[r#"
            `acme:test` may not patch apps/deployments shop/web: its grants allow the fields `spec.replicas: [0]`, `spec.template`, and it touches `data.password`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [patch], resources: [apps/deployments], scope: event-namespace, namespaces: [shop], names: [web], fields: [data.password]}
              # it also allows the same for any event of the namespace, any value in `data.password`"#]],
    );
    check_denial(
        line,
        "patch apps:deployments shop/web spec.template.spec.hostPID=true spec.template.spec.x=1 spec.template.spec.containers[*].image=a:1 spec.template.spec.containers[*].image=b:1",
        &expect![[r#"
            `acme:test` may not patch apps/deployments shop/web: its grants allow the fields `spec.replicas: [0]`, `spec.template`, and it touches `spec.template.spec.hostPID: true`, `spec.template.spec.containers[*].image: "a:1"`, `spec.template.spec.containers[*].image: "b:1"`: what gives power over a node or an account is granted only where it is written out; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [patch], resources: [apps/deployments], scope: event-namespace, namespaces: [shop], names: [web], fields: [{path: "spec.template.spec.containers[*].image", values: [a:1, b:1]}, {path: spec.template.spec.hostPID, values: [true]}, {path: spec.template.spec.x, values: [1]}]}
              # it also allows the same for any event of the namespace"#]],
    );
}

#[test]
fn a_line_is_no_wider_than_the_grant_that_came_nearest() {
    let line = "{verbs: [patch], resources: [pods], namespaces: [shop-*], fields: [metadata.labels.suspicious]}";
    check_denial(
        line,
        "patch pods shop/web-0 metadata.labels.suspicious=yes",
        &expect![[r#"
            `acme:test` may not patch pods shop/web-0: its grants hold only in the namespaces `shop-*`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [patch], resources: [pods], scope: event-target, namespaces: [shop], names: [web-0], fields: [{path: metadata.labels.suspicious, values: ["yes"]}]}
              # without `names`, the same for whatever an event leads to"#]],
    );
    let line = "{verbs: [patch], resources: [pods], names: [api-*], fields: [metadata.labels.suspicious]}";
    check_denial(
        line,
        "patch pods shop/web-0 metadata.labels.suspicious=yes",
        &expect![[r#"
            `acme:test` may not patch pods shop/web-0: its grants hold only for the names `api-*`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [patch], resources: [pods], scope: event-target, namespaces: [shop], names: [web-0], fields: [{path: metadata.labels.suspicious, values: ["yes"]}]}
              # without `names`, the same for whatever an event leads to"#]],
    );
}

#[test]
fn what_may_be_secret_or_never_comes_again_is_not_in_the_line() {
    let line = "{verbs: [get], resources: [pods]}";
    for (resource, open) in [
        ("secrets", "data.a"),
        ("configmaps", "data.a"),
        ("acme.example:pages", "spec.password"),
        ("apps:deployments", "spec.template.spec.containers[*].env[*].value"),
    ] {
        let Decision::Denied(denial) =
            outcome(&grants(&[line]), &targets(), &format!("patch {resource} shop/x {open}=hunter2"))
        else {
            panic!("allowed");
        };
        assert!(!denial.to_string().contains("hunter2"), "{denial}");
        assert!(denial.to_string().contains(&format!("any value in `{open}`")), "{denial}");
    }
    let at = "patch pods shop/web-0 metadata.annotations.at=2026-07-22T14:24:41Z";
    let Decision::Denied(denial) = outcome(&grants(&[line]), &targets(), at) else { panic!("allowed") };
    assert!(denial.to_string().contains("any value in `metadata.annotations.at`"), "{denial}");
}

#[test]
fn what_nobody_can_know_has_no_line() {
    let body = serde_json::json!([{"op": "copy", "from": "/spec/a", "path": "/spec/b"}]);
    let fields = touched_fields(PatchKind::Json, &body).unwrap();
    let request = KubernetesRequest {
        verb: Verb::Patch,
        group: "",
        resource: "pods",
        subresource: None,
        namespace: Some("shop"),
        name: Some("web-0"),
        fields: &fields,
        node: None,
    };
    let grants = grants(&["{verbs: [patch], resources: [pods], fields: [spec]}"]);
    let Decision::Denied(denial) = decide(&request.into(), &grants, &Facts { targets: targets() }) else {
        panic!("allowed");
    };
    expect!["`acme:test` may not patch pods shop/web-0: its grants allow the fields `spec`, and it touches `spec.b`, `spec.a`: what `copy` and `move` leave can't be known"].assert_eq(&denial.to_string());
}
