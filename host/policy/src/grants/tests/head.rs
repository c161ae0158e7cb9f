//! What stands at the top of a policy file: its version, and what is protected.

use super::*;

#[test]
fn a_file_of_another_version_is_refused_for_that_alone() {
    check_errors(
        "version: 2\nacme: {}\n",
        &expect!["policy.yaml:1:10: a later falco-talon reads version 2 of the policy; this one reads version 1"],
    );
    for text in ["0", "-1", "'1'", "1.0", "v1", "", "[1]", "true"] {
        let error = Policy::parse("policy.yaml", &format!("version: {text}\n")).unwrap_err();
        assert!(error[0].to_string().contains("this falco-talon reads"), "{text}: {error:?}");
    }
    assert_eq!(policy("version: 1\n").to_yaml(), policy("").to_yaml());
}

#[test]
fn what_is_protected_is_added_to_and_what_is_not_is_written_out() {
    let shown = |text: &str| flow_list(&grants(&policy(text), "kubernetes:label").all_protected());
    assert_eq!(shown(""), "[kube-system, falco]");
    assert_eq!(shown("protected: {namespaces: [prod-*]}"), "[kube-system, prod-*, falco]");
    assert_eq!(shown("protected: {namespaces: [kube-system]}"), "[kube-system, falco]");
    assert_eq!(shown("protected: {namespaces: [falco]}"), "[kube-system, falco]");
    assert_eq!(shown("unprotected: {namespaces: [kube-system]}"), "[falco]");
    check_errors(
        "protected: {namespaces: []}",
        &expect![[r#"
            policy.yaml:1:25: `protected` adds to what is protected, so that an empty list says nothing: leave it out, or to allow writes in kube-system, write at the top of the file:
              unprotected: {namespaces: [kube-system]}"#]],
    );
}

#[test]
fn what_is_unprotected_is_a_warning() {
    let policy = policy("unprotected: {namespaces: [kube-system]}\nprotected: {namespaces: [a]}");
    let warnings: Vec<String> = policy.warnings().iter().map(ToString::to_string).collect();
    expect!["policy.yaml:1:28: the namespace `kube-system` is not protected: writes that are granted reach it"]
        .assert_eq(&warnings.join("\n"));
    assert!(policy.to_yaml().starts_with("version: 1\nprotected:\n  namespaces: [a]   # and falco, where the host runs\nunprotected:\n  namespaces: [kube-system]\nlimits:"));
}

#[test]
fn what_stays_protected_by_another_pattern_is_a_warning_of_its_own() {
    for (protected, is_covered) in [("kube-*", true), ("kube-system-*", false), ("kube-public", false)] {
        let policy =
            policy(&format!("protected: {{namespaces: [{protected}]}}\nunprotected: {{namespaces: [kube-system]}}\n"));
        let is_protected =
            grants(&policy, "kubernetes:label").all_protected().iter().any(|it| it.matches("kube-system"));
        assert_eq!(is_protected, is_covered, "{protected}");
        let warning = policy.warnings()[0].to_string();
        assert_eq!(warning.contains("stays protected, since `kube-*`"), is_covered, "{warning}");
    }
}

#[test]
fn only_what_is_protected_by_default_can_be_unprotected() {
    check_errors(
        "unprotected: {namespaces: [shop, kube-*, 'a b']}\n",
        &expect!["policy.yaml:1:42: `a b` can't be a name: lower-case letters, digits, `-` and `.` only, at most 253"],
    );
    check_errors(
        "unprotected: {namespaces: [shop, kube-system]}\nprotected: {namespaces: [kube-system]}\n",
        &expect![[r#"
        policy.yaml:1:28: only what is protected by default can be unprotected, which `kube-system` alone is
        policy.yaml:1:34: `kube-system` stands under `protected` too: take it out of one of them"#]],
    );
    let operator = Policy::parse("policy.yaml", "unprotected: {namespaces: [falco]}").unwrap();
    let errors = bundled().protecting("falco").with(operator).unwrap_err();
    expect!["policy.yaml:1:28: `falco` is the namespace that the host runs in, which is always protected"]
        .assert_eq(&errors[0].to_string());
}
