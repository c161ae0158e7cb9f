//! Commands in simulated containers, run as processes of this machine as the real API server of our tests runs them: in
//! a folder of the container, with its variables, and with the programs of `programs/` before all others.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use simulation::{Execution, Simulation};
use tokio::io::{AsyncRead, AsyncWrite, copy};
use tokio::net::unix::pipe;

use crate::material::folder;

/// How long outputs may stay open that a command has left to a process in the background.
const PATIENCE: Duration = Duration::from_secs(1);

/// Let the simulation run commands, in folders that go with it.
pub(crate) fn run_commands(simulation: &Simulation) {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    simulation.set_commands(move |execution| {
        let folder = folder.clone();
        async move {
            let place = folder.path().join(&execution.namespace).join(&execution.pod).join(&execution.container);
            run(execution, &place).await
        }
    });
}

/// Where programs are looked for: ours stand in for those that need a kernel or a network.
pub(crate) fn path() -> OsString {
    let mut path = folder("programs").into_os_string();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

async fn run(execution: Execution, folder: &Path) -> Result<i32, String> {
    let Execution { pod, command, environment, stdin, mut stdout, mut stderr, .. } = execution;
    let [program, arguments @ ..] = command.as_slice() else { return Err("there is no command".to_owned()) };
    let broken = |error: std::io::Error| error.to_string();
    std::fs::create_dir_all(folder).map_err(broken)?;
    let (input, input_far) = pipe::pipe().map_err(broken)?;
    let (output_far, mut output) = pipe::pipe().map_err(broken)?;
    let (complaint_far, mut complaint) = pipe::pipe().map_err(broken)?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).process_group(0).env_clear();
    command.env("PATH", path()).env("HOSTNAME", pod).env("HOME", folder).envs(environment);
    command.stdin(if stdin.is_some() { input_far.into_blocking_fd().map_err(broken)?.into() } else { Stdio::null() });
    command.stdout(output_far.into_blocking_fd().map_err(broken)?);
    command.stderr(complaint_far.into_blocking_fd().map_err(broken)?);
    let mut process = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound if program.contains('/') => format!("fork/exec {program}: no such file or directory"),
        ErrorKind::NotFound => format!("exec: {program:?}: executable file not found in $PATH"),
        _ => error.to_string(),
    })?;
    // It holds the far ends of the pipes.
    drop(command);
    let mut group = Group(Some(process.id()));
    let feed = async {
        if let Some(mut stdin) = stdin {
            forward(&mut stdin, input).await;
        }
        std::future::pending::<()>().await;
    };
    let drain = async { tokio::join!(forward(&mut output, &mut stdout), forward(&mut complaint, &mut stderr)) };
    let end = tokio::task::spawn_blocking(move || process.wait());
    let finish = async {
        tokio::pin!(drain, end);
        let mut drained = false;
        let status = loop {
            tokio::select! {
                status = &mut end => break status,
                _ = &mut drain, if !drained => drained = true,
            }
        };
        group.0 = None;
        if !drained {
            let _ = tokio::time::timeout(PATIENCE, drain).await;
        }
        status
    };
    let status = tokio::select! {
        status = finish => status,
        () = feed => unreachable!("it is fed for ever"),
    };
    let status = status.map_err(|error| error.to_string())?.map_err(broken)?;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).ok_or_else(|| status.to_string())
}

/// Whatever is wrong with a stream, the command need not mind.
async fn forward(from: &mut (impl AsyncRead + Unpin), mut to: impl AsyncWrite + Unpin) {
    let _ = copy(from, &mut to).await;
}

/// The processes of a command, which end where nobody waits for them any more.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{leader}")]).status();
        }
    }
}
