//! How denials read.

use expect_test::{Expect, expect};

use crate::decide::Decision;
use crate::decide::tests::{grants, outcome, targets};

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
              - {verbs: [get], resources: [nodes], scope: event-target}"#]],
    );
    check_denial(
        "{verbs: [get], resources: [pods]}",
        "delete pods shop/web-0",
        &expect![[r#"
            `acme:test` may not delete pods shop/web-0: of this resource it is granted only `get`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [delete], resources: [pods], scope: event-target}"#]],
    );
    check_denial(
        "{verbs: [get], resources: [pods]}",
        "get pods other/web-0",
        &expect![[r#"
            `acme:test` may not get pods other/web-0: its grants reach only what the event names, and what that names once it was read: `pods shop/web-0`, `nodes worker-1`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [get], resources: [pods], scope: any, namespaces: [other], names: [web-0]}"#]],
    );
    check_denial(
        "{verbs: [get], resources: [pods], scope: any, namespaces: [a]}",
        "get pods shop/x",
        &expect![[r#"
            `acme:test` may not get pods shop/x: its grants hold only in the namespaces `a`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [get], resources: [pods], scope: event-namespace, names: [x]}"#]],
    );
    check_denial(
        "{verbs: [get], resources: [nodes], scope: any, names: [a]}",
        "get nodes /x",
        &expect![[r#"
            `acme:test` may not get nodes x: its grants hold only for the names `a`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [get], resources: [nodes], scope: any, names: [x]}"#]],
    );
    check_denial(
        "{verbs: [patch], resources: [pods], fields: [metadata.labels]}",
        "patch pods shop/web-0 metadata.labels.a metadata.annotations[a.b/c] spec.x[*].y",
        &expect![[r#"
            `acme:test` may not patch pods shop/web-0: its grants allow the fields `metadata.labels`, and it touches `metadata.annotations[a.b/c]`, `spec.x[*].y`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
              - {verbs: [patch], resources: [pods], scope: event-target, fields: ["metadata.annotations[a.b/c]", metadata.labels.a, "spec.x[*].y"]}"#]],
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
