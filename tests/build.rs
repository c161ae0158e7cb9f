//! Makes components of the guests; `falco-talon-builder` says how.

use std::process::ExitCode;

fn main() -> ExitCode {
    falco_talon_builder::build_script(
        &[
            "guests/example-account",
            "guests/example-debug",
            "guests/example-http",
            "guests/example-objects",
            "guests/example-restart",
            "guests/example-scale",
            "guests/example-suspend",
            "guests/example-taint",
            "guests/example-ticket",
            "guests/hostile-apply",
            "guests/hostile-denials",
            "guests/hostile-handles",
            "guests/hostile-log",
            "guests/hostile-memory",
            "guests/hostile-names",
            "guests/hostile-owners",
            "guests/hostile-recursion",
            "guests/hostile-requests",
            "guests/hostile-spin",
            "guests/hostile-strings",
            "guests/hostile-trap",
            "guests/probe-functions",
            "guests/hostile-wasi",
        ],
        &["guests/hostile.rs", "../actionners/sdk", "../wit", "../Cargo.lock"],
    )
}
