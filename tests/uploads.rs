//! Artifacts on their way to buckets, on real servers: whole, once, and with their digest; or reported.
//!
//! Between the host and a server stands who refuses, cuts and is silent.

mod direct;
mod gcs;
mod proxy;
mod s3;

use std::fs;
use std::process::Command;
use std::sync::Arc;

use host::testing::clouds::{Clouds, Keys, Minio, Secret};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::running::{Host, config, text, told};
use crate::servers::{self, Server};
use crate::world::World;

const CLUSTER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop}
spec: {nodeName: node-1, containers: [{name: web, image: nginx}]}
";

/// It takes one request.
const SMALL_BYTES: usize = 300_000;

/// It takes four parts.
const LARGE_BYTES: usize = 20 << 20;

/// A host whose rule fetches a file and sends it to a bucket.
struct Upload {
    folder: TempDir,
    world: World,
    evidence: Vec<u8>,
    /// Whether it has a `data_dir`.
    lasts: bool,
}

impl Upload {
    fn new(target: &str, parameters: &Value, bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // No two parts are the same.
        let evidence: Vec<u8> = (0..bytes).map(|at| (at / 1_000) as u8 ^ (at as u8)).collect();
        let file = folder.path().join("evidence");
        fs::write(&file, &evidence).unwrap();
        let rules = format!(
            "
- rule: Keep what was touched
  match: {{priority: '>=Debug'}}
  actions:
    - action: Fetch it
      actionner: kubernetes:download
      parameters: {{file: {}}}
      output: {{target: '{target}', parameters: {parameters}}}
",
            file.display()
        );
        fs::write(folder.path().join("rules.yaml"), rules).unwrap();
        fs::write(folder.path().join("config.yaml"), "retry: {backoff_ms_min: 1, backoff_ms_max: 20}\n").unwrap();
        Self { folder, world: World::simulated(CLUSTER), evidence, lasts: true }
    }

    async fn start(&self, clouds: Clouds) -> Host {
        let mut config = config(self.folder.path());
        config.data_dir = self.lasts.then(|| self.folder.path().join("data"));
        config.clouds = clouds;
        let host = Host::start(config, self.world.client().0).await;
        host.unwrap_or_else(|log| panic!("{}", told(&log.lines())))
    }

    /// Start a host, and have it fetch the file.
    async fn begin(&self, clouds: Clouds) -> Host {
        let host = self.start(clouds).await;
        host.post(touched("Touched", "web-0")).await;
        host
    }

    /// How it ends, and all lines of the log.
    async fn run(&self, clouds: Clouds) -> (Value, Vec<Value>) {
        let host = self.begin(clouds).await;
        let line = host.log.line("output", |line| text(line, "status") != "due").await;
        (line, host.stop().await)
    }

    fn sha256(&self) -> String {
        sha256(&self.evidence)
    }
}

/// An event of this rule and pod.
fn touched(rule: &str, pod: &str) -> String {
    let event = json!({
        "rule": rule, "priority": "Notice", "source": "syscall", "output": "", "time": "2025-11-22T13:24:41Z",
        "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": pod},
    });
    event.to_string()
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn minio(address: &str) -> Clouds {
    let keys = Keys { access_key: "root".to_owned(), secret_key: Secret::new("secretsecret") };
    let minio = Minio { endpoint: address.trim_start_matches("http://").to_owned(), keys, use_ssl: false };
    Clouds { minio, ..Clouds::default() }
}

/// A server of S3's protocol over a folder.
struct Bucket(Arc<Server>);

impl Bucket {
    async fn start(arguments: &'static [&str]) -> Option<Self> {
        start("s3", arguments).await.map(Self)
    }

    fn url(&self) -> &str {
        self.0.value("url")
    }

    /// The objects, by their keys.
    fn objects(&self) -> Vec<(String, Vec<u8>)> {
        let folder = format!("{}/buckets/evidence", self.0.value("dir"));
        let mut objects = Vec::new();
        let mut folders = vec![std::path::PathBuf::from(&folder)];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                let key = path.strip_prefix(&folder).unwrap().display().to_string();
                if path.is_dir() && !key.starts_with(".sgwtmp") {
                    folders.push(path);
                } else if path.is_file() {
                    objects.push((key, fs::read(path).unwrap()));
                }
            }
        }
        objects.sort();
        objects
    }

    /// What the server answers to whoever has the keys.
    async fn ask(&self, arguments: &[&str], path: &str) -> String {
        let signed = ["-s", "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", "root:secretsecret"];
        let empty = ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"];
        let url = format!("{}/evidence{path}", self.url());
        curl(signed.iter().chain(&empty).chain(arguments).copied().chain([&*url])).await
    }

    /// Uploads that have begun, and neither ended nor were aborted.
    async fn unfinished(&self) -> usize {
        self.ask(&[], "?uploads=").await.matches("<UploadId>").count()
    }
}

async fn start(script: &'static str, arguments: &'static [&str]) -> Option<Arc<Server>> {
    spawn_blocking(move || servers::start(script, arguments)).await.unwrap().map(Arc::new)
}

async fn curl<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let mut command = Command::new("curl");
    command.args(arguments);
    let output = spawn_blocking(move || command.output()).await.unwrap().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
