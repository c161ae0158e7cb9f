//! Which crate may know which. The host knows all; nobody knows the host.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};

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
            "host" => (&["actionners", "notifiers", "outputs", "policy", "rules", "simulation"], &[]),
            "policy" | "simulation" => (&["rules"], &[]),
            "actionners" | "tests" => (&[], &["falco-talon-builder"]),
            "rules" | "outputs" | "notifiers" | "falco-talon-sdk" | "falco-talon-builder" => (&[], &[]),
            // What is left are guests.
            _ => (&["falco-talon-sdk"], &[]),
        };
        assert_eq!(known, may_know, "{} knows others than it may", package.name);
        assert_eq!(to_build, may_build, "{} is built by others than it may", package.name);
    }
}
