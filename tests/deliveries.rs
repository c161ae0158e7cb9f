//! Artifacts whose destination does not take them at once: they arrive all the same, or a person can see why not.
//!
//! The destination is a link: to `/proc`, where nobody can make a file, and then to a folder.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::running::{Host, config, text, told};
use crate::world::World;

const CLUSTER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop}
spec: {nodeName: node-1, containers: [{name: web, image: nginx}]}
";

/// Names the folder of a host to the process that runs it until it ends without a word.
const CRASHES: &str = "FALCO_TALON_TEST_CRASHES_IN";

/// More than is held in memory.
const FILE_BYTES: usize = 1 << 20;

struct Place {
    path: PathBuf,
    world: World,
    /// Removed by who has made it.
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self::again(folder.path());
        let place = Self { _folder: Some(folder), ..place };
        let path = &place.path;
        fs::write(path.join("evidence"), vec![7; FILE_BYTES]).unwrap();
        fs::create_dir(path.join("stored")).unwrap();
        let (evidence, destination) = (path.join("evidence"), path.join("destination"));
        let rules = format!(
            "
- rule: Keep what was touched
  match: {{priority: '>=Debug'}}
  actions:
    - action: Fetch it
      actionner: kubernetes:download
      parameters: {{file: {}}}
      output: {{target: 'local:file', parameters: {{destination: {}}}}}
    - action: Mark it
      actionner: kubernetes:label
      parameters: {{labels: {{touched: 'yes'}}}}
",
            evidence.display(),
            destination.display()
        );
        fs::write(path.join("rules.yaml"), rules).unwrap();
        let config = format!("retry: {{backoff_ms_min: 1, backoff_ms_max: 20}}\n{config}");
        fs::write(path.join("config.yaml"), config).unwrap();
        place.lead_to("/proc");
        place
    }

    /// One that somebody else has made.
    fn again(path: &Path) -> Self {
        Self { path: path.to_owned(), world: World::simulated(CLUSTER), _folder: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Let the destination be another one from now on.
    fn lead_to(&self, target: impl AsRef<Path>) {
        let link = self.path("link");
        symlink(target, &link).unwrap();
        fs::rename(link, self.path("destination")).unwrap();
    }

    async fn start(&self, lasts: bool) -> Host {
        let mut config = config(&self.path);
        config.data_dir = lasts.then(|| self.path("data"));
        let host = Host::start(config, self.world.client().0).await;
        host.unwrap_or_else(|log| panic!("{}", told(&log.lines())))
    }

    fn files(&self, folder: &str) -> BTreeSet<Vec<u8>> {
        let files = fs::read_dir(self.path(folder)).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let files: Vec<_> = files.collect();
        let distinct: BTreeSet<_> = files.iter().cloned().collect();
        assert_eq!(files.len(), distinct.len(), "there is one twice");
        distinct
    }

    /// What is spooled is removed once that it has arrived is synced.
    async fn wait_until_nothing_is_spooled(&self) {
        while !self.files("data/spool").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn evidence(&self) -> BTreeSet<Vec<u8>> {
        BTreeSet::from([vec![7; FILE_BYTES]])
    }
}

async fn touch(host: &Host) {
    let event = serde_json::json!({
        "rule": "Touched", "priority": "Notice", "source": "syscall", "output": "", "time": "2025-11-22T13:24:41Z",
        "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": "web-0"},
    });
    host.post(event.to_string()).await;
}

async fn output(host: &Host, status: &str) -> Value {
    host.log.line("output", |line| text(line, "status") == status).await
}

async fn metric(host: &Host, name: &str) -> String {
    let (_, metrics) = host.request("GET", "/metrics", b"").await;
    let name = format!("falcosecurity_falco_talon_{name}");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_default().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_at_first_arrives_later_and_holds_up_no_action() {
    for lasts in [true, false] {
        let place = Place::new("");
        let host = place.start(lasts).await;
        touch(&host).await;
        let due = output(&host, "due").await;
        assert_eq!((text(&due, "level"), text(&due, "rule")), ("warn", "Keep what was touched"));
        host.log.line("action", |line| text(line, "action") == "Mark it").await;
        assert_eq!(metric(&host, "deliveries_due").await, "1");
        place.lead_to(place.path("stored"));
        let arrived = output(&host, "success").await;
        assert_eq!(text(&arrived, "trace_id"), text(&due, "trace_id"));
        assert_eq!(place.files("stored"), place.evidence());
        host.wait_until_idle().await;
        assert_eq!(metric(&host, "deliveries_due").await, "0");
        assert_eq!(metric(&host, "dead_letters").await, "0");
        if lasts {
            place.wait_until_nothing_is_spooled().await;
        }
        let lines = host.stop().await;
        assert!(lines.iter().all(|line| line["level"] != "error"), "{}", told(&lines));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_is_delivered_once_by_the_next_process() {
    let place = Place::new("");
    let host = place.start(true).await;
    touch(&host).await;
    output(&host, "due").await;
    host.log.line("action", |line| text(line, "action") == "Mark it").await;
    let lines = host.stop().await;
    let left = |line: &&Value| text(line, "result").starts_with("1 artifacts stay stored");
    assert!(lines.iter().any(|line| left(&line)), "{}", told(&lines));
    assert_eq!(place.files("data/spool"), place.evidence());
    // Of a process that was ended while it collected something.
    fs::write(place.path("data/spool/.unfinished"), "half").unwrap();
    fs::write(place.path("data/spool/0123"), "of nobody").unwrap();

    let host = place.start(true).await;
    assert_eq!(place.files("data/spool"), place.evidence());
    assert_eq!(metric(&host, "deliveries_due").await, "1");
    place.lead_to(place.path("stored"));
    output(&host, "success").await;
    place.wait_until_nothing_is_spooled().await;
    host.stop().await;

    let host = place.start(true).await;
    assert_eq!(metric(&host, "deliveries_due").await, "0");
    let lines = host.stop().await;
    assert!(lines.iter().all(|line| line["message"] != "output"), "{}", told(&lines));
    assert_eq!(place.files("stored"), place.evidence());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_forgets_no_delivery() {
    if let Some(path) = std::env::var_os(CRASHES) {
        let host = Place::again(Path::new(&path)).start(true).await;
        touch(&host).await;
        output(&host, "due").await;
        std::process::abort();
    }
    let place = Place::new("");
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["deliveries::a_crash_forgets_no_delivery", "--exact"]).env(CRASHES, &place.path);
    let ended = tokio::task::spawn_blocking(move || test.output()).await.unwrap().unwrap();
    assert_eq!(ended.status.signal(), Some(6), "{}", String::from_utf8_lossy(&ended.stdout));
    assert_eq!(place.files("data/spool"), place.evidence());
    place.lead_to(place.path("stored"));
    let host = place.start(true).await;
    output(&host, "success").await;
    place.wait_until_nothing_is_spooled().await;
    host.wait_until_idle().await;
    let lines = host.stop().await;
    assert!(
        lines.iter().all(|line| text(line, "action") != "Fetch it" || line["message"] == "output"),
        "{}",
        told(&lines)
    );
    assert_eq!(place.files("stored"), place.evidence());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_arrives_is_a_dead_letter_and_is_kept() {
    let place = Place::new("deliveries: {within: 1s}\n");
    let host = place.start(true).await;
    touch(&host).await;
    let given_up = output(&host, "failure").await;
    assert!(text(&given_up, "error").ends_with("; given up after 1 s"), "{given_up}");
    host.wait_until_idle().await;
    assert_eq!(metric(&host, r#"delivery_given_up_total{target="local:file"}"#).await, "1");
    while metric(&host, "dead_letters").await != "1" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    host.stop().await;
    let host = place.start(true).await;
    assert_eq!(metric(&host, "dead_letters").await, "1");
    assert_eq!(place.files("data/spool"), place.evidence());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_time_does_not_mend_fails_its_action_at_once() {
    let place = Place::new("");
    place.lead_to(place.path("nowhere"));
    let host = place.start(true).await;
    touch(&host).await;
    let failed = output(&host, "failure").await;
    assert!(text(&failed, "error").ends_with("/destination' does not exist"), "{failed}");
    host.wait_until_idle().await;
    assert_eq!(metric(&host, "deliveries_due").await, "0");
    while metric(&host, "dead_letters").await != "1" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let lines = host.stop().await;
    assert!(lines.iter().all(|line| text(line, "action") != "Mark it"), "{}", told(&lines));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_that_a_damaged_store_does_not_know_is_set_aside() {
    let place = Place::new("");
    let host = place.start(true).await;
    touch(&host).await;
    output(&host, "due").await;
    host.stop().await;
    fs::write(place.path("data/store/store.db"), vec![b'x'; 4_096]).unwrap();
    let host = place.start(true).await;
    let lines = host.stop().await;
    let aside = lines.iter().find_map(|line| text(line, "error").strip_prefix("1 files that were to be delivered "));
    let aside = aside.and_then(|aside| aside.strip_prefix("are unknown to the store: they lie in "));
    let aside = aside.and_then(|aside| aside.strip_suffix(" now")).unwrap_or_else(|| panic!("{}", told(&lines)));
    assert_eq!(place.files(aside), place.evidence());
    assert!(place.files("data/spool").is_empty());
}
