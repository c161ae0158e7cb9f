//! A host in a process of its own, which can be killed.
//!
//! It is this test binary, which runs itself. What the process finds and leaves lies in a folder.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use host::testing::{Cluster, Format, Logger, Resources, run};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::running::{PATIENCE, compiler, config};

/// Says to a process of this test binary that it is a host, and what folder is its.
const SERVES: &str = "FALCO_TALON_TEST_SERVES";

/// Between two looks.
const GLANCE: Duration = Duration::from_millis(5);

/// A host in a process of its own, killed with this value.
pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

/// One thing or two for each event: a label, which is repeatable, and the end of the pod, which is not.
const RULES: &str = "
- rule: End it
  match: {rules: [shell]}
  actions:
    - {action: Label it, actionner: 'kubernetes:label', parameters: {labels: {seen: 'true'}}}
    - {action: End it, actionner: 'kubernetes:terminate'}
";

/// Write the files of a host whose API server is at this address, and which keeps its events in `data_dir`.
pub(crate) fn furnish(folder: &Path, api: SocketAddr, data_dir: &Path) {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": format!("http://{api}")}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "users": [{"name": "test", "user": {}}],
    });
    let config = json!({
        "kubeconfig": folder.join("kubeconfig.json"), "data_dir": data_dir,
        "queue": {"max_age": "1h"}, "deduplication": {"time_window_seconds": 60},
    });
    fs::write(folder.join("kubeconfig.json"), kubeconfig.to_string()).unwrap();
    fs::write(folder.join("config.yaml"), config.to_string()).unwrap();
    fs::write(folder.join("rules.yaml"), RULES).unwrap();
}

impl Child {
    /// Start the host of this folder, with further variables, and wait until it is ready.
    pub(crate) async fn start(folder: &Path, variables: &[(&str, &Path)]) -> Child {
        let written = folder.join("address");
        let _ = fs::remove_file(&written);
        let append = |name: &str| File::options().create(true).append(true).open(folder.join(name)).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["crash::child::serves", "--exact", "--nocapture"]).env(SERVES, folder);
        command.envs(variables.iter().copied());
        // Its standard input is ours: when this process ends, however it ends, so does the host.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(append("errors"));
        let mut process = command.spawn().unwrap();
        let address = async {
            loop {
                if let Ok(address) = fs::read_to_string(&written) {
                    return address.parse().unwrap();
                }
                let ended = process.try_wait().unwrap();
                assert!(ended.is_none(), "{}", fs::read_to_string(folder.join("errors")).unwrap());
                sleep(GLANCE).await;
            }
        };
        let address = tokio::time::timeout(PATIENCE, address).await.unwrap();
        let child = Child { process, address, log: folder.join("log") };
        child.until("/readyz", |status, _| status == 200).await;
        child
    }

    /// End it in the middle of whatever it does.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        assert_eq!(self.process.wait().unwrap().signal(), Some(9), "it had ended before");
    }

    /// Wait until each event that was accepted has ended, and end it well. What it and those before it logged.
    pub(crate) async fn drain(self) -> Vec<Value> {
        self.until("/metrics", |_, metrics| {
            let values = |name: &str| {
                let values = metrics.lines().filter_map(|line| line.split_once(name));
                values.filter(|(start, _)| !start.starts_with('#')).all(|(_, value)| value.trim() == "0")
            };
            metrics.contains("queue_depth") && values("queue_depth") && values("events_in_flight")
        })
        .await;
        let log = self.log.clone();
        self.stop().await;
        let lines = fs::read_to_string(log).unwrap();
        // A process that is killed has not written its last line to the end.
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    async fn stop(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let ended = async {
            loop {
                match self.process.try_wait().unwrap() {
                    Some(status) => return status,
                    None => sleep(GLANCE).await,
                }
            }
        };
        assert!(tokio::time::timeout(PATIENCE, ended).await.unwrap().success());
    }

    /// Ask until the answer is as it should be.
    pub(crate) async fn until(&self, path: &str, is_wanted: impl Fn(u16, &str) -> bool) {
        loop {
            let (status, body) = self.get(path).await;
            if is_wanted(status, &body) {
                return;
            }
            sleep(4 * GLANCE).await;
        }
    }

    /// What it has in memory.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The status and the whole of an answer.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_default(), answer)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has ended by itself can't be killed, and need not be.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn serves() {
    let Some(folder) = std::env::var_os(SERVES).map(PathBuf::from) else { return };
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let mut config = config(&folder);
        config.concurrency_events_max = 32;
        // A server that is back is noticed soon.
        config.retry.backoff_max = Duration::from_millis(500);
        config.retry.attempts_max = 100;
        let cluster = Cluster::Kubeconfig(config.kubeconfig.clone().unwrap());
        let logger = Logger::new(Format::Json, log).from_level(config.log_level);
        let (compiler, reload) = (compiler(), Arc::default());
        let resources = Resources { config, cluster, listener, logger, compiler, reload };
        let shutdown = async move {
            terminate.recv().await;
        };
        fs::write(folder.join("address.new"), address.to_string()).unwrap();
        fs::rename(folder.join("address.new"), folder.join("address")).unwrap();
        run(resources, shutdown).await.unwrap();
    });
    // Not the thread above, which waits for its input.
    std::process::exit(0);
}
