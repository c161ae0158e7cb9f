//! `server`: receive events until told to stop.

use std::io;
use std::process::ExitCode;

use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::signal::unix::{SignalKind, signal};

use super::context::Context;
use super::files::Files;
use crate::actionner::Compiler;
use crate::clients::Cluster;
use crate::run::{Resources, run as run_host};

/// Where the original looks for its configuration where no flag says otherwise.
const CONFIG_FILE: &str = "/etc/falco-talon/config.yaml";

/// Clients that the system holds until they are let in. Where it holds no more, the next one tries again a second
/// later, and what watches the program waits no longer than that.
const BACKLOG: u32 = 1024;

pub(super) async fn run(files: &Files) -> Result<(), ExitCode> {
    let mut files = files.clone();
    files.config.get_or_insert_with(|| CONFIG_FILE.into());
    let context = Context::new(&files)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| context.fail("init", &error))?;
    let address = (context.config.listen_address.clone(), context.config.listen_port);
    let unbound = |error| context.fail("http", &format!("listen tcp {}:{}: {error}", address.0, address.1));
    let listener = listen(&address).await.map_err(unbound)?;
    let cluster = match &context.config.kubeconfig {
        Some(path) => Cluster::Kubeconfig(path.clone()),
        None => Cluster::InCluster,
    };
    let (config, logger) = (context.config.clone(), context.logger.clone());
    let resources = Resources { config, cluster, listener, logger, compiler: Compiler::own() };
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    run_host(resources, shutdown).await.map_err(|error| context.fail(error.tag(), &error))
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
