//! Makes components of the hostile guests; `falco-talon-builder` says how.

use std::process::ExitCode;

fn main() -> ExitCode {
    falco_talon_builder::build_script(
        &[
            "guests/hostile-denials",
            "guests/hostile-handles",
            "guests/hostile-log",
            "guests/hostile-memory",
            "guests/hostile-names",
            "guests/hostile-recursion",
            "guests/hostile-spin",
            "guests/hostile-strings",
            "guests/hostile-trap",
            "guests/hostile-wasi",
        ],
        &["guests/hostile.rs", "../actionners/sdk", "../wit", "../Cargo.lock"],
    )
}
