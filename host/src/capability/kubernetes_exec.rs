//! `kubernetes-exec`: commands inside containers.
//!
//! A command's standard output flows from the API server to the guest's buffer, or straight into
//! an artifact, and is never held whole by the host. In a dry run nothing is run.

use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};
use kube::client::UpgradeConnectionError;
use policy::{Address, KubernetesRequest, Verb};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;
use wasmtime::component::Resource;

use super::bindings::falco_talon::actionner::kubernetes_exec::{Container, ExecOptions, Exit, Host};
use super::call::{Call, Closed};
use super::spool::{Handle, Spool};
use crate::clients::{Effect, Refusal, RequestError, Said, convert_client_error, convert_status};

/// How much of a stream is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// One command in one container.
struct Command<'a> {
    container: &'a Container,
    command: &'a [String],
    options: &'a ExecOptions,
}

/// Where the standard output of a command goes.
enum Stdout<'a> {
    Held,
    Artifact(&'a mut Spool, Handle),
}

impl Host for Call {
    async fn exec(&mut self, container: Container, command: Vec<String>, options: ExecOptions) -> Result<Exit, Closed> {
        let command = Command { container: &container, command: &command, options: &options };
        self.carry_out(&command, "kubernetes-exec.exec", None).await
    }

    async fn exec_into(
        &mut self,
        container: Container,
        command: Vec<String>,
        options: ExecOptions,
        stdout: Resource<Handle>,
    ) -> Result<Exit, Closed> {
        let command = Command { container: &container, command: &command, options: &options };
        self.carry_out(&command, "kubernetes-exec.exec-into", Some(Handle::from(&stdout))).await
    }
}

impl Call {
    async fn carry_out(
        &mut self,
        command: &Command<'_>,
        capability: &'static str,
        into: Option<Handle>,
    ) -> Result<Exit, Closed> {
        let Container { namespace, pod, .. } = command.container;
        let address = Address::new("", "v1", "pods/exec", Some(namespace), Some(pod))
            .map_err(|error| self.invalid(capability, error))?;
        if command.command.is_empty() {
            return Err(self.invalid(capability, "the command is empty"));
        }
        let entry = self.gate(capability, &[KubernetesRequest::new(Verb::Create, &address, &[]).into()])?;
        let ended = self.run(command, into).await;
        self.close_about(entry, &address, ended)
    }

    async fn run(&mut self, command: &Command<'_>, into: Option<Handle>) -> Result<Exit, Refusal> {
        if self.dry_run {
            return Ok(Exit { code: 0, stdout: Vec::new(), stderr: Vec::new(), truncated: false });
        }
        let kubernetes = self.kubernetes()?.clone();
        let end = self.end_of(command.options.timeout_ms);
        let bytes_max = self.grants.limits.response_bytes_max;
        let host_time = self.host_time.clone();
        let stdout = match into {
            Some(handle) => Stdout::Artifact(&mut self.spool, handle),
            None => Stdout::Held,
        };
        let run = async {
            let (client, turn) = kubernetes.client(end).await?;
            let process = start(client, command).await?;
            drop(turn);
            attend(process, &command.options.stdin, stdout, bytes_max).await
        };
        let late = || RequestError::Unknown("the command did not end in time, and may go on".to_owned());
        timeout_at(end, host_time.work(run)).await.map_err(|_| late())?
    }
}

async fn start(client: kube::Client, command: &Command<'_>) -> Result<AttachedProcess, Refusal> {
    let Container { namespace, pod, name } = command.container;
    // By default the output comes in pieces of a kilobyte, each of which is a task of its own to store.
    let parameters = AttachParams::default().max_stdout_buf_size(CHUNK_BYTES);
    let parameters = parameters.container(name).stdin(!command.options.stdin.is_empty()).stderr(true);
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    pods.exec(pod, command.command, &parameters).await.map_err(|error| match error {
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => {
            match convert_status(status, b"", Effect::Write) {
                // The command was looked at before, so that it is the container that the pod does not have.
                Refusal { error: RequestError::Invalid(_), .. } => RequestError::NotFound.into(),
                refusal => refusal,
            }
        }
        error => convert_client_error(&error, Effect::Write).into(),
    })
}

/// Feed and drain the streams side by side until the command has ended.
async fn attend(
    mut process: AttachedProcess,
    stdin: &[u8],
    stdout: Stdout<'_>,
    bytes_max: usize,
) -> Result<Exit, Refusal> {
    let left = AtomicUsize::new(bytes_max);
    let (input, output, errors) = (process.stdin(), process.stdout(), process.stderr());
    let status = process.take_status();
    let feed = async {
        let Some(mut input) = input else { return };
        // A command need not read what it is given.
        let _ = input.write_all(stdin).await;
        let _ = input.shutdown().await;
    };
    let collect = async {
        match (output, stdout) {
            (Some(output), Stdout::Held) => Ok(hold(output, &left).await),
            (Some(output), Stdout::Artifact(spool, handle)) => {
                pour(output, spool, handle).await.map(|()| (Vec::new(), false))
            }
            (None, _) => Ok((Vec::new(), false)),
        }
    };
    let complain = async {
        match errors {
            Some(errors) => Ok(hold(errors, &left).await),
            None => Ok((Vec::new(), false)),
        }
    };
    // An artifact that is full ends the command: dropping the process closes the connection.
    let ((), (stdout, stdout_cut), (stderr, stderr_cut)) = tokio::try_join!(
        async {
            feed.await;
            Ok(())
        },
        collect,
        complain
    )?;
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let code = exit_code(status)?;
    Ok(Exit { code, stdout, stderr, truncated: stdout_cut || stderr_cut })
}

/// What fits into what is `left` of the limit, and whether anything did not. The rest is read
/// too, or the command would wait for ever.
async fn hold(mut stream: impl AsyncRead + Unpin, left: &AtomicUsize) -> (Vec<u8>, bool) {
    let (mut held, mut cut, mut chunk) = (Vec::new(), false, vec![0; CHUNK_BYTES]);
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        let room = left.load(Ordering::Relaxed).min(count);
        left.fetch_sub(room, Ordering::Relaxed);
        held.extend_from_slice(chunk.get(..room).unwrap_or_default());
        cut |= room < count;
    }
    (held, cut)
}

async fn pour(mut stream: impl AsyncRead + Unpin, spool: &mut Spool, handle: Handle) -> Result<(), RequestError> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        match stream.read_buf(&mut chunk).await {
            Ok(1..) => spool.append(handle, chunk).await?,
            Ok(0) | Err(_) => return Ok(()),
        }
    }
}

/// What the API server says at the end: success, the exit code, or why the command did not run.
fn exit_code(status: Option<Status>) -> Result<i32, Refusal> {
    let lost = || RequestError::Unknown("the connection ended before the command did".to_owned());
    let status = status.ok_or_else(lost)?;
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.and_then(|details| details.causes).unwrap_or_default();
    let code = causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    let code = code.and_then(|cause| cause.message.as_deref()?.parse().ok());
    code.ok_or_else(|| {
        let words = status.message.unwrap_or_default();
        let error = why_not_run(&words);
        // They name addresses of the cluster.
        Refusal { error, said: Some(Said { words, is_about_the_object: false }) }
    })
}

/// Only where it is known that the command did not begin, it is said so.
fn why_not_run(words: &str) -> RequestError {
    let says = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
    if says(&["executable file not found", "no such file or directory", "permission denied"]) {
        RequestError::Invalid("the container has no such program, or it can't be run".to_owned())
    } else if says(&["container not found", "is not valid for pod", "not found in pod"]) {
        RequestError::NotFound
    } else if says(&["error dialing backend", "unable to upgrade connection"]) {
        RequestError::Unavailable("the node of the pod can't be reached".to_owned())
    } else {
        RequestError::Unknown("the command ended without an exit code".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_begun_is_distinguished() {
        fn check(words: &str, expected: &str) {
            assert_eq!(format!("{:?}", why_not_run(words)).split('(').next(), Some(expected), "{words}");
        }
        check("error executing command in container: exec: \"x\": executable file not found in $PATH", "Invalid");
        check("error executing command in container: fork/exec /x: no such file or directory", "Invalid");
        check("container not found (\"web\")", "NotFound");
        check("error dialing backend: dial tcp 10.0.3.7:10250: connect: connection refused", "Unavailable");
        check("Internal error occurred: error reading from error stream: next reader: EOF", "Unknown");
        check("", "Unknown");
    }
}
