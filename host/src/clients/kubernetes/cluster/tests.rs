//! Kubeconfigs that are wrong in many ways: what is said of them never holds what stands in them.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// What no message may hold.
const MARKER: &str = "hunter2-secret";

/// What is said of a kubeconfig whose texts hold the marker, after the name of its file.
#[track_caller]
fn check(text: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, text).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(Cluster::Kubeconfig(path.clone()).connect());
    let Err(error) = error else { panic!("it is right: {text}") };
    assert!(!format!("{error} {error:?}").contains(MARKER), "{error:?}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let words = error.to_string();
    assert_eq!(words.strip_prefix(&format!("kubeconfig {}:", path.display())), Some(expected));
}

const NO_KUBECONFIG: &str = " this is not a kubeconfig: not YAML, or a value of another type than its key takes";

/// A kubeconfig with this user.
fn with_user(user: &str) -> String {
    format!(
        "clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}]\n\
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\nusers: [{{name: u, user: {user}}}]\n"
    )
}

/// A kubeconfig with this cluster.
fn with_cluster(cluster: &str) -> String {
    with_user("{token: hunter2-secret}").replace("{server: 'https://127.0.0.1:1'}", cluster)
}

#[test]
fn what_is_no_yaml_is_not_quoted() {
    let at = |place: &str| format!("{place}:{NO_KUBECONFIG}");
    check("users:\n- name: u\n  user:\n    token: hunter2-secret\n   bad: [\n", &at("5:4"));
    check("users:\n- user: {token: 'hunter2-secret\n", &at("2:17"));
    check("token: *hunter2-secret\n", &at("1:8"));
    check("token: !hunter2-secret {{\n", &at("1:25"));
    check("a: {hunter2-secret: 1, hunter2-secret: 2}\nusers: {hunter2-secret: a}", &at("1:24"));
    check("hunter2-secret", &at("1:1"));
}

#[test]
fn values_of_another_type_are_not_quoted() {
    let at = |place: &str| format!("{place}:{NO_KUBECONFIG}");
    check("users: hunter2-secret\n", &at("1:8"));
    check("users: [hunter2-secret]\n", &at("1:9"));
    check("users:\n- name: u\n  user: hunter2-secret\n", &at("3:9"));
    check(&with_user("{token: [hunter2-secret]}"), &at("4:33"));
    check(&with_user("{exec: hunter2-secret}"), &at("4:32"));
    check(&with_cluster("{server: a, insecure-skip-tls-verify: hunter2-secret}"), &at("1:69"));
}

#[test]
fn names_and_addresses_are_not_quoted() {
    let user = with_user("{token: hunter2-secret}");
    let check = |text: &str, expected: &str| check(text, &format!(" {expected}"));
    check("users: [{name: a, user: {token: hunter2-secret}}]", "`current-context` is not set");
    check("current-context: hunter2-secret", "`current-context` names a context that is not there");
    check(&user.replace("cluster: c,", "cluster: hunter2-secret,"), "the context names a `cluster` that is not there");
    check(&with_cluster("{}"), "the cluster has no `server`");
    check(&with_cluster("{server: 'https://u:hunter2-secret@ :x'}"), "the `server` of the cluster is not a URL");
    check(
        &with_cluster("{server: 'https://a', proxy-url: 'http://u:hunter2-secret@ b'}"),
        "the `proxy-url` of the cluster is not a URL",
    );
    check(
        &with_cluster("{server: 'https://a', proxy-url: 'ftp://u:hunter2-secret@b'}"),
        "the `proxy-url` of the cluster is of a protocol that is not spoken",
    );
    check(
        &with_cluster("{server: 'https://a', certificate-authority-data: 'hunter2-secret'}"),
        "`certificate-authority-data` is not base64",
    );
}

#[test]
fn credentials_are_not_quoted() {
    let check = |user: &str, expected: &str| check(&with_user(user), &format!(" {expected}"));
    check(
        "{token: \"hunter2-secret\\n\"}",
        "the `token` can't be sent: control characters, or others than those of ASCII",
    );
    check("{client-key-data: hunter2-secret, client-certificate-data: YQ==}", "`client-key-data` is not base64");
    check(
        "{client-certificate: /hunter2-secret, client-key: /hunter2-secret}",
        "the file that `client-certificate` names can't be read: No such file or directory (os error 2)",
    );
    check(
        "{tokenFile: /hunter2-secret}",
        "the file that `tokenFile` names can't be read: No such file or directory (os error 2)",
    );
    check("{tokenFile: /dev/null}", "the file that `tokenFile` names is empty");
    check(
        "{client-certificate-data: aHVudGVyMg==, client-key-data: aHVudGVyMg==}",
        "the certificate or the key of the user can't be used",
    );
}

#[test]
fn what_a_plugin_prints_is_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugin");
    let check = |script: &str, expected: &str| {
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let user = format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {}, args: [hunter2-secret], \
             env: [{{name: A, value: hunter2-secret}}], interactiveMode: Never}}}}",
            path.display()
        );
        super::tests::check(&with_user(&user), &format!(" {expected}"));
    };
    check("echo hunter2-secret; echo hunter2-secret >&2; exit 3", "the `exec` plugin failed: exit status: 3");
    let no_credential = "the `exec` plugin has not printed an ExecCredential with a status";
    check("echo '{\"kind\": \"ExecCredential\", \"status\": \"hunter2-secret\"}'", no_credential);
    check("echo hunter2-secret", no_credential);
}
