//! Components from a directory: what is refused, how it is reported, and what is left standing.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use expect_test::{Expect, expect};
use host::testing::{Cluster, Compiler, Config, Resources, run};
use serde_json::Value;
use simulation::Simulation;
use tokio::net::TcpListener;

use crate::hostile::{CLUSTER, event, folder, guest, policy, rules};
use crate::running::{Host, Log, PATIENCE, config, text, told};

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
    let of_host = ["init", "http", "shutdown"];
    let of_guest: Vec<Value> = lines.iter().filter(|line| !of_host.contains(&text(line, "message"))).cloned().collect();
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

/// No rule needs the guest: what shows without running it is reported, and all else works.
async fn check_passed_over(component: &[u8], policy: Option<&str>, expected: &Expect) {
    let folder = folder("hostile:any", component, "    limits: {cpu: 1s}\n");
    if let Some(policy) = policy {
        fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    }
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
    check_passed_over(b"\0asm but not for long", None, &expect![[r#"
        warn actionners: the file is WebAssembly of a version of the binary format that this host does not read: build it with a newer toolchain file="actionners/guest.wasm"
        info store:  result="'data_dir' is not set: events that wait are in memory, and lost with the process"
    "#]]).await;
    check_passed_over(
        b"",
        Some("actionners: {}\n"),
        &expect![[r#"
            warn actionners: the file is empty: build or copy the component anew file="actionners/guest.wasm"
            info store:  result="'data_dir' is not set: events that wait are in memory, and lost with the process"
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
    check_passed_over(guest!("trap"), Some("actionners: {}\n"), &expect![[r#"
        warn actionners: no entry of the policy names this component's digest, DIGEST, so it is not looked into; `falco-talon actionners inspect actionners/guest.wasm` prints what it asks for, and an entry file="actionners/guest.wasm"
        info store:  result="'data_dir' is not set: events that wait are in memory, and lost with the process"
    "#]]).await;
}

#[tokio::test]
async fn a_component_that_no_rule_needs_is_held_against_its_entry() {
    check_passed_over(
        guest!("trap"),
        None,
        &expect![[r#"
        info store:  result="'data_dir' is not set: events that wait are in memory, and lost with the process"
    "#]],
    )
    .await;
    check_passed_over(guest!("names"), None, &expect![[r#"
        warn actionners: 'hostile:any' imports more than the policy grants it:
          `hostile:any` imports `kubernetes-read.get`, and nothing that it is granted could allow it; to allow it, add to its entry in the policy (with what it really needs):
          kubernetes: [{verbs: [get], resources: [pods], scope: event-target}]
          `hostile:any` imports `kubernetes-write.delete`, and nothing that it is granted could allow it; to allow it, add to its entry in the policy (with what it really needs):
          kubernetes: [{verbs: [delete], resources: [pods], scope: event-target}]
          Where the toolchain imports whole interfaces: build it against a copy of `wit/` that has only the functions that it calls; or write `ungranted: deny` into its entry, and it is loaded with these always denied file="actionners/guest.wasm"
        info store:  result="'data_dir' is not set: events that wait are in memory, and lost with the process"
    "#]]).await;
}

/// It takes minutes to compile, and longer than any test.
#[tokio::test]
async fn what_is_costly_to_compile_costs_nothing_unless_it_is_wanted() {
    let bomb = component(&bomb(1_000_000));
    check_passed_over(&bomb, Some("actionners: {}\n"), &expect![[r#"
        warn actionners: no entry of the policy names this component's digest, DIGEST, so it is not looked into; `falco-talon actionners inspect actionners/guest.wasm` prints what it asks for, and an entry file="actionners/guest.wasm"
        info store:  result="'data_dir' is not set: events that wait are in memory, and lost with the process"
    "#]]).await;
    check_passed_over(&bomb, None, &expect![[r#"
        warn actionners: the component does not fit this host: it does not export `falco-talon:actionner/action@1.0.0`: build it for the world `actionner` of the contract file="actionners/guest.wasm"
        info store:  result="'data_dir' is not set: events that wait are in memory, and lost with the process"
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
        error rules: unknown actionner action="Do harm" actionner="hostile:trap" position="rules.yaml:9:36" rule="Bad"
        error actionners: no entry of the policy names this component's digest, DIGEST, so it is not looked into; the digest in the entry for 'hostile:trap' is no file's; `falco-talon actionners inspect actionners/guest.wasm` prints what it asks for, and an entry file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn a_component_without_an_entry_is_refused_and_told_one() {
    check_refused("hostile:names", guest!("names"), Some("actionners: {}\n"), &expect![[r#"
        error rules: unknown actionner action="Do harm" actionner="hostile:names" position="rules.yaml:9:36" rule="Bad"
        error actionners: no entry of the policy names this component's digest, DIGEST, so it is not looked into; `falco-talon actionners inspect actionners/guest.wasm` prints what it asks for, and an entry file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn a_name_that_rules_could_not_write_is_refused() {
    let named = |name: &str| patched(guest!("trap"), "hostile:trap", name);
    check_refused("hostile:any", &named("HOSTILE:TRAP"), None, &expect![[r#"
        error rules: unknown actionner action="Do harm" actionner="hostile:any" position="rules.yaml:9:36" rule="Bad"
        error actionners: the component describes itself wrongly: `name`: "HOSTILE:TRAP" is not the name of an actionner: it is written 'category:name', such as 'kubernetes:label': both begin with a small letter and go on with small letters, digits, '-' and '_', 64 characters at most together file="actionners/guest.wasm"
    "#]]).await;
    check_refused("hostile:any", &named("hostile\u{1b}[0mX"), None, &expect![[r#"
        error rules: unknown actionner action="Do harm" actionner="hostile:any" position="rules.yaml:9:36" rule="Bad"
        error actionners: the component describes itself wrongly: `name`: "hostile\u{1b}[0mX" is not the name of an actionner: it is written 'category:name', such as 'kubernetes:label': both begin with a small letter and go on with small letters, digits, '-' and '_', 64 characters at most together file="actionners/guest.wasm"
    "#]]).await;
    check_refused("hostile:any", guest!("trap"), None, &expect![[r#"
        error rules: unknown actionner action="Do harm" actionner="hostile:any" position="rules.yaml:9:36" rule="Bad"
        error actionners: the policy's entry for 'hostile:any' names this component's digest, and the component calls itself 'hostile:trap' file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn a_schema_that_is_none_is_refused() {
    const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false}"#;
    let with = |schema: &str| patched(guest!("trap"), SCHEMA, schema);
    check_refused("hostile:trap", &with(&SCHEMA.replace("object", "abject")), None, &expect![[r#"
        error rules: unknown actionner action="Do harm" actionner="hostile:trap" position="rules.yaml:9:36" rule="Bad"
        error actionners: the component describes itself wrongly: `parameters_schema`: /type: "abject" is not a type; did you mean 'object'? file="actionners/guest.wasm"
    "#]]).await;
    check_refused("hostile:trap", &with(&SCHEMA.replace('{', "(")), None, &expect![[r#"
        error rules: unknown actionner action="Do harm" actionner="hostile:trap" position="rules.yaml:9:36" rule="Bad"
        error actionners: the component describes itself wrongly: `parameters_schema`: "(\"type\": \"object\", \"additionalProperties\": false}" is not of type "object" file="actionners/guest.wasm"
    "#]]).await;
}

#[tokio::test]
async fn a_name_can_be_taken_once() {
    let folder = folder("hostile:trap", guest!("trap"), "    limits: {cpu: 1s}\n");
    fs::write(folder.path().join("actionners/second.wasm"), guest!("trap")).unwrap();
    let host = start(config(folder.path())).await.unwrap_or_else(|lines| panic!("{}", told(&lines)));
    expect![[r#"
        warn actionners: there is another actionner 'hostile:trap' already; each name can be taken once file="actionners/second.wasm"
        info store:  result="'data_dir' is not set: events that wait are in memory, and lost with the process"
    "#]].assert_eq(&said(&host.stop().await, folder.path()));
}

/// A module of one function of so many bytes, in which each of many blocks changes one of many variables.
fn bomb(bytes: usize) -> Vec<u8> {
    const VARIABLES: u32 = 2_000;
    let mut code = [number(1), number(VARIABLES), vec![0x7f]].concat();
    let mut at = 0_u32;
    while code.len() < bytes {
        let [one, other, third] = [(7_919, 0), (104_729, 13), (31, 7)]
            .map(|(times, more)| number(at.wrapping_mul(times).wrapping_add(more) % VARIABLES));
        // if (one) { other = other * third + one }
        for part in [&[0x20][..], &one, &[0x04, 0x40, 0x20], &other, &[0x20], &third, &[0x6c, 0x20], &one] {
            code.extend(part);
        }
        code.extend([&[0x6a, 0x21][..], &other, &[0x0b]].concat());
        at += 1;
    }
    code.push(0x0b);
    let body = [number(u32::try_from(code.len()).unwrap()), code].concat();
    let sections = [(1, vec![1, 0x60, 0, 0]), (3, vec![1, 0]), (10, [vec![1], body].concat())];
    let sections = sections.map(|(id, bytes)| section(id, &bytes)).concat();
    [b"\0asm\x01\0\0\0".to_vec(), sections].concat()
}

/// One of a module alone.
fn component(module: &[u8]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module)].concat()
}

fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![id], number(u32::try_from(bytes.len()).unwrap()), bytes.to_vec()].concat()
}

/// As WebAssembly writes it (LEB128).
fn number(mut left: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// A host that is told to stop before it takes events.
async fn stops_while_it_starts(folder: &Path, compiler: Compiler) {
    let log = Log::default();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let mut config = config(folder);
    config.cache_dir = None;
    let (logger, cluster) = (log.logger(), Cluster::Client(simulation.client()));
    let resources = Resources { config, cluster, listener, logger, compiler, reload: Default::default() };
    // The runtime of the host goes on meanwhile, or the signal would never be seen.
    let ended = tokio::time::timeout(PATIENCE, run(resources, tokio::time::sleep(Duration::from_millis(300)))).await;
    ended.unwrap().unwrap();
    assert!(log.lines().iter().all(|line| line["message"] != "http"), "{:?}", log.lines());
}

#[tokio::test]
async fn a_pipe_in_the_place_of_the_rules_is_not_read() {
    let folder = folder("hostile:trap", guest!("trap"), "    limits: {cpu: 1s}\n");
    let rules = folder.path().join("rules.yaml");
    fs::remove_file(&rules).unwrap();
    assert!(Command::new("mkfifo").arg(&rules).status().unwrap().success());
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let Err(log) = Host::start(config(folder.path()), simulation.client()).await else { panic!("it starts") };
    let error = format!("open {}: it is not a file", rules.display());
    assert!(log.lines().iter().any(|line| text(line, "error") == error), "{:?}", log.lines());
}

#[tokio::test]
async fn what_is_still_compiled_does_not_keep_it_from_stopping() {
    let folder = folder("hostile:trap", guest!("trap"), "    limits: {cpu: 1s}\n");
    let never = Compiler(|| {
        let mut command = Command::new("sleep");
        command.arg("1000");
        command
    });
    stops_while_it_starts(folder.path(), never).await;
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
