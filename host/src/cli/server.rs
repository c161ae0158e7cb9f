//! `server`: receive events until told to stop.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::context::Context;
use super::descriptors;
use super::files::Files;
use super::signals::Signals;
use crate::actionner::Compiler;
use crate::clients::Cluster;
use crate::run::{Ended, Resources, run as run_host};
use crate::telemetry::Traces;
use crate::telemetry::logs::{Level, Logger};

/// Where the original looks for its configuration where no flag says otherwise.
const CONFIG_FILE: &str = "/etc/falco-talon/config.yaml";

/// Clients that the system holds until they are let in. Where it holds no more, the next one tries again a second
/// later, and what watches the program waits no longer than that.
const BACKLOG: u32 = 1024;

/// How long the end waits for a collector to take in what is left, and never beyond `shutdown.deadline_ms`.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// The exit code where something that was accepted is not done.
const CUT_OFF: u8 = 3;

pub(super) async fn run(files: &Files) -> Result<(), ExitCode> {
    let mut files = files.clone();
    files.config.get_or_insert_with(|| CONFIG_FILE.into());
    let mut context = Context::serving(&files)?;
    log_panics(&context.logger);
    for warning in descriptors::share_out(descriptors::raise(), &mut context.config) {
        context.logger.line(Level::Warn, "init").error(&warning).write();
    }
    let reload = Arc::new(Notify::new());
    let mut signals = Signals::listen(Arc::clone(&reload)).map_err(|error| context.fail("init", &error))?;
    let address = (context.config.listen_address.clone(), context.config.listen_port);
    let unbound = |error| context.fail("http", &format!("listen tcp {}:{}: {error}", address.0, address.1));
    let listener = listen(&address).await.map_err(unbound)?;
    let cluster = match &context.config.kubeconfig {
        Some(path) => Cluster::Kubeconfig(path.clone()),
        None => Cluster::InCluster,
    };
    let (config, logger) = (context.config.clone(), context.logger.clone());
    let resources = Resources { config, cluster, listener, logger, compiler: Compiler::own(), reload };
    let most = context.config.shutdown_deadline;
    let (stop, stopped) = oneshot::channel();
    let asked_twice = async move {
        signals.end().await;
        // Who is not listened to any more has ended.
        let _ = stop.send(Instant::now() + most);
        signals.end().await;
    };
    let (until, deadline) = oneshot::channel();
    let shutdown = async move {
        if let Ok(deadline) = stopped.await {
            let _ = until.send(deadline);
        }
    };
    tokio::select! {
        ended = end_to_end(run_host(resources, shutdown), deadline, context.traces.clone()) => match ended {
            Ok(Ended { cut_off: 0 }) => Ok(()),
            Ok(Ended { .. }) => Err(ExitCode::from(CUT_OFF)),
            Err(error) => Err(context.fail(error.tag(), &error)),
        },
        () = asked_twice => {
            let error = "asked twice to end: what runs is cut off, and may have been carried out";
            context.logger.line(Level::Error, "shutdown").error(&error).write();
            Err(ExitCode::from(CUT_OFF))
        }
    }
}

/// Run the host, and send what its traces have left for as long as it may take to end.
async fn end_to_end<T>(
    host: impl Future<Output = T>,
    deadline: oneshot::Receiver<Instant>,
    traces: Option<Traces>,
) -> T {
    let ended = host.await;
    if let Some(traces) = traces {
        // One that ends without being asked has nobody who waits for it.
        let until = Instant::now() + FLUSH_MAX;
        traces.end(deadline.await.map_or(until, |deadline| deadline.min(until))).await;
    }
    ended
}

/// Has panics written to the log rather than to standard error, which somebody may have stopped to read.
fn log_panics(logger: &Logger) {
    let logger = logger.clone();
    panic::set_hook(Box::new(move |panic| {
        let backtrace = Backtrace::capture();
        let shown = if backtrace.status() == BacktraceStatus::Captured { backtrace.to_string() } else { String::new() };
        logger.line(Level::Error, "panic").error(panic).field("backtrace", &shown).write();
    }));
}

/// Listens at the first address of these that can be had.
async fn listen((host, port): &(String, u16)) -> io::Result<TcpListener> {
    let mut refused = io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address");
    for address in lookup_host((host.as_str(), *port)).await? {
        let listening = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        match listening() {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}
