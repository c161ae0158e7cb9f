//! A host in this process, and its log.
//!
//! Nothing here waits for a time: a test waits for what it wants to see, and the test runner
//! ends one that waits in vain.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use host::testing::Cluster;
use host::testing::Config;
use host::testing::{Compiler, serve_one};
use host::testing::{Ended, Resources, RunError, run};
use host::testing::{Format, Logger};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Says to a process of this test binary that it is one that compiles.
const COMPILES: &str = "FALCO_TALON_TEST_COMPILES";

/// A host that runs until it is stopped.
pub(crate) struct Host {
    address: SocketAddr,
    pub(crate) log: Log,
    /// Has it load everything anew.
    pub(crate) reload: Arc<Notify>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<Ended, RunError>>,
}

/// What the host has logged, as JSON objects. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<watch::Sender<Vec<Value>>>);

/// Takes the lines, each of which is written whole.
struct Lines(Log);

/// The configuration of a host whose files lie in `folder`: `rules.yaml`, and `config.yaml`,
/// `policy.yaml` and the variables of `environment.yaml` where there are any.
pub(crate) fn config(folder: &Path) -> Config {
    let existing = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
    let file = existing("config.yaml");
    let read = |path: &Path| std::fs::read_to_string(path);
    let environment: BTreeMap<String, String> = existing("environment.yaml")
        .map(|path| serde_saphyr::from_str(&read(&path).unwrap()).unwrap())
        .unwrap_or_default();
    let variable = |name: &str| environment.get(name).cloned();
    let loaded = Config::load(file.as_deref(), &[folder.join("rules.yaml")], variable, read);
    let (mut config, _) = loaded.unwrap();
    config.policy_file = existing("policy.yaml");
    config.actionners_dir = existing("actionners");
    config.cache_dir = Some(cache_dir());
    config.watch_rules = false;
    // Where the other side stays unavailable, a test need not wait for long.
    config.retry.attempts_max = config.retry.attempts_max.min(10);
    // Where these tests themselves run is of no interest.
    config.own_namespace = environment.get("NAMESPACE").cloned();
    // Address space for the calls of a busy host is more than many hosts at once need.
    config.concurrency_events_max = 4;
    config
}

/// Shared by all hosts and kept for the next run: compiling is most of a start.
pub(crate) fn cache_dir() -> PathBuf {
    static MADE: Mutex<bool> = Mutex::new(false);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    let mut made = MADE.lock().unwrap();
    if !*made {
        // Its key is made by the first that opens it.
        host::testing::Cache::open(&directory).unwrap();
        *made = true;
    }
    directory
}

/// Stands in for the program, which runs itself to compile components: this test binary.
pub(crate) fn compiler() -> Compiler {
    Compiler(|| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["running::compiles", "--exact"]).env(COMPILES, "1");
        command
    })
}

#[test]
fn compiles() {
    if std::env::var_os(COMPILES).is_some() {
        serve_one().unwrap();
    }
}

impl Host {
    /// Start a host and wait until it takes events.
    ///
    /// What it logged where it does not start.
    pub(crate) async fn start(config: Config, client: kube::Client) -> Result<Host, Log> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Log::default();
        let logger = log.logger().from_level(config.log_level);
        let (stop, stopped) = oneshot::channel::<()>();
        let (cluster, compiler, reload) = (Cluster::Client(client), compiler(), Arc::default());
        let resources = Resources { config, cluster, listener, logger, compiler, reload: Arc::clone(&reload) };
        let shutdown = async move { drop(stopped.await) };
        let mut task = tokio::spawn(run(resources, shutdown));
        let up = log.line("http", |line| text(line, "result").starts_with("Falco Talon is up"));
        tokio::select! {
            _ = up => Ok(Host { address, log: log.clone(), reload, stop, task }),
            ended = &mut task => { ended.unwrap().unwrap_err(); Err(log.clone()) }
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Send an event, which must be accepted.
    pub(crate) async fn post(&self, event: impl AsRef<[u8]>) {
        let (status, body) = self.request("POST", "/", event.as_ref()).await;
        assert_eq!(status, 200, "{body}");
    }

    /// Wait until every event that was accepted is done with.
    pub(crate) async fn wait_until_idle(&self) {
        let is_zero = |metrics: &str, name: &str| {
            let values = metrics.lines().filter_map(|line| line.split_once(name));
            values.filter(|(start, _)| !start.starts_with('#')).any(|(_, value)| value.trim() == "0")
        };
        loop {
            let (_, metrics) = self.request("GET", "/metrics", b"").await;
            let waits = |line: &str| line.contains("notifications_waiting{") && !line.ends_with(" 0");
            if ["queue_depth", "events_in_flight", "deliveries_due"].iter().all(|name| is_zero(&metrics, name))
                && !metrics.lines().any(waits)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The status and the body of an answer.
    pub(crate) async fn request(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let length = body.len();
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n",
                self.address
            );
            stream.write_all(head.as_bytes()).await?;
            // A host that has seen enough answers and closes before it has read everything.
            let sent = stream.write_all(body).await;
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer).await;
            if answer.is_empty() {
                sent?;
                read?;
            }
            io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no status in {head:?}")), body.to_owned())
    }

    /// Stop the host, which finishes what it has accepted, and see all that it logged.
    pub(crate) async fn stop(self) -> Vec<Value> {
        drop(self.stop);
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
        self.log.lines()
    }
}

impl Log {
    /// What writes it.
    pub(crate) fn logger(&self) -> Logger {
        Logger::new(Format::Json, Lines(self.clone()))
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.0.borrow().clone()
    }

    /// Wait for a line of this tag that fits.
    pub(crate) async fn line(&self, tag: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let wanted = |line: &&Value| line["message"] == tag && fits(line);
        let mut lines = self.0.subscribe();
        let seen = lines.wait_for(|lines| lines.iter().any(|line| wanted(&line)));
        let Ok(seen) = tokio::time::timeout(PATIENCE, seen).await else {
            panic!("no such line of '{tag}' in {:#?}", self.lines());
        };
        seen.unwrap().iter().find(wanted).unwrap().clone()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = serde_json::from_slice(bytes).map_err(io::Error::other)?;
        self.0.0.send_modify(|lines| lines.push(line));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A field of a log line, empty where it is missing.
pub(crate) fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

/// What a start that failed says, one line each: level, tag, error, and where.
pub(crate) fn told(lines: &[Value]) -> String {
    let line = |line: &Value| {
        let fields = line.as_object().unwrap().iter();
        let shown = fields.filter(|(key, _)| !["level", "message", "error", "time"].contains(&key.as_str()));
        let fields: String = shown.map(|(key, value)| format!(" {key}={value}")).collect();
        format!("{} {}: {}{fields}\n", text(line, "level"), text(line, "message"), text(line, "error"))
    };
    lines.iter().map(line).collect()
}
