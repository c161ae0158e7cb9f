//! Policy files: what they may say, what is refused, and what is printed.

mod entry;
mod functions;
mod head;
mod http;
mod objects;
mod printing;

use std::sync::Arc;

use expect_test::{Expect, expect};

use super::*;

const LABEL: &str = "
kubernetes:
  - {verbs: [get], resources: [pods, nodes], scope: event-target}
  - {verbs: [patch], resources: [pods, nodes], scope: event-target, fields: [metadata.labels]}
";
const TERMINATE: &str = "
kubernetes:
  - {verbs: [get, delete], resources: [pods]}
limits: {deadline: 60s}
";

fn bundled() -> Policy {
    Policy::bundled([("kubernetes:label", LABEL), ("kubernetes:terminate", TERMINATE)]).unwrap()
}

#[track_caller]
pub(super) fn policy(text: &str) -> Policy {
    let operator = Policy::parse("policy.yaml", text).unwrap();
    bundled().with(operator).unwrap().protecting("falco")
}

#[track_caller]
fn grants(policy: &Policy, actionner: &str) -> Arc<Grants> {
    match policy.entry(actionner) {
        Entry::Granted(grants) => grants,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_errors(text: &str, expected: &Expect) {
    let errors = match Policy::parse("policy.yaml", text) {
        Err(errors) => errors,
        Ok(operator) => bundled().with(operator).unwrap_err(),
    };
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    expected.assert_eq(&errors.join("\n"));
}

#[track_caller]
fn check_grant_of(key: &str, grant: &str, expected: &Expect) {
    check_errors(&format!("actionners:\n  kubernetes:label:\n    {key}:\n      - {grant}\n"), expected);
}

#[test]
fn every_problem_of_a_file_is_reported_with_its_place_and_what_is_valid() {
    check_errors(
        "
protcted: {}
limits: {memory: 0, cpus: 1s, deadline: [30s], artifact_bytes: 1Gi}
actionners:
  label: {}
  kubernetes:label:
    http: []
    limit: {}
    kubernetes:
      - {verbs: [gett], resources: [pod], scope: event}
      - {resources: [pods]}
      - {verbs: [], resources: '*', name: [a]}
      - get pods
  acme:x:
    digest: sha256:12
  acme:y:
",
        &expect![[r#"
            policy.yaml:2:1: `protcted` is not a key here; valid are `protected`, `unprotected`, `actionners`, `version`, `limits`
            policy.yaml:3:18: `memory`: `0` is not a size from 64Ki to 4Gi, such as `64Mi`
            policy.yaml:3:21: `cpus` is not a key here; valid are `cpu`, `requests`, `concurrency`, `host_calls`, `artifact_bytes`, `response_bytes`, `memory`, `deadline`
            policy.yaml:3:41: `deadline` must be a number or a text, not a list
            policy.yaml:5:3: `label` is not the name of an actionner: it is written 'category:name', such as 'kubernetes:label': both begin with a small letter and go on with small letters, digits, '-' and '_', 64 characters at most together
            policy.yaml:7:11: `http` is empty: name something, or leave it out
            policy.yaml:8:5: `limit` is not a key here; valid are `limits`, `digest`, `files`, `extends`, `objects`, `ungranted`, `forbidden`, `kubernetes`, `artifacts`, `functions`, `http`
            policy.yaml:10:18: `gett` is not a verb; valid are `get`, `create`, `delete`, `list`, `patch`, `update`
            policy.yaml:10:37: the core group has no resource `pod`; valid are `pods`, `podtemplates`, `nodes`, `endpoints`, `persistentvolumeclaims`, `replicationcontrollers`, `bindings`, `configmaps`, `resourcequotas`, `persistentvolumes`, `componentstatuses`, `events`, `limitranges`, `namespaces`, `secrets`, `serviceaccounts`, `services`
            policy.yaml:10:50: `event` is not a scope; valid are `event-node`, `event-target`, `event-namespace`, `host-namespace`, `any`
            policy.yaml:11:9: `verbs` is missing: a grant names what it allows
            policy.yaml:12:17: `verbs` is empty: name something, or leave it out
            policy.yaml:12:32: `resources` must be a list in [ ], not a text
            policy.yaml:12:37: `name` is not a key here; valid are `names`, `namespaces`, `scope`, `fields`, `resources`, `verbs`
            policy.yaml:13:9: a grant must be a mapping, not a text
            policy.yaml:15:13: `digest` must be `sha256:` and 64 hexadecimal digits in lower case: `falco-talon actionners inspect FILE` shows it
            policy.yaml:16:9: `acme:y` must be a mapping, not nothing: write {} to grant nothing, or leave the key out"#]],
    );
}

#[test]
fn a_file_that_is_not_yaml_names_the_place() {
    check_errors("limits: {memory: 64Mi\n", &expect!["policy.yaml:1:9: not valid YAML: unclosed bracket '{'"]);
    check_errors(
        "limits: {}\nlimits: {}\n",
        &expect!["policy.yaml:2:1: not valid YAML: the key 'limits' is there twice, first at policy.yaml:1:1"],
    );
    check_errors("- a\n", &expect!["policy.yaml:1:1: the policy must be a mapping, not a list"]);
    check_errors("a: *b\n", &expect!["policy.yaml:1:4: not valid YAML: while parsing node, found unknown anchor"]);
}

#[track_caller]
fn check_grant(line: &str, expected: &Expect) {
    check_errors(&format!("actionners:\n  kubernetes:label:\n    kubernetes:\n      - {line}\n"), expected);
}

#[test]
fn keys_of_a_grant_that_do_not_agree_are_refused() {
    check_grant(
        "{verbs: [patch], resources: [pods]}",
        &expect![
            "policy.yaml:4:9: `fields` is missing: `patch` may touch only the fields that a grant names, such as `fields: [metadata.labels]`"
        ],
    );
    check_grant(
        "{verbs: [create], resources: [pods/eviction, pods]}",
        &expect![
            "policy.yaml:4:9: `fields` is missing: `create` may touch only the fields that a grant names, such as `fields: [metadata.labels]`"
        ],
    );
    check_grant(
        "{verbs: [get, patch], resources: [pods], fields: [spec]}",
        &expect![
            "policy.yaml:4:9: `fields` says nothing about `get`: put create, update and patch into a grant of their own"
        ],
    );
    check_grant(
        "{verbs: [list], resources: [pods]}",
        &expect![
            "policy.yaml:4:9: `list` names no object, and so none of the event: write `scope: event-namespace` or `scope: any`, in a grant of its own"
        ],
    );
    check_grant(
        "{verbs: [list], resources: [pods], scope: any, names: [a]}",
        &expect![
            "policy.yaml:4:9: `names` says nothing about `list`, which names no object: put `list` into a grant of its own"
        ],
    );
    check_grant(
        "{verbs: [patch], resources: [pods], fields: [metadata]}",
        &expect!["policy.yaml:4:54: `metadata` is too wide: name what in it, such as `metadata.labels`"],
    );
    check_grant(
        "{verbs: [patch], resources: [pods], fields: []}",
        &expect!["policy.yaml:4:53: `fields` is empty: name something, or leave it out"],
    );
    check_grant(
        "{verbs: [patch], resources: [pods], fields: [{path: a}, {values: [1]}, {path: b, values: []}, {path: c, values: ['*', web*, null, [a]], value: 1}]}",
        &expect![[r#"
            policy.yaml:4:54: `values` is missing: to allow any, write the path alone
            policy.yaml:4:65: `path` is missing: a grant names what it allows
            policy.yaml:4:98: `values` is empty: name something, or leave it out
            policy.yaml:4:122: `*` is not a value: to mean all, leave `values` out
            policy.yaml:4:127: `web*`: a prefix ends at a sign, such as `web-*` or `registry.example/*`
            policy.yaml:4:133: a value is a text, a number or a truth value
            policy.yaml:4:139: a value is a text, a number or a truth value
            policy.yaml:4:145: `value` is not a key here; valid are `values`, `path`"#]],
    );
    check_grant(
        "{verbs: [get], resources: [pods], scope: any, names: ['*'], namespaces: [a.b, 12]}",
        &expect![[r#"
            policy.yaml:4:63: `*` is not a name: to mean all, leave the key out
            policy.yaml:4:87: `namespaces` must be a text, not a number: put it in quotes
            policy.yaml:4:81: `a.b` can't be the name of a namespace"#]],
    );
    check_grant(
        "{verbs: [get], resources: [pods/exec]}",
        &expect!["policy.yaml:4:9: `get` says nothing about `pods/exec`: to run a command there is `create`"],
    );
}

#[test]
fn an_entry_that_is_forbidden_says_nothing_else() {
    check_errors(
        "actionners:\n  kubernetes:label: {forbidden: false}\n",
        &expect!["policy.yaml:2:33: `forbidden` can only be `true`: leave it out to allow what is granted"],
    );
    check_errors(
        "actionners:\n  kubernetes:label: {forbidden: true, limits: {}}\n",
        &expect!["policy.yaml:2:33: `kubernetes:label` is forbidden: no other key can stand beside `forbidden`"],
    );
    let policy = policy("actionners:\n  kubernetes:label: {forbidden: true}\n");
    assert_eq!(policy.entry("kubernetes:label"), Entry::Forbidden);
}

#[test]
fn an_actionner_that_is_not_bundled_needs_a_digest() {
    check_errors(
        "actionners:\n  kubernetes:labels: {}\n",
        &expect![
            "policy.yaml:2:3: `kubernetes:labels` is not a bundled actionner, and one of your own needs the `digest` of its component; bundled are `kubernetes:label`, `kubernetes:terminate`"
        ],
    );
    let digest = format!("sha256:{}", "a".repeat(64));
    let policy = policy(&format!("actionners:\n  acme:x: {{digest: '{digest}'}}\n"));
    assert_eq!(grants(&policy, "acme:x").digest.as_deref(), Some(digest.as_str()));
    assert_eq!(grants(&policy, "kubernetes:label").digest, None);
    assert_eq!(policy.entry("acme:y"), Entry::Missing);
}

#[test]
fn an_entry_replaces_the_bundled_one_whole() {
    let policy = policy("actionners:\n  kubernetes:terminate: {}\n");
    let terminate = grants(&policy, "kubernetes:terminate");
    assert_eq!(terminate.granted.kubernetes, []);
    assert_eq!(terminate.limits, Limits::default());
    assert_eq!(grants(&policy, "kubernetes:label").granted.kubernetes.len(), 2);
}

#[test]
fn a_limit_comes_from_the_entry_else_from_the_file_else_from_the_default() {
    let policy = policy("limits: {deadline: 5s, cpu: 2s}\n");
    let terminate = grants(&policy, "kubernetes:terminate").limits.to_string();
    let label = grants(&policy, "kubernetes:label").limits.to_string();
    assert!(terminate.contains("memory: 64Mi, cpu: 2s, deadline: 1m"), "{terminate}");
    assert!(label.contains("memory: 64Mi, cpu: 2s, deadline: 5s"), "{label}");
}

#[test]
fn each_limit_is_taken() {
    let text = "{memory: 1Mi, cpu: 20ms, deadline: 3s, host_calls: 4, requests: 8, response_bytes: 5Ki, artifact_bytes: 7Gi, concurrency: 6}";
    let policy = policy(&format!("limits: {text}\n"));
    assert_eq!(
        grants(&policy, "kubernetes:label").limits,
        Limits {
            memory_bytes_max: 1 << 20,
            cpu_max: std::time::Duration::from_millis(20),
            deadline_max: std::time::Duration::from_secs(3),
            host_calls_max: 4,
            requests_max: 8,
            response_bytes_max: 5 << 10,
            artifact_bytes_max: 7 << 30,
            concurrency_max: 6,
        }
    );
}

#[test]
fn a_file_without_content_changes_nothing() {
    for text in ["", "# nothing\n", "{}", "actionners: {}", "limits: {}"] {
        assert_eq!(policy(text).to_yaml(), bundled().protecting("falco").to_yaml());
    }
}

#[test]
fn the_policy_in_force_is_printed_with_every_limit() {
    expect![[r#"
        version: 1
        protected:
          namespaces: [kube-system]   # and falco, where the host runs
        limits: {memory: 64Mi, cpu: 500ms, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}
        actionners:
          kubernetes:label:
            kubernetes:
              - {verbs: [get], resources: [pods, nodes], scope: event-target}
              - {verbs: [patch], resources: [pods, nodes], scope: event-target, fields: [metadata.labels]}
            limits: {memory: 64Mi, cpu: 500ms, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}
          kubernetes:terminate: {forbidden: true}
    "#]]
    .assert_eq(&policy("limits: {cpu: 500ms}\nactionners:\n  kubernetes:terminate: {forbidden: true}\n").to_yaml());
}

#[test]
fn a_bundled_policy_that_is_wrong_names_its_actionner() {
    let errors = Policy::bundled([("kubernetes:label", "kubernets: []")]).unwrap_err();
    expect!["kubernetes-label/policy.yaml:1:1: `kubernets` is not a key here; valid are `kubernetes`, `objects`, `ungranted`, `functions`, `extends`, `artifacts`, `digest`, `limits`, `forbidden`, `files`, `http`"].assert_eq(&errors[0].to_string());
    assert!(Policy::bundled([("kubernetes:label", "{forbidden: true}")]).is_err());
}
