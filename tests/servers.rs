//! Real servers that tests send to, each started by a script in `tests/servers/`: built once, from package registries.
//!
//! A server ends with the value that stands for it. Where a tool is missing that it is built with, the test says so and
//! skips; where `CI` is set, that is a failure.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::processes;

/// A server that runs.
pub(crate) struct Server {
    values: BTreeMap<String, String>,
    /// Its standard input is ours: when this process ends, however it ends, so does the server.
    _process: Ends,
}

struct Ends(Child);

/// What each script is built with and runs on.
const TOOLS: [(&str, &[&str]); 9] = [
    ("aws", &[]),
    ("gcs", &["go"]),
    ("loki", &["go"]),
    ("opensearch", &["java", "mvn"]),
    ("otelcol", &["go"]),
    ("prometheus", &["go"]),
    ("s3", &["go"]),
    ("smtp", &["go", "openssl"]),
    ("toxiproxy", &["go"]),
];

/// Start the server of this script; none where it can't be built here.
pub(crate) fn start(script: &str, arguments: &[&str]) -> Option<Server> {
    let (_, tools) = TOOLS.iter().find(|(name, _)| *name == script).expect("a script of tests/servers");
    if !are_there(&format!("the server '{script}'"), &[&["bash", "curl", "python3"], *tools].concat()) {
        return None;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(script);
    let mut command = Command::new(path);
    command.env("PATH", processes::path()).arg("-watch-stdin").args(arguments);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash can be started");
    let output = BufReader::new(process.stdout.take().expect("its standard output is ours"));
    let process = Ends(process);
    let ready = output.lines().map_while(Result::ok).find(|line| line.starts_with("READY"));
    let ready = ready.unwrap_or_else(|| panic!("the server '{script}' did not start"));
    let values = ready.split(' ').filter_map(|word| word.split_once('='));
    Some(Server {
        values: values.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        _process: process,
    })
}

impl Server {
    /// What the server is reached by, e.g. its `url`.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.values.get(name).unwrap_or_else(|| panic!("the server says no '{name}'"))
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        // It ends when its input does.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Whether these tools are on this machine, which `what` needs; says so where one is not, and fails where `CI` is set.
pub(crate) fn are_there(what: &str, tools: &[&str]) -> bool {
    let Some(missing) = tools.iter().find(|tool| !is_there(tool)) else { return true };
    let said = format!("skipped: {what} needs {missing}, which is not on this machine");
    assert!(std::env::var_os("CI").is_none(), "{said}");
    eprintln!("{said}");
    false
}

fn is_there(tool: &str) -> bool {
    let found = Command::new("sh").env("PATH", processes::path()).args(["-c", &format!("command -v {tool}")]).output();
    found.is_ok_and(|found| found.status.success())
}
