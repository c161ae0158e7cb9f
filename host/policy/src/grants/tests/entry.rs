//! What an entry says beside its grants: what it is over, for which component, and what is denied.

use super::*;

#[test]
fn an_entry_can_add_to_the_bundled_one() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let text = format!(
        "actionners:
  kubernetes:terminate:
    extends: bundled
    digest: {digest}
    kubernetes: [{{verbs: [get], resources: [nodes]}}]
    limits: {{cpu: 2s}}
"
    );
    let printed = policy(&text).to_yaml();
    expect![[r#"
        kubernetes:terminate:
            digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
            kubernetes:
              - {verbs: [get, delete], resources: [pods], scope: event-target}
              - {verbs: [get], resources: [nodes], scope: event-target}
            limits: {memory: 64Mi, cpu: 2s, deadline: 1m, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}
    "#]]
    .assert_eq(&printed[printed.find("kubernetes:terminate").unwrap()..]);
    assert_eq!(policy(&printed).entry("kubernetes:terminate"), policy(&text).entry("kubernetes:terminate"));
    let deadline = policy("actionners:\n  kubernetes:terminate: {extends: bundled, limits: {deadline: 5s}}\n");
    assert_eq!(grants(&deadline, "kubernetes:terminate").limits.deadline_max.as_secs(), 5);
}

#[test]
fn only_what_is_bundled_can_be_extended() {
    check_errors(
        "actionners:\n  kubernetes:labels: {extends: bundled}\n",
        &expect![
            "policy.yaml:2:32: there is no bundled `kubernetes:labels` to extend; bundled are `kubernetes:label`, `kubernetes:terminate`"
        ],
    );
    check_errors(
        "actionners:\n  kubernetes:label: {extends: default}\n",
        &expect!["policy.yaml:2:31: `extends` can only be `bundled`: leave it out to replace the bundled entry"],
    );
    check_errors(
        "actionners:\n  kubernetes:label: {extends: true}\n",
        &expect!["policy.yaml:2:31: `extends` can only be `bundled`: leave it out to replace the bundled entry"],
    );
    check_errors(
        "actionners:\n  kubernetes:label: {extends: bundled, forbidden: true}\n",
        &expect!["policy.yaml:2:51: `kubernetes:label` is forbidden: no other key can stand beside `forbidden`"],
    );
    let errors = Policy::bundled([("kubernetes:label", "extends: bundled")]).unwrap_err();
    expect!["kubernetes-label/policy.yaml:1:10: a bundled policy has no other to extend"]
        .assert_eq(&errors[0].to_string());
}

#[test]
fn a_label_of_the_bundled_entry_keeps_its_place() {
    let bundled = "objects: [{label: a, target: aws:s3, bucket: one, verbs: [get]}]";
    let operator = "actionners:
  acme:x:
    extends: bundled
    objects: [{label: a, target: aws:s3, bucket: two, verbs: [get]}]
";
    let operator = Policy::parse("policy.yaml", operator).unwrap();
    let errors = Policy::bundled([("acme:x", bundled)]).unwrap().with(operator).unwrap_err();
    expect!["policy.yaml:2:3: `a` is the label of another place in the bundled entry: choose another one"]
        .assert_eq(&errors[0].to_string());
}

#[test]
fn files_are_absolute_paths() {
    check_errors(
        "actionners:\n  kubernetes:label: {files: [a, /b/../c, 1, \"/x\\n\"]}\n",
        &expect![[r#"
        policy.yaml:2:30: `files`: `a`: write absolute paths, without `..`
        policy.yaml:2:33: `files`: `/b/../c`: write absolute paths, without `..`
        policy.yaml:2:42: `files` must be a text, not a number: put it in quotes
        policy.yaml:2:45: `files`: `/x\n`: write absolute paths, without `..`"#]],
    );
    check_errors(
        "actionners:\n  kubernetes:label: {files: []}\n",
        &expect!["policy.yaml:2:29: `files` is empty: name something, or leave it out"],
    );
    let policy = policy("actionners:\n  kubernetes:label: {files: [/etc/scripts/, /a//b/./c]}\n");
    let files = &grants(&policy, "kubernetes:label").granted.files;
    assert_eq!(*files, [std::path::Path::new("/etc/scripts"), std::path::Path::new("/a/b/c")]);
}

#[test]
fn what_is_not_granted_can_be_denied_instead_of_refused() {
    let import = |function: &str| Import { interface: "kubernetes-write".to_owned(), function: function.to_owned() };
    let imports = [import("patch"), import("delete"), import("unheard-of")];
    let refused = policy("");
    assert_eq!(refused.missing_grants("kubernetes:label", &imports).len(), 2);
    assert_eq!(grants(&refused, "kubernetes:label").ungranted(&imports), []);
    let denied = policy("actionners:\n  kubernetes:label: {extends: bundled, ungranted: deny}\n");
    let missing = denied.missing_grants("kubernetes:label", &imports);
    assert_eq!(missing.iter().map(|missing| &missing.import).collect::<Vec<_>>(), [&imports[2]]);
    assert_eq!(grants(&denied, "kubernetes:label").ungranted(&imports), [imports[1].clone()]);
    check_errors(
        "actionners:\n  kubernetes:label: {ungranted: allow}\n",
        &expect![
            "policy.yaml:2:33: `ungranted` can only be `deny`: leave it out to refuse a component that imports more than it is granted"
        ],
    );
}
