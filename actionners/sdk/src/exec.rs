//! The capability `kubernetes-exec`: commands inside containers.
//!
//! There is no shell unless the command starts one. Does not choose the container.

use crate::artifacts::Artifact;
use crate::bindings::falco_talon::actionner::kubernetes_exec;
use crate::kubernetes::Error;

pub use crate::bindings::falco_talon::actionner::kubernetes_exec::{Container, ExecOptions, Exit};

/// Runs a command to its end.
pub fn exec(container: &Container, command: &[String], options: &ExecOptions) -> Result<Exit, Error> {
    kubernetes_exec::exec(container, command, options)
}

/// The same, with the standard output going straight into an artifact, whatever its length.
pub fn exec_into(
    container: &Container,
    command: &[String],
    options: &ExecOptions,
    stdout: &Artifact,
) -> Result<Exit, Error> {
    kubernetes_exec::exec_into(container, command, options, stdout)
}

/// No input, and as long as the deadline allows.
impl Default for ExecOptions {
    fn default() -> Self {
        Self { stdin: Vec::new(), timeout_ms: None }
    }
}
