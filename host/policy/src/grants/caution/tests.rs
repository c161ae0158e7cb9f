//! What is warned of, and what is not, each beside the other.

use expect_test::{Expect, expect};

use crate::grants::Policy;

/// The warnings for a line under a key of an entry, with their places in it.
#[track_caller]
fn warnings(key: &str, line: &str) -> String {
    let text = format!("actionners:\n  kubernetes:label:\n    {key}:\n      - {line}\n");
    let operator = Policy::parse("policy.yaml", &text).unwrap();
    let policy = Policy::bundled([("kubernetes:label", "{}")]).unwrap().with(operator).unwrap();
    let warnings: Vec<String> = policy.warnings().iter().map(ToString::to_string).collect();
    warnings.join("\n")
}

#[track_caller]
fn check(line: &str, expected: &Expect) {
    expected.assert_eq(&warnings("kubernetes", line));
}

#[track_caller]
fn check_quiet(line: &str) {
    assert_eq!(warnings("kubernetes", line), "", "{line}");
}

#[test]
fn power_over_the_cluster_is_said() {
    let rbac = "rbac.authorization.k8s.io";
    check(
        &format!("{{verbs: [patch], resources: [{rbac}/clusterroles], fields: [rules]}}"),
        &expect![
            "policy.yaml:4:9: `patch` of `rbac.authorization.k8s.io/clusterroles` gives power over the cluster: all that hold the role may do what is written into it"
        ],
    );
    check(
        &format!(
            "{{verbs: [create], resources: [{rbac}/clusterrolebindings], scope: any, fields: [subjects, roleRef]}}"
        ),
        &expect![
            "policy.yaml:4:9: `create` of `rbac.authorization.k8s.io/clusterrolebindings` gives power over the cluster: any account can be given a role"
        ],
    );
    check(
        &format!("{{verbs: [update], resources: [{rbac}/roles, {rbac}/rolebindings], fields: [rules, subjects]}}"),
        &expect![[r#"
            policy.yaml:4:9: `update` of `rbac.authorization.k8s.io/roles` gives power over a namespace: all that hold the role may do what is written into it
            policy.yaml:4:9: `update` of `rbac.authorization.k8s.io/rolebindings` gives power over a namespace: any account can be given a role"#]],
    );
    check(
        &format!("{{verbs: [delete], resources: [{rbac}/clusterroles]}}"),
        &expect![
            "policy.yaml:4:9: `delete` of `rbac.authorization.k8s.io/clusterroles` gives power over the cluster: its own parts work by some of them; narrow it by `names`"
        ],
    );
    check(
        "{verbs: [create], resources: [admissionregistration.k8s.io/mutatingwebhookconfigurations], scope: any, fields: [webhooks]}",
        &expect![
            "policy.yaml:4:9: `create` of `admissionregistration.k8s.io/mutatingwebhookconfigurations` gives power over the cluster: what is registered there sees, changes or refuses what anyone writes"
        ],
    );
    check(
        "{verbs: [update], resources: [certificates.k8s.io/certificatesigningrequests/approval], scope: any, fields: [status]}",
        &expect![
            "policy.yaml:4:9: `update` of `certificates.k8s.io/certificatesigningrequests/approval` gives power over the cluster: a certificate that is signed opens it as any account"
        ],
    );
    check_quiet(&format!("{{verbs: [patch], resources: [{rbac}/clusterroles], fields: [metadata.labels.seen]}}"));
    check_quiet(&format!("{{verbs: [delete], resources: [{rbac}/clusterroles], names: [shop-reader]}}"));
    check_quiet(&format!("{{verbs: [get], resources: [{rbac}/clusterroles, {rbac}/clusterrolebindings], scope: any}}"));
    check_quiet(&format!("{{verbs: [delete], resources: [{rbac}/roles]}}"));
}

#[test]
fn power_over_accounts_nodes_and_namespaces_is_said() {
    check(
        "{verbs: [get], resources: [secrets], scope: any}",
        &expect![
            "policy.yaml:4:9: `get` of `secrets` gives power over accounts: their credentials are in secrets; narrow it by `names`, or by `scope: event-target`"
        ],
    );
    check(
        "{verbs: [list], resources: [pods, secrets], scope: event-namespace}",
        &expect![
            "policy.yaml:4:9: `list` of `secrets` gives power over accounts: their credentials are in secrets; narrow it by `names`, or by `scope: event-target`"
        ],
    );
    check(
        "{verbs: [create], resources: [pods/exec], scope: any}",
        &expect![
            "policy.yaml:4:9: `create` of `pods/exec` gives power over the accounts of all pods that it reaches: it runs there what it likes; narrow it by a scope of the event"
        ],
    );
    check(
        "{verbs: [patch], resources: [nodes], scope: any, fields: [spec.unschedulable]}",
        &expect![
            "policy.yaml:4:9: `patch` of `nodes` gives power over every node; narrow it by `names`, or by `scope: event-target`"
        ],
    );
    check(
        "{verbs: [patch], resources: [nodes/status], fields: [status]}",
        &expect![
            "policy.yaml:4:9: `patch` of `nodes/status` gives power over a node: what is sent to it goes where its status says"
        ],
    );
    check(
        "{verbs: [delete], resources: [nodes, namespaces]}",
        &expect![[r#"
            policy.yaml:4:9: `delete` of `nodes` gives power over a node, and all that runs there
            policy.yaml:4:9: `delete` of `namespaces` gives power over a namespace: with it goes all that lies in it; narrow it by `names`"#]],
    );
    check(
        "{verbs: [patch], resources: [namespaces], fields: [metadata.labels]}",
        &expect![
            "policy.yaml:4:9: `patch` of `namespaces` gives power over nodes: labels of a namespace say how much its pods may do; name the labels that are meant"
        ],
    );
    check(
        "{verbs: [patch], resources: [pods], fields: [spec, 'spec.containers[*].image', {path: spec.hostPID, values: [false]}]}",
        &expect![
            "policy.yaml:4:60: `spec.containers[*].image` gives power over a node or an account, whatever is left there: narrow it by `values`"
        ],
    );
    check(
        "{verbs: [create], resources: [secrets], scope: host-namespace, fields: [data]}",
        &expect![
            "policy.yaml:4:9: `create` of `secrets` gives power over accounts: others take what is written there for their credentials; narrow it by `names`"
        ],
    );
    check_quiet("{verbs: [get], resources: [secrets]}");
    check_quiet("{verbs: [get], resources: [secrets], scope: any, names: [the-key]}");
    check_quiet("{verbs: [get, list], resources: [pods, configmaps], scope: any}");
    check_quiet("{verbs: [create], resources: [pods/exec]}");
    check_quiet("{verbs: [patch], resources: [nodes], fields: [spec.unschedulable]}");
    check_quiet("{verbs: [patch], resources: [namespaces], fields: [metadata.labels.seen]}");
    check_quiet("{verbs: [delete], resources: [namespaces], names: [todelete]}");
    check_quiet(
        "{verbs: [patch], resources: [pods], fields: [spec, {path: 'spec.containers[*].image', values: [registry.example/*]}]}",
    );
}

#[test]
fn what_can_never_match_is_said() {
    check(
        "{verbs: [patch], resources: [pods], fields: [metadata.label.suspicous]}",
        &expect![
            "policy.yaml:4:54: `metadata.label.suspicous` can never match: there is no field `label` in `metadata`; did you mean 'labels'?"
        ],
    );
    check(
        "{verbs: [patch], resources: [pods, apps/deployments], fields: [metadata.labels, specs.replicas]}",
        &expect![
            "policy.yaml:4:89: `specs.replicas` can never match: there is no field `specs` in [pods, apps/deployments]; did you mean 'spec'?"
        ],
    );
    check(
        "{verbs: [patch], resources: [configmaps, secrets], fields: [spec, data.a]}",
        &expect![
            "policy.yaml:4:69: `spec` can never match: there is no field `spec` in [configmaps, secrets]; valid: apiVersion, binaryData, data, immutable, kind, metadata, stringData, type"
        ],
    );
    check(
        "{verbs: [patch], resources: [acme.example/pages], fields: [metadata.annotation, specs]}",
        &expect![
            "policy.yaml:4:68: `metadata.annotation` can never match: there is no field `annotation` in `metadata`; did you mean 'annotations'?"
        ],
    );
    check(
        "{verbs: [patch], resources: [pods], fields: [metadata.labels.example.org]}",
        &expect![
            "policy.yaml:4:54: `metadata.labels.example.org` can never match: nothing lies in a text of `metadata.labels`; a key with a dot is written in brackets, as in `metadata.labels[example.example/x]`"
        ],
    );
    check(
        "{verbs: [get], resources: [nodes], namespaces: [shop]}",
        &expect![
            "policy.yaml:4:9: this can never match: [nodes] lie in no namespace; leave `namespaces` out, or narrow it by `names`"
        ],
    );
    check_quiet(
        "{verbs: [patch], resources: [pods], fields: [metadata.labels.suspicous, 'metadata.labels[example.org/x]']}",
    );
    check_quiet("{verbs: [patch], resources: [pods, configmaps], fields: [spec, data]}");
    check_quiet("{verbs: [get], resources: [nodes, pods], namespaces: [shop]}");
    check_quiet("{verbs: [patch], resources: [apps/deployments/scale], fields: [spec.replicas]}");
}

#[test]
fn what_is_sent_in_plaintext_or_nowhere_is_said() {
    let check = |line: &str, expected: &Expect| expected.assert_eq(&warnings("http", line));
    check(
        "{url: 'http://hooks.acme.example/', methods: [POST], headers: {Authorization: {env: A}, X-Team: blue}}",
        &expect![
            "policy.yaml:4:9: `Authorization` is sent to `hooks.acme.example` in plaintext, for all to read on the way: write `https://`"
        ],
    );
    check(
        "{url: 'http://10.0.0.1/', methods: [POST], headers: {X-Api-Key: abc, X-Team: {file: /x}}}",
        &expect![[r#"
            policy.yaml:4:9: `X-Api-Key` is sent to `10.0.0.1` in plaintext, for all to read on the way: write `https://`
            policy.yaml:4:9: `X-Team` is sent to `10.0.0.1` in plaintext, for all to read on the way: write `https://`
            policy.yaml:2:3: `kubernetes:label`: the header `X-Api-Key` for http://10.0.0.1/ is a secret that stands in the policy: use `{env: NAME}` or `{file: /path}`"#]],
    );
    check(
        "{url: 'https://*.acme.example/', methods: [POST], headers: {Authorization: {env: A}}}",
        &expect![
            "policy.yaml:4:9: `*.acme.example` can never match: hosts are compared as they are written, and `*` is not a pattern there; write a grant for each host, so that what is sent to one is not sent to all of a domain"
        ],
    );
    for quiet in [
        "{url: 'https://hooks.acme.example/', methods: [POST], headers: {Authorization: {env: A}}}",
        "{url: 'http://127.0.0.1:8080/', methods: [POST], headers: {Authorization: {env: A}}}",
        "{url: 'http://hooks.acme.example/', methods: [POST], headers: {X-Team: blue}}",
        "{url: 'http://hooks.acme.example/', methods: [POST]}",
    ] {
        assert_eq!(warnings("http", quiet), "", "{quiet}");
    }
}

#[test]
fn an_entry_that_can_read_every_file_is_said() {
    let text = |files: &str| {
        let text = format!("actionners:\n  kubernetes:label: {{files: [{files}]}}\n");
        let operator = Policy::parse("policy.yaml", &text).unwrap();
        let policy = Policy::bundled([("kubernetes:label", "{}")]).unwrap().with(operator).unwrap();
        policy.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    expect!["policy.yaml:2:30: whoever writes the rules can name any file, and hand it on: name a directory"]
        .assert_eq(&text("/, /etc/x"));
    assert_eq!(text("/etc/falco-talon"), "");
}
