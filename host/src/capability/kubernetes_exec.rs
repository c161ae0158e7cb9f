//! `kubernetes-exec`: commands inside containers.
//!
//! A command's standard output flows from the API server to the guest's buffer, or straight into
//! an artifact, and is never held whole by the host. In a dry run nothing is run.

use policy::{Address, KubernetesRequest, Verb};
use wasmtime::component::Resource;

use super::bindings::falco_talon::actionner::kubernetes_exec::{Container, ExecOptions, Exit, Host};
use super::call::{Call, Closed};
use super::catalogue::Capability;
use super::spool::Handle;
use crate::clients::{self, Command};

/// More arguments than any command of a rule has; all of them together are bounded by what a guest passes at once.
const ARGUMENTS_MAX: usize = 1_000;

impl Host for Call {
    async fn exec(&mut self, container: Container, command: Vec<String>, options: ExecOptions) -> Result<Exit, Closed> {
        self.carry_out(Capability::Exec, &container, &command, &options, None).await
    }

    async fn exec_into(
        &mut self,
        container: Container,
        command: Vec<String>,
        options: ExecOptions,
        stdout: Resource<Handle>,
    ) -> Result<Exit, Closed> {
        self.carry_out(Capability::ExecInto, &container, &command, &options, Some(stdout)).await
    }
}

impl Call {
    async fn carry_out(
        &mut self,
        capability: Capability,
        container: &Container,
        arguments: &[String],
        options: &ExecOptions,
        stdout: Option<Resource<Handle>>,
    ) -> Result<Exit, Closed> {
        let Container { namespace, pod, name } = container;
        let address =
            self.understand(capability, || Address::new("", "v1", "pods/exec", Some(namespace), Some(pod)))?;
        self.understand(capability, || check_count(arguments))?;
        let mut entry = self.gate(capability, &[KubernetesRequest::new(Verb::Create, &address, &[]).into()])?;
        let kubernetes = match self.kubernetes() {
            Ok(kubernetes) => kubernetes.clone(),
            Err(error) => return self.close(entry, Err(error)),
        };
        let command = Command { namespace, pod, container: name, arguments, stdin: &options.stdin };
        let permit = match self.permit(&entry).await {
            Ok(permit) => permit.until(self.end_of(options.timeout_ms)),
            Err(error) => return self.close(entry, Err(error)),
        };
        let bytes_max = self.grants.limits.response_bytes_max;
        let host_time = self.host_time.clone();
        let mut file = stdout.map(|artifact| self.spool.file(&artifact));
        let ended = host_time.work(kubernetes.exec(command, &permit, file.as_mut(), bytes_max)).await;
        if let Some(file) = &file {
            entry.bytes(file.taken());
        }
        let clients::Exit { code, stdout, stderr, truncated } = self.close_write_about(entry, &address, ended)?;
        Ok(Exit { code, stdout, stderr, truncated })
    }
}

fn check_count(arguments: &[String]) -> Result<(), String> {
    match arguments.len() {
        0 => Err("the command is empty".to_owned()),
        1..=ARGUMENTS_MAX => Ok(()),
        count => Err(format!("{count} arguments are more than the {ARGUMENTS_MAX} that a command may have")),
    }
}
