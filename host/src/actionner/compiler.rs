//! Compiles components that are not the program's own, each in a process that can be given up.
//!
//! A component of one large function can take minutes and gigabytes to compile, and a thread can't be stopped. So the
//! program runs itself once more: that process limits itself, gets the component through a socket, and answers with
//! the code in the same way. What is compiled, and when, is not decided here.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, nice, set_parent_process_death_signal, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::settings::Settings;

/// The computing of all its threads; an unoptimised compiler takes several times as long.
const CPU_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 240 } else { 60 });

/// On a busy machine it computes rarely.
const TIME_MAX: Duration = Duration::from_secs(600);

/// Enough for interpreters of whole languages.
const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// No component that is read becomes so much code.
const CODE_BYTES_MAX: u64 = 1 << 30;

/// It opens next to nothing, whatever the host itself may.
const DESCRIPTORS_MAX: u64 = 64;

/// More of them take more memory, each for the function that it compiles.
const THREADS: &str = "4";

/// So that a full machine ends it rather than the host.
const OOM_SCORE: (&str, &str) = ("/proc/self/oom_score_adj", "1000");

/// What it answers first: whether code or a message follows.
const COMPILED: u8 = 0;
const REFUSED: u8 = 1;

/// How to start the process that compiles.
#[derive(Debug, Clone, Copy)]
pub struct Compiler(
    /// The command. It calls [`serve_one`].
    pub fn() -> Command,
);

/// Why there is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// It is not valid, or beyond the limits of a place; in the engine's words.
    #[error("{0}")]
    Refused(String),
    /// It takes too long.
    #[error("it takes more than {} seconds of computing to compile: split its largest functions", CPU_MAX.as_secs())]
    Cpu,
    /// It takes too long on this machine.
    #[error("it was not compiled within {} minutes, the machine being busy", TIME_MAX.as_secs() / 60)]
    Time,
    /// It takes too much memory.
    #[error("it takes more than {} MiB of memory to compile: split its largest functions", MEMORY_BYTES_MAX >> 20)]
    Memory,
    /// The process ended otherwise.
    #[error("the process that compiles it ended early: {0}")]
    Ended(String),
}

impl Compiler {
    /// The program itself, be its file replaced meanwhile.
    pub fn own() -> Self {
        Self(|| {
            let mut command = Command::new("/proc/self/exe");
            // What is compiled there is somebody else's, and the host's credentials may be in its environment.
            command.arg("compile").env_clear();
            command
        })
    }

    /// The code of a component, for an engine with these settings.
    pub(super) async fn compile(self, settings: Settings, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let failed = |error: io::Error| CompileError::Ended(error.to_string());
        let (near, far) = UnixStream::pair().map_err(failed)?;
        near.set_nonblocking(true).map_err(failed)?;
        let mut command = (self.0)();
        command.env("RAYON_NUM_THREADS", THREADS);
        command.stdin(OwnedFd::from(far)).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process(Some(command.spawn().map_err(failed)?));
        // It holds the far end.
        drop(command);
        let mut socket = tokio::net::UnixStream::from_std(near).map_err(failed)?;
        let exchange = async {
            // Who has ended does not listen; what is wrong shows in how it ended.
            let _ = socket.write_all(&settings.to_bytes()).await;
            let _ = socket.write_all(component).await;
            let _ = socket.shutdown().await;
            let mut answer = Vec::new();
            let _ = (&mut socket).take(CODE_BYTES_MAX).read_to_end(&mut answer).await;
            answer
        };
        let mut answer = timeout(TIME_MAX, exchange).await.map_err(|_| CompileError::Time)?;
        // Whoever answers more is not listened to.
        drop(socket);
        let status = spawn_blocking(|| process.end()).await.map_err(|error| CompileError::Ended(error.to_string()))?;
        let status = status.map_err(failed)?;
        match answer.first() {
            Some(&COMPILED) if status.success() => Ok(answer.split_off(1)),
            Some(&REFUSED) => Err(CompileError::Refused(String::from_utf8_lossy(&answer[1..]).into_owned())),
            _ => Err(ended(status)),
        }
    }
}

/// Killed when it is dropped.
struct Process(Option<Child>);

impl Process {
    /// How it ended, or else is ended now.
    fn end(mut self) -> io::Result<ExitStatus> {
        match self.0.take() {
            Some(mut child) => child.wait(),
            None => Err(io::Error::other("there is no process")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn ended(status: ExitStatus) -> CompileError {
    match status.signal() {
        Some(signal) if signal == Signal::XCPU.as_raw() => CompileError::Cpu,
        // So the standard library ends where there is no memory.
        Some(signal) if signal == Signal::ABORT.as_raw() => CompileError::Memory,
        _ => CompileError::Ended(status.to_string()),
    }
}

/// Compile the component that comes through standard input, a socket, and answer there.
///
/// # Errors
///
/// Where that is no socket, or nobody listens any more.
pub fn serve_one() -> io::Result<()> {
    limit(Resource::Cpu, CPU_MAX.as_secs())?;
    limit(Resource::Data, MEMORY_BYTES_MAX)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, DESCRIPTORS_MAX)?;
    // All of these are favours to others.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let _ = nice(10);
    let _ = std::fs::write(OOM_SCORE.0, OOM_SCORE.1);
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut settings = [0; Settings::BYTES];
    socket.read_exact(&mut settings)?;
    let mut component = Vec::new();
    socket.read_to_end(&mut component)?;
    let (kind, answer) = match Settings::from_bytes(settings).precompile(&component) {
        Ok(code) => (COMPILED, code),
        Err(error) => (REFUSED, error.root_cause().to_string().into_bytes()),
    };
    socket.write_all(&[kind])?;
    socket.write_all(&answer)
}

/// Whatever is less already, stays.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(resource);
    let current = Some(current.map_or(most, |current| current.min(most)));
    Ok(setrlimit(resource, Rlimit { current, maximum })?)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::actionner::tests::probe::Probe;
    use crate::actionner::tests::{compiler, engine};

    /// The same process, after the shell has said so.
    macro_rules! under {
        ($limit:literal) => {
            Compiler(|| {
                let own = (compiler().0)();
                let mut command = Command::new("sh");
                command
                    .args(["-c", concat!($limit, "; exec \"$@\""), "sh"])
                    .arg(own.get_program())
                    .args(own.get_args());
                command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
                command
            })
        };
    }

    /// Many blocks, each of which changes one of many variables.
    fn costly() -> Vec<u8> {
        let block = |at: usize| {
            let [one, other] = [at * 7_919 % 1_000, at * 104_729 % 1_000];
            format!(
                "(if (local.get {one}) (then (local.set {other} (i32.add (local.get {other}) (local.get {one})))))\n"
            )
        };
        let blocks: String = (0..20_000).map(block).collect();
        let module = format!("(func (local {}) {blocks})", "i32 ".repeat(1_000));
        Probe { module: module.leak(), ..Probe::default() }.component()
    }

    async fn check(compiler: Compiler, component: &[u8], expected: Expect) {
        let settings = engine(1).for_memory(0).settings;
        let compiled = compiler.compile(settings, component).await;
        let said = compiled.map_or_else(|error| error.to_string(), |code| format!("code: {}", code.len() > 1_000));
        // An optimised compiler has less time.
        expected.assert_eq(&said.replace(&format!("{} seconds", CPU_MAX.as_secs()), "SECONDS seconds"));
    }

    #[tokio::test]
    async fn what_takes_too_much_is_given_up() {
        let (costly, small) = (costly(), Probe::default().component());
        check(compiler(), &small, expect!["code: true"]).await;
        check(compiler(), &small[..200], expect!["section range 11..525 is out of bounds (bound = 200)"]).await;
        check(
            under!("ulimit -S -t 1"),
            &costly,
            expect!["it takes more than SECONDS seconds of computing to compile: split its largest functions"],
        )
        .await;
        check(
            under!("ulimit -S -d 150000"),
            &costly,
            expect!["it takes more than 2048 MiB of memory to compile: split its largest functions"],
        )
        .await;
        check(under!("exit 3"), &small, expect!["the process that compiles it ended early: exit status: 3"]).await;
        check(
            Compiler(|| Command::new("/nowhere/at/all")),
            &small,
            expect!["the process that compiles it ended early: No such file or directory (os error 2)"],
        )
        .await;
    }
}
