//! Makes the components that this crate embeds; `falco-talon-builder` says how.

use std::process::ExitCode;

fn main() -> ExitCode {
    falco_talon_builder::build_script(
        &[
            "aws-lambda",
            "calico-networkpolicy",
            "cilium-networkpolicy",
            "gcp-function",
            "kubernetes-annotation",
            "kubernetes-cordon",
            "kubernetes-delete",
            "kubernetes-download",
            "kubernetes-drain",
            "kubernetes-exec",
            "kubernetes-label",
            "kubernetes-log",
            "kubernetes-networkpolicy",
            "kubernetes-script",
            "kubernetes-sysdig",
            "kubernetes-tcpdump",
            "kubernetes-terminate",
        ],
        &["sdk", "kit", "../wit", "../Cargo.lock"],
    )
}
