//! Which crate may know which. The host knows all; nobody knows the host.
//!
//! Guests know the SDK, and of them only those that are bundled may know the kit, which not each of them needs.

use std::collections::BTreeSet;

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
            "bench" => (&["actionners", "host", "rules"], &[]),
            "host" => (&["actionners", "notifiers", "outputs", "rules"], &[]),
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

/// Whether it is one of the guests that come with the host; others are in `tests/guests`.
fn is_bundled(package: &Package) -> bool {
    package.manifest_path.ancestors().nth(2).is_some_and(|folder| folder.ends_with("actionners"))
}
