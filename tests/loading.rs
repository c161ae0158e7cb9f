//! Components from a directory: what is refused, how it is reported, and what is left standing.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use host::testing::Config;
use serde_json::Value;
use simulation::Simulation;

use crate::hostile::{CLUSTER, event, folder, guest, policy, rules};
use crate::running::{Host, config, text, told};

/// The same component with some of its words changed.
fn patched(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "sections have lengths");
    let mut patched = component.to_vec();
    let places: Vec<_> =
        component.windows(from.len()).enumerate().filter(|(_, it)| *it == from.as_bytes()).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "'{from}' is not in the component");
    for at in places {
        patched[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    patched
}

/// What the host says of the guest in `folder`, digests and paths left out.
fn said(lines: &[Value], folder: &Path) -> String {
    let of_guest: Vec<Value> =
        lines.iter().filter(|line| line["message"] != "init" && line["message"] != "http").cloned().collect();
    let digest = regex::Regex::new("sha256:[0-9a-f]{64}").unwrap();
    let told = told(&of_guest).replace(&format!("{}/", folder.display()), "");
    digest.replace_all(&told, "DIGEST").into_owned()
}

async fn start(config: Config) -> Result<Host, Vec<Value>> {
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    Host::start(config, simulation.client()).await.map_err(|log| log.lines())
}

/// A rule needs the guest: the host does not start.
async fn check_refused(guest: &str, component: &[u8], policy: Option<&str>, expected: &Expect) {
    let folder = folder(guest, component, "    limits: {cpu: 1s}\n");
    if let Some(policy) = policy {
        fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    }
    let Err(lines) = start(config(folder.path())).await else { panic!("it started") };
    expected.assert_eq(&said(&lines, folder.path()));
}

/// No rule needs the guest: it is reported, and all else works.
async fn check_passed_over(component: &[u8], expected: &Expect) {
    let folder = folder("hostile:any", component, "    limits: {cpu: 1s}\n");
    let only_good = rules("hostile:any").split("- rule: Bad").next().unwrap().to_owned();
    fs::write(folder.path().join("rules.yaml"), only_good).unwrap();
    let host = start(config(folder.path())).await.unwrap_or_else(|lines| panic!("{}", told(&lines)));
    expected.assert_eq(&said(&host.log.lines(), folder.path()));
    host.post(event("good", "web-0")).await;
    let lines = host.stop().await;
    let action = lines.iter().find(|line| line["message"] == "action").unwrap();
    assert_eq!(text(action, "status"), "success");
}

#[tokio::test]
async fn what_is_no_component_is_named_and_passed_over() {
    check_passed_over(b"\0asm but not for long", &expect![[r#"
        warn actionners: the file is WebAssembly of a version of the binary format that this host does not read: build it with a newer toolchain file="actionners/guest.wasm"
    "#]]).await;
    check_passed_over(
        b"",
        &expect![[r#"
        warn actionners: the file is empty: build or copy the component anew file="actionners/guest.wasm"
    "#]],
    )
    .await;
}

#[tokio::test]
async fn what_is_no_component_is_an_error_where_a_rule_needs_it() {
    check_refused("hostile:trap", b"\0asm but not for long", None, &expect![[r#"
        error rules: unknown actionner action="Do harm" actionner="hostile:trap" position="rules.yaml:9:36" rule="Bad"
        error actionners: the file is WebAssembly of a version of the binary format that this host does not read: build it with a newer toolchain file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn a_component_that_no_rule_needs_and_no_policy_knows_is_passed_over() {
    check_passed_over(guest!("trap"), &expect![[r#"
        warn actionners: the policy has no entry for 'hostile:trap'; this one would grant what it imports, read it before you add it:
        actionners:
          hostile:trap:
            digest: DIGEST
            limits: {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}
         file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn imports_beyond_the_grants_are_refused_and_named() {
    check_refused("hostile:names", guest!("names"), None, &expect![[r#"
        error actionners: 'hostile:names' imports more than the policy grants it:
          `hostile:names` imports `kubernetes-read.get`, and nothing that it is granted could allow it; to allow it, add to its entry in the policy (with what it really needs):
          kubernetes: [{verbs: [get], resources: [pods], scope: event-target}]
          `hostile:names` imports `kubernetes-write.delete`, and nothing that it is granted could allow it; to allow it, add to its entry in the policy (with what it really needs):
          kubernetes: [{verbs: [delete], resources: [pods], scope: event-target}]
          Where the toolchain imports whole interfaces: build it against a copy of `wit/` that has only the functions that it calls; or write `ungranted: deny` into its entry, and it is loaded with these always denied file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn interfaces_of_others_are_refused_and_named() {
    let foreign =
        patched(guest!("denials"), "falco-talon:actionner/kubernetes-read", "wasi-escape:actionner/kubernetes-read");
    check_refused("hostile:denials", &foreign, None, &expect![[r#"
        error rules: unknown actionner action="Do harm" actionner="hostile:denials" position="rules.yaml:9:36" rule="Bad"
        error actionners: the component does not fit this host: it imports `wasi-escape:actionner/kubernetes-read@1.0.0`, which this host does not offer: leave it out, or compose it with a component that exports it file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn functions_that_do_not_exist_are_refused() {
    let foreign =
        patched(guest!("denials"), "falco-talon:actionner/kubernetes-read", "falco-talon:actionner/kubernetes-root");
    check_refused("hostile:denials", &foreign, None, &expect![[r#"
        error rules: unknown actionner action="Do harm" actionner="hostile:denials" position="rules.yaml:9:36" rule="Bad"
        error actionners: the component does not fit this host: it imports the interface `kubernetes-root` of the contract, which is not there in 1.0.0: leave it out file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn another_component_than_the_policy_names_is_refused() {
    let component = guest!("trap");
    let of_another = policy("hostile:trap", b"another", "    limits: {cpu: 1s}\n");
    check_refused("hostile:trap", component, Some(&of_another), &expect![[r#"
        error actionners: the policy's entry for 'hostile:trap' is for DIGEST, this component is DIGEST file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn a_component_without_an_entry_is_refused_and_told_one() {
    check_refused("hostile:names", guest!("names"), Some("actionners: {}\n"), &expect![[r#"
        error actionners: the policy has no entry for 'hostile:names'; this one would grant what it imports, read it before you add it:
        actionners:
          hostile:names:
            digest: DIGEST
            kubernetes:   # put in what it really needs
              - {verbs: [delete], resources: [pods], scope: event-target}
              - {verbs: [get], resources: [pods], scope: event-target}
            limits: {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}
         file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn a_name_that_rules_could_not_write_is_refused() {
    check_passed_over(&patched(guest!("trap"), "hostile:trap", "HOSTILE:TRAP"), &expect![[r#"
        warn actionners: the component describes itself wrongly: `name`: "HOSTILE:TRAP" is not the name of an actionner: it is written 'category:name', such as 'kubernetes:label': both begin with a small letter and go on with small letters, digits, '-' and '_', 64 characters at most together file="actionners/guest.wasm"
    "#]]).await;
    check_passed_over(&patched(guest!("trap"), "hostile:trap", "hostile\u{1b}[0mX"), &expect![[r#"
        warn actionners: the component describes itself wrongly: `name`: "hostile\u{1b}[0mX" is not the name of an actionner: it is written 'category:name', such as 'kubernetes:label': both begin with a small letter and go on with small letters, digits, '-' and '_', 64 characters at most together file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn a_schema_that_is_none_is_refused() {
    const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false}"#;
    check_passed_over(
        &patched(guest!("trap"), SCHEMA, &SCHEMA.replace("object", "abject")),
        &expect![[r#"
            warn actionners: the component describes itself wrongly: `parameters_schema`: /type: "abject" is not a type; did you mean 'object'? file="actionners/guest.wasm"
        "#]],
    )
    .await;
    check_passed_over(&patched(guest!("trap"), SCHEMA, &SCHEMA.replace('{', "(")), &expect![[r#"
        warn actionners: the component describes itself wrongly: `parameters_schema`: "(\"type\": \"object\", \"additionalProperties\": false}" is not of type "object" file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn a_name_can_be_taken_once() {
    let folder = folder("hostile:trap", guest!("trap"), "    limits: {cpu: 1s}\n");
    fs::write(folder.path().join("actionners/second.wasm"), guest!("trap")).unwrap();
    let host = start(config(folder.path())).await.unwrap_or_else(|lines| panic!("{}", told(&lines)));
    expect![[r#"
        warn actionners: there is another actionner 'hostile:trap' already; each name can be taken once file="actionners/second.wasm"
    "#]].assert_eq(&said(&host.stop().await, folder.path()));
}

/// A host with a cache of its own, started and stopped.
async fn start_with(cache: &Path) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), rules("kubernetes:terminate")).unwrap();
    let mut config = config(folder.path());
    config.cache_dir = Some(cache.to_owned());
    let host = start(config).await.unwrap_or_else(|lines| panic!("{}", told(&lines)));
    host.post(event("bad", "web-0")).await;
    let lines = host.stop().await;
    let action = lines.iter().find(|line| line["message"] == "action").unwrap();
    assert_eq!(text(action, "status"), "success");
    lines
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    let mut entries: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "cwasm")).collect();
    entries.sort();
    entries
}

/// An entry that is written again is another file.
fn identities(cache: &Path) -> Vec<u64> {
    entries(cache).iter().map(|path| fs::metadata(path).unwrap().ino()).collect()
}

#[tokio::test]
async fn compiled_components_are_kept_and_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    start_with(&cache).await;
    let first = identities(&cache);
    assert_eq!(first.len(), 2, "one entry for each actionner that a rule uses");
    start_with(&cache).await;
    assert_eq!(identities(&cache), first, "the second start compiles nothing");

    let paths = entries(&cache);
    let (one, other) = (fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap());
    let mut tampered = one.clone();
    *tampered.last_mut().unwrap() ^= 1;
    fs::write(&paths[0], &tampered).unwrap();
    // Signed by the host, but for another component.
    fs::write(&paths[1], &one).unwrap();
    start_with(&cache).await;
    assert_ne!(fs::read(&paths[0]).unwrap(), tampered);
    assert_ne!(fs::read(&paths[1]).unwrap(), one);

    fs::write(&paths[1], &other[..20]).unwrap();
    start_with(&cache).await;
    assert!(fs::read(&paths[1]).unwrap().len() > 20);
}

#[tokio::test]
async fn a_cache_that_others_can_write_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    let lines = start_with(&cache).await;
    let warning = lines.iter().find(|line| text(line, "level") == "warn" || text(line, "level") == "warning").unwrap();
    expect!["components are compiled at each start: FOLDER/cache: others may write it (mode 777)"]
        .assert_eq(&text(warning, "error").replace(&folder.path().display().to_string(), "FOLDER"));
    assert!(entries(&cache).is_empty());
}

#[tokio::test]
async fn what_a_policy_takes_from_protection_is_a_warning() {
    let folder = folder("hostile:any", b"", "");
    fs::remove_file(folder.path().join("actionners/guest.wasm")).unwrap();
    fs::write(folder.path().join("policy.yaml"), "unprotected: {namespaces: [kube-system]}\n").unwrap();
    let only_good = rules("hostile:any").split("- rule: Bad").next().unwrap().to_owned();
    fs::write(folder.path().join("rules.yaml"), only_good).unwrap();
    let host = start(config(folder.path())).await.unwrap_or_else(|lines| panic!("{}", told(&lines)));
    let warnings: Vec<Value> = host.stop().await.into_iter().filter(|line| text(line, "level") == "warn").collect();
    expect![[r#"
        warn policy: the namespace `kube-system` is not protected: writes that are granted reach it position="policy.yaml:1:28"
    "#]].assert_eq(&said(&warnings, folder.path()));
}
