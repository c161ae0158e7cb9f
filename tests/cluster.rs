//! A real Kubernetes API server for tests, where the environment names one. It is started once for a test binary, and
//! ends with it.
//!
//! `FALCO_TALON_TEST_CLUSTER` is a command that starts one: it prints a line with `kubeconfig=PATH` when it is ready,
//! and stops when its standard input ends. `FALCO_TALON_TEST_KUBECONFIG` is a kubeconfig of one that runs already and
//! may be written to.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::processes;

/// Where the real API server is found, and what keeps it running.
struct Cluster {
    kubeconfig: PathBuf,
    /// Its standard input is ours: when this process ends, however it ends, so does the cluster.
    _process: Option<Child>,
}

/// A client of the real API server, `None` where the environment names none; then it says so. It may do everything,
/// or what `user` may.
pub(crate) async fn client(user: Option<&str>) -> Option<kube::Client> {
    Some(connect(&cluster()?.kubeconfig, user).await)
}

fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster =
        CLUSTER.get_or_init(|| match (variable("FALCO_TALON_TEST_KUBECONFIG"), variable("FALCO_TALON_TEST_CLUSTER")) {
            (Some(path), _) => Some(Cluster { kubeconfig: path.into(), _process: None }),
            (None, Some(command)) => Some(start(&command)),
            (None, None) => {
                eprintln!(
                    "skipped against a real API server: set FALCO_TALON_TEST_CLUSTER or FALCO_TALON_TEST_KUBECONFIG"
                );
                None
            }
        });
    cluster.as_ref()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn start(command: &str) -> Cluster {
    let mut shell = Command::new("sh");
    shell.env("PATH", processes::path());
    shell.args(["-c", &format!("exec {command}")]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = shell.spawn().expect("sh can be started");
    let output = BufReader::new(process.stdout.take().expect("its standard output is ours"));
    let ready = output.lines().map_while(Result::ok).find(|line| line.starts_with("READY"));
    let ready = ready.expect("the command prints a line that begins with READY");
    let path = ready.split(' ').find_map(|word| word.strip_prefix("kubeconfig=")).expect("the line names a kubeconfig");
    Cluster { kubeconfig: path.into(), _process: Some(process) }
}

/// A client belongs to the runtime that made it, so each test makes its own.
async fn connect(kubeconfig: &Path, user: Option<&str>) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig can be read");
    let options = KubeConfigOptions::default();
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("the kubeconfig is complete");
    // A refusal is an answer that tests look at. The client would otherwise try again for minutes.
    config.default_retry = false;
    config.auth_info.impersonate = user.map(str::to_owned);
    kube::Client::try_from(config).expect("the configuration makes a client")
}
