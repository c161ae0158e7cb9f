//! Components of the operator's own, under policies that say more or less of them.

use std::fs;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::super::problem::Problem;
use super::*;
use crate::actionner::digest;
use crate::actionner::tests::probe::Probe;
use crate::actionner::tests::{engine, silent};

/// A folder of components, by the names of their files.
fn folder(components: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, component) in components {
        fs::write(folder.path().join(name), component).unwrap();
    }
    folder
}

fn loader(folder: &TempDir, policy: &str) -> Loader {
    let rules = [folder.path().join("rules.yaml")];
    let (config, _) = Config::load(None, &rules, |_| None, |_| Ok(String::new())).unwrap();
    let policy_file = folder.path().join("policy.yaml");
    fs::write(&policy_file, policy).unwrap();
    Loader {
        policy_file: Some(policy_file),
        actionners_dir: Some(folder.path().to_owned()),
        ..Loader::new(&config, Cluster::None, engine(1), None, silent())
    }
}

/// What is loaded of a folder under a policy, and what is wrong with the rest.
async fn said(folder: &TempDir, policy: &str) -> String {
    let loader = loader(folder, policy);
    let policy = loader.policy().unwrap_or_else(|problems| panic!("{}", problems[0]));
    let (inspections, problems) = loader.inspect(&policy, |name| name.starts_with("probe:")).await;
    let mut lines = Vec::new();
    for inspection in inspections {
        let (name, origin) = (inspection.description.name.clone(), inspection.origin.clone());
        let said = match Actionner::admit(&inspection, &policy) {
            Ok(grants) => match Actionner::load(&loader.engine, None, inspection, grants).await {
                Ok(_) => "loads".to_owned(),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        lines.push(format!("{origin}: {name}: {said}"));
    }
    for problem in problems {
        lines.push(match problem {
            Problem::Component { origin, error } => format!("{origin}: {error}"),
            other => other.to_string(),
        });
    }
    let text = lines.join("\n").replace(&format!("{}/", folder.path().display()), "");
    regex::Regex::new("sha256:[0-9a-f]{64}").unwrap().replace_all(&text, "DIGEST").into_owned()
}

fn entry(component: &[u8], limits: &str) -> String {
    format!("actionners:\n  probe:one:\n    digest: {}\n{limits}", digest(component))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_may_use_what_its_entry_allows_to_describe_itself() {
    async fn check(component: &[u8], limits: &str, expected: Expect) {
        expected.assert_eq(&said(&folder(&[("one.wasm", component)]), &entry(component, limits)).await);
    }
    let large = Probe { memory: r#"(memory (export "memory") 1100)"#, ..Probe::default() }.component();
    check(&large, "", expect!["one.wasm: the component begins with 69 MiB of memory, and the policy allows 64 MiB: write `limits: {memory: 128Mi}` into the entry that names its digest, DIGEST"]).await;
    check(&large, "    limits: {memory: 128Mi}\n", expect!["one.wasm: probe:one: loads"]).await;
    let spin =
        "(func $spin (loop $on (global.set $free (i32.const 65536)) (br_if $on (i32.ne (i32.const 0) (i32.const 1)))))
                (start $spin)";
    let slow = Probe { module: spin, ..Probe::default() }.component();
    check(&slow, "    limits: {cpu: 50ms}\n", expect!["one.wasm: the component can't describe itself: the actionner used more than the 50 ms of CPU time that the policy allows; more is allowed by `limits: {cpu: 5s}` in the entry that names its digest, DIGEST"]).await;
    check(&slow, "    limits: {cpu: 60s, deadline: 50ms}\n", expect!["one.wasm: the component can't describe itself: the actionner did not end within its deadline of 50 ms; what it had begun may have been carried out; more is allowed by `limits: {deadline: 60s}` in the entry that names its digest, DIGEST"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_policy_pins_is_looked_into() {
    let one = Probe::default().component();
    let other = Probe { description: Probe::OTHER, ..Probe::default() }.component();
    async fn check(files: &[(&str, &[u8])], policy: &str, expected: Expect) {
        expected.assert_eq(&said(&folder(files), policy).await);
    }
    let pinned = entry(&one, "");
    check(
        &[("a.wasm", &one), ("z.wasm", &other)],
        &pinned,
        expect![[r#"
            a.wasm: probe:one: loads
            z.wasm: no entry of the policy names this component's digest, DIGEST, so it is not looked into; `falco-talon actionners inspect z.wasm` prints what it asks for, and an entry"#]],
    )
    .await;
    check(&[("z.wasm", &one), ("a.wasm", &other)], &pinned, expect![[r#"
        z.wasm: probe:one: loads
        a.wasm: no entry of the policy names this component's digest, DIGEST, so it is not looked into; `falco-talon actionners inspect a.wasm` prints what it asks for, and an entry"#]]).await;
    check(&[("a.wasm", &one), ("z.wasm", &other)], "actionners: {}\n", expect![[r#"
        a.wasm: no entry of the policy names this component's digest, DIGEST, so it is not looked into; `falco-talon actionners inspect a.wasm` prints what it asks for, and an entry
        z.wasm: no entry of the policy names this component's digest, DIGEST, so it is not looked into; `falco-talon actionners inspect z.wasm` prints what it asks for, and an entry"#]]).await;
    check(
        &[("a.wasm", &one), ("b.wasm", &one)],
        &pinned,
        expect![[r#"
        a.wasm: probe:one: loads
        b.wasm: there is another actionner 'probe:one' already; each name can be taken once"#]],
    )
    .await;
}

/// Neither is asked, however long it would take, since no rule needs it.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_rules_need_is_asked() {
    let spin = "(func $spin (loop $on (br $on))) (start $spin)";
    let never = Probe { module: spin, ..Probe::default() }.component();
    let never_too = Probe { module: spin, description: Probe::OTHER, ..Probe::default() }.component();
    let folder = folder(&[("a.wasm", &never), ("b.wasm", &never_too)]);
    let of = |name: &str, component: &[u8]| {
        entry(component, "    limits: {cpu: 600s, deadline: 600s}\n").replace("probe:one", name)
    };
    let policy = of("probe:one", &never) + of("probe:two", &never_too).trim_start_matches("actionners:\n");
    let rules = "- rule: R\n  match: {rules: [good]}\n  actions: [{action: A, actionner: 'kubernetes:terminate'}]\n";
    let loader = loader(&folder, &policy);
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let loaded = loader.load().await.unwrap_or_else(|problems| panic!("{}", problems[0]));
    assert_eq!(loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
}

/// It would hold up all others.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_can_wait_for_nothing_while_it_describes_itself() {
    let waits = Probe {
        interfaces: "interface clock { pause: func(duration-ms: u32) -> u32; }",
        imports: "import clock;".to_owned(),
        module_imports:
            r#"(import "falco-talon:actionner/clock@1.0.0" "pause" (func $pause (param i32) (result i32)))"#.to_owned(),
        module: "(func $wait (drop (call $pause (i32.const 25000)))) (start $wait)",
        ..Probe::default()
    };
    let waits = waits.component();
    expect!["one.wasm: the component can't describe itself: the actionner waited for more than 1000 ms, and what it says of itself depends on nothing"].assert_eq(&said(&folder(&[("one.wasm", &waits)]), &entry(&waits, "")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_none_or_too_large_are_named_and_passed_over() {
    let one = Probe::default().component();
    let folder = folder(&[("One.WASM", &one), ("._one.wasm", b"\0\x05\x16\x07"), ("notes.txt", b"not read")]);
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder.wasm")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(at("pipe.wasm")).status().unwrap();
    assert!(made.success());
    fs::File::create(at("sparse.wasm")).unwrap().set_len(1500 << 20).unwrap();
    std::os::unix::fs::symlink("nowhere.wasm", at("link.wasm")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", at("zero.wasm")).unwrap();
    expect![[r#"
        One.WASM: probe:one: loads
        ._one.wasm: the file is what macOS keeps beside another one (AppleDouble): delete it
        open folder.wasm: it is not a file
        open link.wasm: No such file or directory (os error 2)
        open pipe.wasm: it is not a file
        open sparse.wasm: it has 1572864000 bytes, more than the 67108864 that are read
        open zero.wasm: it is not a file"#]]
    .assert_eq(&said(&folder, &entry(&one, "")).await);
}
