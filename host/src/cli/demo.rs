//! `demo`: the whole journey of a real event, against a simulated cluster.
//!
//! Everything but the cluster is what `server` runs: the HTTP edge, the queue, the rules, the
//! sandbox and the policy. The files of the demo are written to a temporary folder, so that
//! `--keep` lets one read them, change them, and see the change take effect.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::Value;
use simulation::Simulation;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::print::print;
use crate::actionner::Compiler;
use crate::clients::Cluster;
use crate::config::Config;
use crate::run::{Resources, run as run_host};
use crate::telemetry::library;
use crate::telemetry::logs::Logger;

const RULES: &str = include_str!("demo/rules.yaml");
const POLICY: &str = include_str!("demo/policy.yaml");
const CLUSTER: &str = include_str!("demo/cluster.yaml");
const EVENT: &str = include_str!("demo/event.json");

/// Show the whole journey of an event, against a simulated cluster
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Stay up afterwards, for events of your own
    #[arg(long)]
    keep: bool,
}

/// Why the demo could not be shown.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the simulated cluster: {0}")]
    Cluster(#[from] simulation::SimulationError),
    #[error("{0}")]
    Config(#[from] crate::config::ConfigError),
    #[error("the host answered: {0}")]
    Answer(String),
    #[error("the host did not start; its log says why")]
    Host,
}

pub(super) async fn run(demo: &Demo) -> Result<(), ExitCode> {
    show(demo.keep).await.map_err(|error| {
        eprintln!("Error: {error}");
        ExitCode::FAILURE
    })
}

async fn show(keep: bool) -> Result<(), DemoError> {
    let folder = write_files()?;
    let file = |name: &str| folder.path().join(name);
    let simulation = Simulation::from_yaml(CLUSTER)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    print(&format!(
        "# The host listens on http://{address}/, its cluster is a simulation, its files are in {}",
        folder.path().display()
    ));
    print(&format!("# Labels of the pod 'web-0' before: {}", labels(&simulation)));

    let environment = |name: &str| std::env::var(name).ok().filter(|_| name == "NO_COLOR");
    let (mut config, _) = Config::load(None, &[file("rules.yaml")], environment, |path| std::fs::read_to_string(path))?;
    config.policy_file = Some(file("policy.yaml"));
    let (logger, flush) = Logger::stdout(config.log_format);
    library::subscribe(&logger, None);
    let (stop, stopped) = oneshot::channel::<()>();
    let (cluster, compiler) = (Cluster::Client(simulation.client()), Compiler::own());
    let resources = Resources { config, cluster, listener, logger, compiler, reload: Arc::default() };
    let shutdown = async move {
        // A sender that is gone says the same as a message.
        let _ = stopped.await;
    };
    let host = tokio::spawn(run_host(resources, shutdown));

    print(&format!("# curl --data @{} http://{address}/", file("event.json").display()));
    post(address, EVENT).await?;
    if keep {
        print("# Post events of your own, or change the files above. Ctrl-C ends it.");
        tokio::signal::ctrl_c().await?;
    }
    drop(stop);
    host.await.map_err(io::Error::other)?.map_err(|_| DemoError::Host)?;
    drop(flush);
    print(&format!("# Labels of the pod 'web-0' after:  {}", labels(&simulation)));
    print(
        "# The line 'policy' above is the denial: the demo's policy lets kubernetes:label touch pods, and not nodes.",
    );
    Ok(())
}

/// The demo's files, for as long as it runs.
fn write_files() -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("falco-talon-demo-").tempdir()?;
    for (name, text) in
        [("rules.yaml", RULES), ("policy.yaml", POLICY), ("cluster.yaml", CLUSTER), ("event.json", EVENT)]
    {
        std::fs::write(folder.path().join(name), text)?;
    }
    Ok(folder)
}

fn labels(simulation: &Simulation) -> String {
    let pod = simulation.get("v1", "Pod", Some("shop"), "web-0").unwrap_or(Value::Null);
    pod["metadata"]["labels"].to_string()
}

/// As `curl` would: one request on a connection of its own.
async fn post(address: SocketAddr, body: &str) -> Result<(), DemoError> {
    let mut stream = TcpStream::connect(address).await?;
    let head =
        format!("POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.lines().next().unwrap_or_default();
    if status.contains(" 200 ") { Ok(()) } else { Err(DemoError::Answer(answer)) }
}
