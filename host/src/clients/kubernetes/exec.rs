//! Commands in containers, over a connection that is upgraded.
//!
//! A command's standard output flows from the API server to whoever takes it, and is never held whole by the host but
//! where it is asked for, and then up to a limit. In a dry run nothing is run.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;

use super::cluster::Way;
use super::refusal::{Miss, convert_client_error};
use super::{Kubernetes, Sink};
use crate::clients::end::{End, Failed};
use crate::clients::error::{Refusal, RequestError, Said};
use crate::clients::meter::Permit;

/// How much of a stream is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// One command in one container. All names in it were checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    pub(crate) container: &'a str,
    pub(crate) arguments: &'a [String],
    /// What it reads; empty for nothing.
    pub(crate) stdin: &'a [u8],
}

/// How a command ended.
#[derive(Debug, Default)]
pub(crate) struct Exit {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Whether any of the two was more than was held.
    pub(crate) truncated: bool,
}

impl Kubernetes {
    /// Run a command to its end. What it prints goes to `stdout`, or is held up to `bytes_max`.
    pub(crate) async fn exec(
        &self,
        command: Command<'_>,
        permit: &Permit,
        stdout: Option<&mut impl Sink>,
        bytes_max: usize,
    ) -> End<Exit> {
        if permit.is_rehearsal() {
            return End::rehearsed(Exit::default());
        }
        let run = async {
            let started = self.try_by(permit, |way| start(way, command, permit)).await;
            let (process, _place) = started.map_err(|miss| miss.failed)?;
            // A command that runs waits for itself alone.
            attend(process, command.stdin, stdout, bytes_max).await
        };
        let late = || Failed::late("the command did not end in time, and may go on");
        End::of(timeout_at(permit.end(), run).await.unwrap_or_else(|_| Err(late())), false)
    }
}

async fn start(way: Arc<Way>, command: Command<'_>, permit: &Permit) -> Result<AttachedProcess, Miss> {
    permit.is_being_sent();
    // By default the output comes in pieces of a kilobyte, each of which is a task of its own to store.
    let parameters = AttachParams::default().max_stdout_buf_size(CHUNK_BYTES);
    let parameters = parameters.container(command.container).stdin(!command.stdin.is_empty()).stderr(true);
    let pods: Api<Pod> = Api::namespaced(way.connection.client.clone(), command.namespace);
    let started = pods.exec(command.pod, command.arguments, &parameters).await;
    started.map_err(|error| {
        let miss = convert_client_error(error, &way.connection.server);
        Miss { failed: not_started(miss.failed), ..miss }
    })
}

/// Where the API server's words say that the command has not begun, and why, they count more than the status.
fn not_started(failed: Failed) -> Failed {
    let (Failed::Refused(Refusal { error: RequestError::Invalid(_), said: Some(said) })
    | Failed::Lost { said: Some(said), .. }) = &failed
    else {
        return failed;
    };
    let Some(error) = why_not_run(&said.words) else { return failed };
    let Said { words, is_about_the_object } = said;
    let said = Some(Said { words: words.clone(), is_about_the_object: *is_about_the_object });
    Failed::Refused(Refusal { error, said })
}

/// Feed and drain the streams side by side until the command has ended.
async fn attend(
    mut process: AttachedProcess,
    stdin: &[u8],
    stdout: Option<&mut impl Sink>,
    bytes_max: usize,
) -> Result<Exit, Failed> {
    let left = AtomicUsize::new(bytes_max);
    let (input, output, errors) = (process.stdin(), process.stdout(), process.stderr());
    let status = process.take_status();
    // A command need not read what it is given, and may end before all of it is sent.
    let feed = async {
        if let Some(mut input) = input {
            let _ = input.write_all(stdin).await;
            let _ = input.shutdown().await;
        }
        pending::<Infallible>().await
    };
    let collect = async {
        match (output, stdout) {
            (Some(output), None) => Ok(hold(output, &left).await),
            (Some(output), Some(sink)) => pour(output, sink).await.map(|()| (Vec::new(), false)),
            (None, _) => Ok((Vec::new(), false)),
        }
    };
    let complain = async {
        match errors {
            Some(errors) => Ok(hold(errors, &left).await),
            None => Ok((Vec::new(), false)),
        }
    };
    // Where the connection dies, the streams don't end: that no status comes any more is the only sign.
    let code = async {
        match status {
            Some(status) => exit_code(status.await),
            None => exit_code(None),
        }
    };
    // A sink that is full ends the command: dropping the process closes the connection.
    let ended = tokio::select! {
        never = feed => match never {},
        ended = async { tokio::try_join!(collect, complain, code) } => ended,
    };
    let ((stdout, stdout_cut), (stderr, stderr_cut), code) = ended?;
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

async fn pour(mut stream: impl AsyncRead + Unpin, sink: &mut impl Sink) -> Result<(), Failed> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        match stream.read_buf(&mut chunk).await {
            Ok(1..) => sink.take(chunk).await.map_err(Failed::Cut)?,
            Ok(0) | Err(_) => return Ok(()),
        }
    }
}

/// What the API server says at the end: success, the exit code, or why the command did not run.
fn exit_code(status: Option<Status>) -> Result<i32, Failed> {
    let status = status.ok_or_else(|| Failed::lost("the connection ended before the command did"))?;
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.and_then(|details| details.causes).unwrap_or_default();
    let code = causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    let code = code.and_then(|cause| cause.message.as_deref()?.parse().ok());
    code.ok_or_else(|| {
        let words = status.message.unwrap_or_default();
        let why_not = why_not_run(&words);
        // They name addresses of the cluster.
        let said = Some(Said { words, is_about_the_object: false });
        match why_not {
            Some(error) => Failed::Refused(Refusal { error, said }),
            None => Failed::Lost { why: "the command ended without an exit code".to_owned(), is_late: false, said },
        }
    })
}

/// Why the command did not begin; none where that is not known.
fn why_not_run(words: &str) -> Option<RequestError> {
    let says = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
    let error = if says(&["executable file not found", "no such file or directory", "permission denied"]) {
        RequestError::Invalid("the container has no such program, or it can't be run".to_owned())
    } else if says(&["container not found", "is not valid for pod", "not found in pod", "container name must be"]) {
        RequestError::NotFound
    } else if says(&["error dialing backend", "unable to upgrade connection"]) {
        RequestError::Unavailable("the node of the pod can't be reached".to_owned())
    } else if says(&["does not have a host assigned"]) {
        RequestError::Unavailable("the pod has no node yet".to_owned())
    } else {
        return None;
    };
    Some(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_begun_is_distinguished() {
        fn check(words: &str, expected: &str) {
            let why = why_not_run(words).map_or("unknown".to_owned(), |error| format!("{error:?}"));
            assert_eq!(why.split('(').next(), Some(expected), "{words}");
        }
        check("error executing command in container: exec: \"x\": executable file not found in $PATH", "Invalid");
        check("error executing command in container: fork/exec /x: no such file or directory", "Invalid");
        check("container not found (\"web\")", "NotFound");
        check("error dialing backend: dial tcp 10.0.3.7:10250: connect: connection refused", "Unavailable");
        check("Internal error occurred: error reading from error stream: next reader: EOF", "unknown");
        check("", "unknown");
    }
}
