//! Makes the components that this crate embeds; `falco-talon-builder` says how.

use std::process::ExitCode;

fn main() -> ExitCode {
    falco_talon_builder::build_script(
        &["kubernetes-terminate", "kubernetes-label", "kubernetes-networkpolicy"],
        &["sdk", "../wit", "../Cargo.lock"],
    )
}
