//! The audit record of a component that calls every function of the contract: a line for each, with how it ended.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use wit_parser::Resolve;

use crate::material::folder;
use crate::outside::Outside;
use crate::running::{Host, config, text, told};
use crate::world::World;

/// The functions of the contract of 1.0.0, but for `log.write`, whose record is the line itself.
fn functions() -> Vec<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder("guests/published/1.0.0/source/wit")).unwrap();
    let mut names = Vec::new();
    for (interface, id) in resolve.packages[package].interfaces.iter().filter(|(name, _)| *name != "action") {
        let functions = resolve.interfaces[*id].functions.keys();
        names.extend(functions.map(|name| format!("{interface}.{}", name.rsplit(['.', ']']).next().unwrap())));
    }
    names.retain(|name| name != "log.write");
    names
}

/// The lines of one event for the component of 1.0.0.
async fn record(dry_run: bool) -> Vec<Value> {
    let case = folder("cases/published-1-0-0");
    let read = |name: &str| fs::read_to_string(case.join(name)).unwrap();
    let (outside, world) = (Outside::start().await, World::simulated(&read("cluster.yaml")));
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(files.path().join(name), text).unwrap();
    let rules = read("rules.yaml").replace("  match:", &format!("  dry_run: {dry_run}\n  match:"));
    write("rules.yaml", &outside.write(&rules).replace("/tmp/falco-talon-cases", files.path().to_str().unwrap()));
    write("policy.yaml", &outside.write(&read("policy.yaml")));
    install(files.path(), &read("policy.yaml"));
    let mut config = config(files.path());
    config.clouds = outside.config();
    config.audit_file = Some(files.path().join("audit.log"));
    let host = Host::start(config, world.client().0).await;
    let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    host.post(read("event.json")).await;
    host.stop().await;
    let lines = fs::read_to_string(files.path().join("audit.log")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn install(files: &Path, policy: &str) {
    let actionners = files.join("actionners");
    fs::create_dir(&actionners).unwrap();
    for (name, bytes) in Outside::components(policy) {
        fs::write(actionners.join(format!("{name}.wasm")), bytes).unwrap();
    }
}

fn is_write(capability: &str) -> bool {
    let (interface, function) = capability.split_once('.').unwrap();
    matches!(interface, "kubernetes-write" | "kubernetes-exec" | "functions" | "http") || function == "put"
}

/// The ends of each function.
fn ends(lines: &[Value]) -> BTreeMap<&str, Vec<&str>> {
    let mut ends = BTreeMap::<_, Vec<_>>::new();
    for line in lines {
        ends.entry(text(line, "capability")).or_default().push(text(line, "status"));
    }
    ends
}

#[tokio::test]
async fn each_function_leaves_a_line() {
    let lines = record(false).await;
    let ends = ends(&lines);
    for function in functions() {
        let of_it = ends.get(function.as_str()).unwrap_or_else(|| panic!("{function} leaves no line"));
        assert!(of_it.contains(&"success"), "{function}: {of_it:?}");
    }
    assert!(lines.iter().all(|line| line.get("dry_run").is_none()));
    let line = |capability: &str| lines.iter().find(|line| line["capability"] == capability).unwrap();
    assert_eq!(text(line("kubernetes-write.patch"), "fields"), "metadata.labels.surveyed");
    assert_eq!(text(line("artifacts.write"), "request"), "write survey.log");
    assert_eq!(text(line("artifacts.write"), "bytes"), "19", "{}", line("artifacts.write"));
}

/// What would have been written, and that it was not.
#[tokio::test]
async fn in_a_dry_run_each_write_is_a_rehearsal() {
    let lines = record(true).await;
    let ends = ends(&lines);
    for function in functions() {
        let of_it = ends.get(function.as_str()).unwrap_or_else(|| panic!("{function} leaves no line"));
        let done = match function.as_str() {
            // What was made in a rehearsal is not there.
            "kubernetes-write.delete" => "refused",
            "objects.get" => "failure",
            function if is_write(function) => "rehearsed",
            _ => "success",
        };
        assert!(of_it.contains(&done), "{function}: {of_it:?}");
        assert!(!is_write(&function) || !of_it.contains(&"success"), "{function}: {of_it:?}");
    }
    for line in &lines {
        assert_eq!(line["dry_run"] == "true", is_write(text(line, "capability")), "{line}");
    }
    let patch = lines.iter().find(|line| line["capability"] == "kubernetes-write.patch").unwrap();
    assert_eq!(text(patch, "fields"), "metadata.labels.surveyed");
}
