//! Who may know whom: between the crates, between the folders of the host, and between files.
//!
//! Guests know the SDK, and of them only those that are bundled may know the kit, which not each of them needs.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

#[test]
fn crates_know_only_whom_they_may() {
    let metadata = MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec().unwrap();
    let rooms: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    for package in &metadata.packages {
        let of_ours = package.dependencies.iter().filter(|it| rooms.contains(it.name.as_str()));
        let known = |kind| -> Vec<&str> {
            let mut names: Vec<_> = of_ours.clone().filter(|it| it.kind == kind).map(|it| it.name.as_str()).collect();
            names.sort_unstable();
            names
        };
        let (known, to_build) = (known(DependencyKind::Normal), known(DependencyKind::Build));
        let (may_know, may_build): (&[&str], &[&str]) = match package.name.as_str() {
            // Measures the host from outside.
            "bench" => (&["actionners", "host", "policy", "rules"], &[]),
            "host" => (&["actionners", "guest", "notifiers", "outputs", "policy", "rules", "simulation"], &[]),
            "fuzz" => (&["guest", "policy", "rules"], &[]),
            "guest" => (&["policy", "rules"], &[]),
            "policy" | "simulation" => (&["rules"], &[]),
            "actionners" | "tests" => (&[], &["falco-talon-builder"]),
            "rules" | "outputs" | "notifiers" | "falco-talon-sdk" | "falco-talon-builder" => (&[], &[]),
            // What is left are the kit and guests.
            _ if is_bundled(package) && known.contains(&"falco-talon-kit") => {
                (&["falco-talon-kit", "falco-talon-sdk"], &[])
            }
            _ => (&["falco-talon-sdk"], &[]),
        };
        assert_eq!(known, may_know, "{} knows others than it may", package.name);
        assert_eq!(to_build, may_build, "{} is built by others than it may", package.name);
    }
}

/// The folders of the host, each with those that it knows. Below a folder stands nobody that knows it.
const FOLDERS: [(&str, &[&str]); 18] = [
    ("cli", &["actionner", "clients", "config", "control", "generation", "run", "store", "telemetry"]),
    (
        "run",
        &[
            "actionner",
            "clients",
            "config",
            "control",
            "generation",
            "health",
            "pipeline",
            "queue",
            "server",
            "startup",
            "store",
            "telemetry",
        ],
    ),
    ("control", &["generation", "pipeline", "store"]),
    ("startup", &["clients", "health", "telemetry"]),
    ("server", &["body", "config", "health", "pipeline", "store", "telemetry"]),
    (
        "pipeline",
        &[
            "actionner",
            "capability",
            "clients",
            "config",
            "contexts",
            "generation",
            "health",
            "queue",
            "store",
            "telemetry",
        ],
    ),
    ("generation", &["actionner", "capability", "clients", "config", "contexts", "health", "telemetry"]),
    ("actionner", &["capability", "clients", "fair", "telemetry"]),
    ("capability", &["clients", "fair", "telemetry"]),
    ("contexts", &["clients", "telemetry"]),
    ("clients", &["body", "config", "fair", "telemetry"]),
    ("queue", &["store"]),
    ("store", &["config", "health", "telemetry"]),
    ("config", &["telemetry"]),
    ("telemetry", &["health"]),
    ("health", &[]),
    ("body", &[]),
    ("fair", &[]),
];

#[test]
fn folders_of_the_host_know_only_whom_they_may() {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, others) in files::edges(&folder("host/src")) {
        let Some(room) = file.first() else { continue };
        let of_others = others.iter().filter_map(|other| other.first()).filter(|other| *other != room);
        known.entry(room.clone()).or_default().extend(of_others.cloned());
    }
    let may_know = FOLDERS
        .iter()
        .map(|(room, may_know)| (room.to_string(), may_know.iter().map(ToString::to_string).collect::<BTreeSet<_>>()));
    assert_eq!(known, may_know.collect());
    for (at, (room, may_know)) in FOLDERS.iter().enumerate() {
        let below: Vec<&str> = FOLDERS[at + 1..].iter().map(|(room, _)| *room).collect();
        assert!(may_know.iter().all(|known| below.contains(known)), "{room} knows one above it");
    }
}

/// The crates whose files are looked at: all but those of guests and tests.
const SOURCES: [&str; 9] = [
    "actionners/kit/src",
    "actionners/sdk/src",
    "host/guest/src",
    "host/policy/src",
    "host/simulation/src",
    "host/src",
    "notifiers/src",
    "outputs/src",
    "rules/src",
];

/// Files that know each other since they are halves of one thing.
const HALVES: [(&str, &str); 4] = [
    // What a condition is, and how its text becomes one.
    ("rules/src: condition", "condition/parse"),
    ("rules/src: condition/parse", "condition"),
    // What an event is, and how Falco's JSON becomes one.
    ("rules/src: event", "event/decode"),
    ("rules/src: event/decode", "event"),
];

#[test]
fn no_files_know_each_other_but_halves_of_one_thing() {
    let mut circles = BTreeSet::new();
    for source in SOURCES {
        let edges = files::edges(&folder(source));
        for circle in files::circles(&edges) {
            for file in &circle {
                for known in edges[file].intersection(&circle) {
                    circles.insert((format!("{source}: {}", file.join("/")), known.join("/")));
                }
            }
        }
    }
    let halves = HALVES.iter().map(|(file, known)| (file.to_string(), known.to_string()));
    assert_eq!(circles, halves.collect());
}

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// Whether it is one of the guests that come with the host; others are in `tests/guests`.
fn is_bundled(package: &Package) -> bool {
    package.manifest_path.ancestors().nth(2).is_some_and(|folder| folder.ends_with("actionners"))
}
