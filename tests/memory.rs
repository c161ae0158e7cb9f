//! A large file on its way through the host, to a folder or to a bucket: it is never in its memory.
//!
//! Measured in a process of its own, since other tests need memory too.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use host::testing::clouds::Clouds;

use crate::running::{Host, config, text, told};
use crate::servers;
use crate::uploads::minio;
use crate::world::World;

const NAME: &str = "memory::a_download_does_not_fill_the_memory";

/// Set for the process that measures.
const MEASURES: &str = "FALCO_TALON_TEST_MEASURES_MEMORY";

const FILE_BYTES: u64 = 256 << 20;
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// Unoptimised, it takes longer than the default deadline.
const POLICY: &str = "
actionners:
  kubernetes:download:
    artifacts: true
    kubernetes:
      - {verbs: [get], resources: [pods]}
      - {verbs: [create], resources: [pods/exec]}
    limits: {deadline: 300s}
";

const CLUSTER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop}
spec: {nodeName: node-1, containers: [{name: web, image: nginx}]}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_does_not_fill_the_memory() {
    if std::env::var_os(MEASURES).is_some() {
        return measure().await;
    }
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args([NAME, "--exact", "--nocapture"]).env(MEASURES, "1");
    let output = tokio::task::spawn_blocking(move || test.output()).await.unwrap().unwrap();
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

async fn measure() {
    for lasts in [true, false] {
        let stored = tempfile::tempdir().unwrap();
        let output = format!("target: 'local:file', parameters: {{destination: {}}}", stored.path().display());
        measure_download(lasts, &output, Clouds::default()).await;
        assert_eq!(largest(stored.path()), FILE_BYTES);
    }
    let Some(server) = servers::start("s3", &[]) else { return };
    let output = "target: 'minio:s3', parameters: {bucket: evidence, prefix: files}";
    measure_download(true, output, minio(server.value("url"))).await;
    assert_eq!(largest(&Path::new(server.value("dir")).join("buckets/evidence/files")), FILE_BYTES);
}

fn largest(folder: &Path) -> u64 {
    let sizes = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    sizes.max().unwrap()
}

/// `lasts`: what is due would survive the process.
async fn measure_download(lasts: bool, output: &str, clouds: Clouds) {
    let folder = tempfile::tempdir().unwrap();
    let (small, large) = (folder.path().join("small"), folder.path().join("large"));
    File::create(&small).unwrap().set_len(1 << 20).unwrap();
    File::create(&large).unwrap().set_len(FILE_BYTES).unwrap();
    fs::write(folder.path().join("rules.yaml"), rules(output)).unwrap();
    fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
    let (client, _) = World::simulated(CLUSTER).client();
    let mut config = config(folder.path());
    config.data_dir = lasts.then(|| folder.path().join("data"));
    config.clouds = clouds;
    let host = Host::start(config, client).await.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    // What the first download needs, no later one needs again.
    download(&host, &small).await;
    let idle_bytes = resident_bytes();
    let (is_done, mut highest_bytes) = (AtomicBool::new(false), idle_bytes);
    let watch = async {
        while !is_done.load(Ordering::Relaxed) {
            highest_bytes = highest_bytes.max(resident_bytes());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let run = async {
        download(&host, &large).await;
        is_done.store(true, Ordering::Relaxed);
    };
    tokio::join!(run, watch);
    host.stop().await;
    let growth_bytes = highest_bytes - idle_bytes;
    assert!(growth_bytes < GROWTH_BYTES_MAX, "{growth_bytes} bytes more than the {idle_bytes} at rest");
}

fn rules(output: &str) -> String {
    format!(
        "
- rule: Keep what was touched
  match: {{priority: '>=Debug'}}
  actions:
    - action: Fetch it
      actionner: kubernetes:download
      parameters: {{file: '${{FD_NAME}}'}}
      output: {{{output}}}
"
    )
}

/// Let the host fetch a file, and wait until it is stored.
async fn download(host: &Host, file: &Path) {
    let path = file.display().to_string();
    let event = serde_json::json!({
        "rule": "Touched", "priority": "Notice", "source": "syscall", "output": "", "time": "2025-11-22T13:24:41Z",
        "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": "web-0", "fd.name": path},
    });
    host.post(event.to_string()).await;
    let line = host.log.line("output", |line| text(line, "file") == path).await;
    assert_eq!(text(&line, "status"), "success", "{line}");
}

/// The memory of this process that is not shared with files.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes << 10
}
