//! The environment of the cargo that compiles guests.
//!
//! It runs inside another cargo, whose settings are those of a native build: they must not
//! reach it. Does not know the settings that it gets instead.

use std::process::Command;

/// Variables of cargo and rustup that are the user's, not the running build's.
///
/// The job server is among them, so that both cargos together keep to the number of jobs that
/// was asked for.
const KEPT: [&str; 8] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
    "RUSTUP_",
];

/// What cargo sets for build scripts under names without a prefix. The library path names the
/// libraries of the running compiler, which may be another than the guests'.
const OF_BUILD_SCRIPTS: [&str; 9] = [
    "DEBUG",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "HOST",
    "LD_LIBRARY_PATH",
    "NUM_JOBS",
    "OPT_LEVEL",
    "OUT_DIR",
    "PROFILE",
    "TARGET",
];

/// Removes from the environment of `command` what belongs to the build that is running.
pub(crate) fn clear(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(belongs_to_running_build) {
            command.env_remove(name);
        }
    }
}

fn belongs_to_running_build(name: &str) -> bool {
    let prefixed = ["CARGO", "__CARGO", "RUST", "DEP_"].iter().any(|it| name.starts_with(it));
    let kept = KEPT.iter().any(|it| name.starts_with(it));
    (prefixed && !kept) || OF_BUILD_SCRIPTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_running_build_is_forgotten() {
        fn check(name: &str, expected: bool) {
            assert_eq!(belongs_to_running_build(name), expected, "{name}");
        }
        check("CARGO_ENCODED_RUSTFLAGS", true);
        check("CARGO_TARGET_DIR", true);
        check("CARGO_BUILD_TARGET", true);
        check("CARGO_PROFILE_RELEASE_LTO", true);
        check("CARGO_MANIFEST_DIR", true);
        check("RUSTC", true);
        check("RUSTC_WORKSPACE_WRAPPER", true);
        check("RUSTFLAGS", true);
        check("OUT_DIR", true);
        check("LD_LIBRARY_PATH", true);
        check("CARGO_HOME", false);
        check("CARGO_NET_OFFLINE", false);
        check("CARGO_REGISTRIES_ACME_INDEX", false);
        check("CARGO_MAKEFLAGS", false);
        check("RUSTUP_TOOLCHAIN", false);
        check("PATH", false);
        check("https_proxy", false);
    }
}
