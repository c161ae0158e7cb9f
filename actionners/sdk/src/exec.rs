//! The capability `kubernetes-exec`: commands inside containers.
//!
//! There is no shell unless the command starts one. Does not choose the container.

use crate::artifacts::Artifact;
use crate::bindings::falco_talon::actionner::kubernetes_exec;
use crate::kubernetes::Error;

pub use crate::bindings::falco_talon::actionner::kubernetes_exec::{Container, Exit};

/// Runs a command to its end, with `stdin` as its standard input.
pub fn exec(container: &Container, command: &[String], stdin: &[u8]) -> Result<Exit, Error> {
    kubernetes_exec::exec(container, command, stdin)
}

/// The same, with the standard output going straight into an artifact, whatever its length.
pub fn exec_into(container: &Container, command: &[String], stdin: &[u8], stdout: &Artifact) -> Result<Exit, Error> {
    kubernetes_exec::exec_into(container, command, stdin, stdout)
}
