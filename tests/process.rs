//! The program as a process: signals, exit codes, the log that nobody reads, and what the system gives it.
//!
//! This test binary stands in for the program, and runs its `server`.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use clap::Parser as _;
use host::Arguments;
use serde_json::Value;
use simulation::Simulation;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::hostile::{CLUSTER, event};
use crate::running::{PATIENCE, cache_dir, text};

/// Says to a process of this test binary that it is the server, whose files lie there.
const SERVES: &str = "FALCO_TALON_TEST_SERVES";

const LABEL: &str = "{action: Label it, actionner: 'kubernetes:label', parameters: {labels: {seen: 'true'}}}";

/// More than the log holds back of lines of events with such an output.
const FLOOD: usize = 1_000;
const OUTPUT_BYTES: usize = 12 * 1024;

#[test]
fn serves() {
    let Some(folder) = std::env::var_os(SERVES).map(PathBuf::from) else { return };
    let arguments = ["falco-talon", "server", "-c"].map(Into::into);
    let arguments = arguments.into_iter().chain([folder.join("config.yaml"), "-r".into(), folder.join("rules.yaml")]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let code = runtime.block_on(host::run(Arguments::parse_from(arguments)));
    runtime.shutdown_background();
    // What the test runner would print at the end may be what nobody reads.
    std::process::exit((0..4).find(|number| ExitCode::from(*number) == code).unwrap_or(4).into());
}

/// A running server, killed when it is dropped.
pub(crate) struct Program {
    process: Child,
    log: Lines<BufReader<ChildStdout>>,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl Program {
    /// One that responds to events of `shell`, whose API server is there and whose configuration has these lines
    /// besides. The shell says `before` it is started what else is to be done.
    pub(crate) fn start(api_server: SocketAddr, config: &str, before: &str) -> Program {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        write(
            "kubeconfig.yaml",
            format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n\
                 clusters: [{{name: c, cluster: {{server: 'http://{api_server}'}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n"
            ),
        );
        write(
            "config.yaml",
            format!(
                "listen_address: 127.0.0.1\nlisten_port: 0\nlog_format: json\nkubeconfig: {}\ncache_dir: {}\n\
                 deduplication: {{time_window_seconds: 0}}\n{config}\n",
                path("kubeconfig.yaml"),
                cache_dir().display()
            ),
        );
        write("rules.yaml", rules(1));
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{before}\nexec \"$@\""), "sh"]).arg(std::env::current_exe().unwrap());
        shell.args(["process::serves", "--exact"]).env_clear().env(SERVES, folder.path());
        let mut process = shell.stdout(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut program = Program { process, log, address: ([127, 0, 0, 1], 0).into(), folder };
        let up = "Falco Talon is up and listening on ";
        let line = program.line(|line| text(line, "result").starts_with(up));
        program.address = text(&line, "result").strip_prefix(up).unwrap().parse().unwrap();
        program
    }

    /// The next line of the log that fits.
    pub(crate) fn line(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        self.lines_until(fits).pop().unwrap()
    }

    /// All lines of the log up to the next that fits.
    pub(crate) fn lines_until(&mut self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut lines = Vec::new();
        for line in &mut self.log {
            // The test runner prints here too.
            let Ok(line) = serde_json::from_str(&line.unwrap()) else { continue };
            let is_last = fits(&line);
            lines.push(line);
            if is_last {
                return lines;
            }
        }
        panic!("no such line in {lines:#?}");
    }

    fn client(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// The body of an answer that says that all is well.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut client = self.client();
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        client.write_all((head + body).as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// A client whose event is under way: the host waits for the body.
    fn slow_client(&self) -> TcpStream {
        let mut client = self.client();
        client.write_all(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n").unwrap();
        client.read_exact(&mut [0; 12]).unwrap();
        client
    }

    /// More lines than anybody reads.
    fn flood(&self) {
        for _ in 0..FLOOD {
            self.request("POST", "/", &event("other", "web-0").replace("a shell", &"x".repeat(OUTPUT_BYTES)));
        }
        self.request("GET", "/healthz", "");
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// The exit code, waited for.
    pub(crate) fn code(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn rules(count: usize) -> String {
    let rule = |number: usize| format!("- rule: R{number}\n  match: {{rules: [shell]}}\n  actions: [{LABEL}]\n");
    (1..=count).map(rule).collect()
}

/// An API server that takes connections and never answers, until it is dropped.
fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A simulation behind a port.
pub(crate) async fn simulated() -> SocketAddr {
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let answer = move |request: Request| {
        let client = simulation.client();
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
            client.send(http::Request::from_parts(head, body.into())).await.unwrap().map(Body::new)
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    address
}

#[test]
fn what_nobody_reads_is_left_out_counted_and_reported() {
    let (_server, address) = silent();
    let mut program = Program::start(address, "print_all_events: true", "");
    program.flood();
    let metrics = program.request("GET", "/metrics", "");
    let missing =
        metrics.lines().find_map(|line| line.strip_prefix("falcosecurity_falco_talon_dropped_log_line_total "));
    let missing = missing.unwrap().to_owned();
    let lines = program.lines_until(|line| line["message"] == "log");
    let error = text(lines.last().unwrap(), "error");
    assert!(error.starts_with(&format!("{missing} lines are missing here, the first of 2")), "{error}");
    assert_eq!(lines.len() - 1 + missing.parse::<usize>().unwrap(), FLOOD);
    program.request("POST", "/", &event("afterwards", "web-0"));
    let lines = program.lines_until(|line| line["message"] == "event");
    assert_eq!(lines.len(), 1, "{lines:?}");
    program.signal("TERM");
    program.line(|line| text(line, "result") == "everything that was accepted is done");
    assert_eq!(program.code(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_does_not_hold_up_the_end() {
    let (_server, address) = silent();
    let mut program = Program::start(address, "print_all_events: true", "");
    program.flood();
    let began = Instant::now();
    program.signal("TERM");
    assert_eq!(program.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn one_deadline_is_for_all_that_runs() {
    let (_server, address) = silent();
    let deadline = Duration::from_secs(4);
    let config = format!("shutdown: {{deadline_ms: {}}}", deadline.as_millis());
    let mut program = Program::start(address, &config, "");
    // The second waits for the first, whose request is never answered.
    for _ in 0..2 {
        program.request("POST", "/", &event("shell", "web-0"));
        program.line(|line| line["message"] == "event");
    }
    let _slow = program.slow_client();
    let began = Instant::now();
    program.signal("TERM");
    let begins = program.line(|line| line["message"] == "shutdown");
    assert!(began.elapsed() < deadline, "{:?}", began.elapsed());
    assert_eq!((text(&begins, "waiting"), text(&begins, "in_flight")), ("0", "2"), "{begins}");
    assert_eq!(program.code(), Some(3));
    assert!(began.elapsed() >= deadline && began.elapsed() < deadline * 2, "{:?}", began.elapsed());
    let rest: Vec<Value> = program.log.by_ref().filter_map(|line| serde_json::from_str(&line.unwrap()).ok()).collect();
    let errors: Vec<_> = rest.iter().map(|line| text(line, "error")).collect();
    assert_eq!(
        errors,
        [
            "1 connections were closed before their request was answered",
            "the event was cut off by the shutdown; its actions may have been carried out",
            "the event was cut off by the shutdown before its first action began",
        ]
    );
}

#[test]
fn who_asks_twice_does_not_wait() {
    let (_server, address) = silent();
    let mut program = Program::start(address, "shutdown: {deadline_ms: 3600000}", "");
    program.request("POST", "/", &event("shell", "web-0"));
    program.signal("INT");
    program.line(|line| line["message"] == "shutdown");
    program.signal("TERM");
    program.line(|line| text(line, "error").starts_with("asked twice to end"));
    assert_eq!(program.code(), Some(3));
}

#[test]
fn a_hangup_loads_the_rules_anew() {
    let (_server, address) = silent();
    let mut program = Program::start(address, "watch_rules: false", "");
    fs::write(program.folder.path().join("rules.yaml"), rules(2)).unwrap();
    program.signal("HUP");
    program.line(|line| text(line, "result") == "2 rules have been successfully loaded");
    fs::write(program.folder.path().join("rules.yaml"), "- rule: wrong\n").unwrap();
    program.signal("HUP");
    program.line(|line| text(line, "error") == "invalid rules");
    program.signal("TERM");
    assert_eq!(program.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_clients_leave_descriptors_to_the_host() {
    let mut program = Program::start(simulated().await, "", "ulimit -n 80");
    let mut crowd = Vec::new();
    for _ in 0..3 {
        crowd.extend((0..80).map(|_| program.client()));
        program.request("POST", "/", &event("shell", "web-0"));
        let action = program.line(|line| line["message"] == "action");
        assert_eq!(text(&action, "status"), "success", "{action}");
    }
}

#[test]
fn the_limit_of_descriptors_is_raised_as_far_as_it_may() {
    let (_server, address) = silent();
    let program = Program::start(address, "", "ulimit -S -n 64");
    let limits = fs::read_to_string(format!("/proc/{}/limits", program.process.id())).unwrap();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let [soft, hard, ..] = limit.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{limit}") };
    assert_eq!(soft, hard);
}
