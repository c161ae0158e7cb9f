//! `version`: what was built, from what, by what.

use super::print::print;

/// The original's keys, so that scripts find them; what built it is Rust here.
pub(super) fn run() {
    let rows = [
        ("GitVersion", env!("CARGO_PKG_VERSION")),
        ("GitCommit", option_env!("FALCO_TALON_GIT_COMMIT").unwrap_or("unknown")),
        ("GitTreeState", option_env!("FALCO_TALON_GIT_TREE_STATE").unwrap_or("unknown")),
        ("BuildDate", option_env!("FALCO_TALON_BUILD_DATE").unwrap_or("unknown")),
        ("Compiler", concat!("rustc, edition 2024, at least ", env!("CARGO_PKG_RUST_VERSION"))),
        ("Platform", concat_platform()),
    ];
    for (key, value) in rows {
        print(&format!("{:<15}{value}", format!("{key}:")));
    }
    print("");
}

/// `linux/amd64`, as the original writes it.
fn concat_platform() -> &'static str {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux/amd64",
        ("linux", "aarch64") => "linux/arm64",
        ("macos", "x86_64") => "darwin/amd64",
        ("macos", "aarch64") => "darwin/arm64",
        (os, _) => os,
    }
}
