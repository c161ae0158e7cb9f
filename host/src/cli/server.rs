//! `server`: receive events until told to stop.

use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::Files;
use super::context::Context;
use crate::generation::Cluster;
use crate::run::{Resources, run as run_host};

/// Where the original looks for its configuration where no flag says otherwise.
const CONFIG_FILE: &str = "/etc/falco-talon/config.yaml";

pub(super) async fn run(files: &Files) -> ExitCode {
    let mut files = files.clone();
    files.config.get_or_insert_with(|| CONFIG_FILE.into());
    let context = match Context::new(&files) {
        Ok(context) => context,
        Err(code) => return code,
    };
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => return context.fail("init", &error),
    };
    let address = (context.config.listen_address.clone(), context.config.listen_port);
    let listener = match TcpListener::bind(&address).await {
        Ok(listener) => listener,
        Err(error) => return context.fail("http", &format!("listen tcp {}:{}: {error}", address.0, address.1)),
    };
    let cluster = match &context.config.kubeconfig {
        Some(path) => Cluster::Kubeconfig(path.clone()),
        None => Cluster::InCluster,
    };
    let resources = Resources { config: context.config.clone(), cluster, listener, logger: context.logger.clone() };
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    match run_host(resources, shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => context.fail(error.tag(), &error),
    }
}
