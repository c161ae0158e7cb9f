//! The audit record: a line for each call of a component that calls every function of the contract, with how it ended;
//! and a file that is full, away, turned over, or the condition of all writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use host::testing::Config;
use serde_json::Value;
use simulation::{RecordedRequest, Simulation};
use tempfile::TempDir;
use wit_parser::Resolve;

use crate::crash::Disk;
use crate::hostile::{CLUSTER, event};
use crate::material::folder;
use crate::outside::Outside;
use crate::running::{Host, config, text, told};
use crate::world::World;

/// The functions of the contract of 1.0.0, but for `log.write`, whose record is the line itself.
fn functions() -> Vec<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder("guests/published/1.0.0/source/wit")).unwrap();
    let mut names = Vec::new();
    for (interface, id) in resolve.packages[package].interfaces.iter().filter(|(name, _)| *name != "action") {
        let functions = resolve.interfaces[*id].functions.keys();
        names.extend(functions.map(|name| format!("{interface}.{}", name.rsplit(['.', ']']).next().unwrap())));
    }
    names.retain(|name| name != "log.write");
    names
}

/// The lines of one event for the component of 1.0.0.
async fn record(dry_run: bool) -> Vec<Value> {
    let case = folder("cases/published-1-0-0");
    let read = |name: &str| fs::read_to_string(case.join(name)).unwrap();
    let (outside, world) = (Outside::start().await, World::simulated(&read("cluster.yaml")));
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(files.path().join(name), text).unwrap();
    let rules = read("rules.yaml").replace("  match:", &format!("  dry_run: {dry_run}\n  match:"));
    write("rules.yaml", &outside.write(&rules).replace("/tmp/falco-talon-cases", files.path().to_str().unwrap()));
    write("policy.yaml", &outside.write(&read("policy.yaml")));
    install(files.path(), &read("policy.yaml"));
    let mut config = config(files.path());
    config.clouds = outside.config();
    config.audit.file = Some(files.path().join("audit.log"));
    let host = Host::start(config, world.client().0).await;
    let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    host.post(read("event.json")).await;
    host.stop().await;
    let lines = fs::read_to_string(files.path().join("audit.log")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn install(files: &Path, policy: &str) {
    let actionners = files.join("actionners");
    fs::create_dir(&actionners).unwrap();
    for (name, bytes) in Outside::components(policy) {
        fs::write(actionners.join(format!("{name}.wasm")), bytes).unwrap();
    }
}

fn is_write(capability: &str) -> bool {
    let (interface, function) = capability.split_once('.').unwrap();
    matches!(interface, "kubernetes-write" | "kubernetes-exec" | "functions" | "http") || function == "put"
}

/// The ends of each function.
fn ends(lines: &[Value]) -> BTreeMap<&str, Vec<&str>> {
    let mut ends = BTreeMap::<_, Vec<_>>::new();
    for line in lines {
        ends.entry(text(line, "capability")).or_default().push(text(line, "status"));
    }
    ends
}

#[tokio::test]
async fn each_function_leaves_a_line() {
    let lines = record(false).await;
    let ends = ends(&lines);
    for function in functions() {
        let of_it = ends.get(function.as_str()).unwrap_or_else(|| panic!("{function} leaves no line"));
        assert!(of_it.contains(&"success"), "{function}: {of_it:?}");
    }
    assert!(lines.iter().all(|line| line.get("dry_run").is_none()));
    let line = |capability: &str| lines.iter().find(|line| line["capability"] == capability).unwrap();
    assert_eq!(text(line("kubernetes-write.patch"), "fields"), "metadata.labels.surveyed");
    assert_eq!(text(line("artifacts.write"), "request"), "write survey.log");
    assert_eq!(text(line("artifacts.write"), "bytes"), "19", "{}", line("artifacts.write"));
}

/// What would have been written, and that it was not.
#[tokio::test]
async fn in_a_dry_run_each_write_is_a_rehearsal() {
    let lines = record(true).await;
    let ends = ends(&lines);
    for function in functions() {
        let of_it = ends.get(function.as_str()).unwrap_or_else(|| panic!("{function} leaves no line"));
        let done = match function.as_str() {
            // What was made in a rehearsal is not there.
            "kubernetes-write.delete" => "refused",
            "objects.get" => "failure",
            function if is_write(function) => "rehearsed",
            _ => "success",
        };
        assert!(of_it.contains(&done), "{function}: {of_it:?}");
        assert!(!is_write(&function) || !of_it.contains(&"success"), "{function}: {of_it:?}");
    }
    for line in &lines {
        assert_eq!(line["dry_run"] == "true", is_write(text(line, "capability")), "{line}");
    }
    let patch = lines.iter().find(|line| line["capability"] == "kubernetes-write.patch").unwrap();
    assert_eq!(text(patch, "fields"), "metadata.labels.surveyed");
}

const RULES: &str = "
- rule: R
  match: {rules: [good]}
  actions:
    - {action: Label it, actionner: 'kubernetes:label', parameters: {labels: {seen: 'true'}}}
- rule: E
  match: {rules: [bad]}
  actions:
    - {action: End it, actionner: 'kubernetes:terminate'}
";

/// A host that labels pods, and where it keeps its record.
struct Place {
    folder: TempDir,
    simulation: Simulation,
    config: Config,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules.yaml"), RULES).unwrap();
        let mut config = config(folder.path());
        config.deduplication.window = Duration::ZERO;
        Self { folder, simulation: Simulation::from_yaml(CLUSTER).unwrap(), config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn start(&self) -> Host {
        let host = Host::start(self.config.clone(), self.simulation.client()).await;
        host.unwrap_or_else(|log| panic!("{}", told(&log.lines())))
    }

    /// What `audit show` answers, and what it notes.
    fn show(&self, arguments: &[&str]) -> (String, String) {
        #[derive(Parser)]
        struct Arguments {
            #[command(flatten)]
            audit: host::testing::audit::Audit,
        }
        let words = ["audit", "show", "--format", "json"].iter().chain(arguments);
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        Arguments::parse_from(words).audit.show(&self.config, &mut out, &mut notes).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap())
    }
}

/// How the action on this pod ended.
async fn ended(host: &Host, pod: &str) -> String {
    let line = host.log.line("action", |line| text(line, "pod") == pod || text(line, "error").contains(pod)).await;
    format!("{}: {}{}", text(&line, "status"), text(&line, "error"), text(&line, "output"))
}

async fn metric(host: &Host, name: &str) -> u64 {
    let (_, metrics) = host.request("GET", "/metrics", b"").await;
    let sample = |line: &str| line.strip_prefix("falcosecurity_falco_talon_")?.strip_prefix(name)?.trim().parse().ok();
    metrics.lines().find_map(sample).unwrap_or_else(|| panic!("no {name} in {metrics}"))
}

async fn until_ready_says(host: &Host, says: &str) {
    while !host.request("GET", "/readyz?verbose", b"").await.1.contains(says) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_data_folder_has_a_record_which_is_set_aside_and_shown_whole() {
    let mut place = Place::new();
    place.config.data_dir = Some(place.path("data"));
    place.config.audit.bytes_max = 500;
    let host = place.start().await;
    for pod in ["web-0", "web-1", "gone-0"] {
        host.post(event("good", pod)).await;
        host.wait_until_idle().await;
    }
    host.stop().await;
    let files = fs::read_dir(place.path("data/audit")).unwrap().count();
    assert!(files > 1, "{files}");
    let (all, notes) = place.show(&[]);
    let lines: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(notes, "");
    let of = |pod: &str| lines.iter().filter(|line| text(line, "pod") == pod).count();
    assert_eq!((of("shop/web-0"), of("shop/web-1"), of("shop/gone-0")), (1, 1, 1), "{all}");
    assert!(lines.is_sorted_by_key(|line| text(line, "time")));
    let count = |arguments: &[&str]| place.show(arguments).0.lines().count();
    assert_eq!(count(&["--pod", "shop/web-1"]), 1);
    assert_eq!(count(&["--trace-id", text(&lines[0], "trace_id")]), 1);
    assert_eq!(count(&["--decision", "denied"]), 0);
    assert_eq!(count(&["--actionner", "kubernetes:label", "--decision", "allowed"]), lines.len());
    assert_eq!(count(&["--actionner", "kubernetes:terminate"]), 0);
}

#[tokio::test]
async fn a_record_that_was_moved_or_removed_goes_on() {
    let mut place = Place::new();
    place.config.audit.file = Some(place.path("audit.log"));
    let host = place.start().await;
    let act = async |pod| {
        host.post(event("good", pod)).await;
        host.wait_until_idle().await;
        while place.show(&["--pod", &format!("shop/{pod}")]).0.lines().count() != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    act("web-0").await;
    fs::rename(place.path("audit.log"), place.path("moved.log")).unwrap();
    fs::write(place.path("audit.log"), "").unwrap();
    act("web-1").await;
    assert!(place.show(&["--pod", "shop/web-0"]).0.is_empty());
    assert_eq!(fs::read_to_string(place.path("moved.log")).unwrap().lines().count(), 1);
    fs::remove_file(place.path("audit.log")).unwrap();
    fs::write(place.path("audit.log"), "").unwrap();
    act("web-0").await;
    host.stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_written_is_said_and_counted() {
    let mut place = Place::new();
    place.config.audit.file = Some("/dev/full".into());
    let host = place.start().await;
    host.post(event("good", "web-0")).await;
    assert!(ended(&host, "web-0").await.starts_with("success: "), "the record is not required");
    until_ready_says(&host, "[-]audit excluded: failed: the audit record can't be written: no storage space").await;
    assert_eq!(metric(&host, "audit_missing_line_total").await, 1);
    let lines = host.stop().await;
    let told: Vec<_> = lines.iter().filter(|line| line["message"] == "audit").map(|line| text(line, "error")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("the audit record can't be written, and what is missing is counted: /dev/full: "));
}

#[tokio::test]
async fn on_a_full_disk_no_line_is_lost_without_a_word() {
    let mut place = Place::new();
    let Some(disk) = Disk::mount(&place.path("disk"), 64 << 10) else { return };
    place.config.audit.file = Some(disk.path().join("audit.log"));
    let host = place.start().await;
    // It takes a few lines more, and then a half.
    disk.fill();
    let (mut posted, mut missing) = (0, 0);
    while missing < 10 {
        host.post(event("good", "web-0")).await;
        posted += 1;
        host.wait_until_idle().await;
        missing = metric(&host, "audit_missing_line_total").await;
    }
    disk.free();
    until_ready_says(&host, "[+]audit ok").await;
    host.post(event("good", "web-1")).await;
    host.wait_until_idle().await;
    let missing = metric(&host, "audit_missing_line_total").await;
    host.stop().await;
    let (all, notes) = place.show(&[]);
    let (gaps, whole): (Vec<&str>, Vec<&str>) = all.lines().partition(|line| line.contains("lines are missing here"));
    let told = gaps.iter().map(|gap| {
        let gap: Value = serde_json::from_str(gap).unwrap();
        text(&gap, "error").split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    assert_eq!(told.sum::<u64>(), missing, "{all}");
    assert!(notes.lines().count() <= gaps.len(), "{notes}");
    assert_eq!(whole.len() as u64 + missing, posted + 1, "{all}");
}

#[tokio::test]
async fn where_the_record_is_required_nothing_is_written_without_it() {
    let mut place = Place::new();
    let (here, away) = (place.path("audit"), place.path("away"));
    fs::create_dir(&here).unwrap();
    place.config.audit.file = Some(here.join("audit.log"));
    place.config.audit.required = true;
    let host = place.start().await;
    let writes = |requests: &[RecordedRequest]| requests.iter().filter(|request| request.method == "PATCH").count();
    host.post(event("good", "web-0")).await;
    assert!(ended(&host, "web-0").await.starts_with("success: "));
    fs::rename(&here, &away).unwrap();
    host.post(event("good", "web-1")).await;
    host.log.line("audit", |line| text(line, "error").contains("can't be written")).await;
    until_ready_says(&host, "[-]audit excluded").await;
    assert_eq!(writes(&place.simulation.requests()), 1);
    fs::rename(&away, &here).unwrap();
    assert!(ended(&host, "web-1").await.starts_with("success: "));
    assert_eq!(writes(&place.simulation.requests()), 2);
    host.stop().await;
    let of = |pod: &str| -> Vec<String> {
        let lines = place.show(&["--pod", pod]).0;
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| format!("{} {}", text(&line, "capability"), text(&line, "status"))).collect()
    };
    let whole = ["kubernetes-write.patch begun", "kubernetes-write.patch success"];
    assert_eq!(of("shop/web-0").iter().filter(|line| line.as_str() != " ").collect::<Vec<_>>(), whole);
    assert!(of("shop/web-1").ends_with(&whole.map(str::to_owned)), "{:?}", of("shop/web-1"));
    assert!(of("shop/web-1").contains(&" ".to_owned()), "no gap is told: {:?}", of("shop/web-1"));
}

#[tokio::test]
async fn a_write_without_its_record_is_unavailable_and_a_read_is_not() {
    let mut place = Place::new();
    place.config.audit.file = Some("/dev/full".into());
    place.config.audit.required = true;
    place.config.retry.attempts_max = 1;
    let host = place.start().await;
    host.post(event("bad", "web-0")).await;
    let ended = ended(&host, "web-0").await;
    assert!(ended.starts_with("failure: ") && ended.contains("the audit record, which is required"), "{ended}");
    let requests = place.simulation.requests();
    assert!(requests.iter().all(|request| request.method == "GET"));
    assert!(!requests.is_empty());
    host.stop().await;
}
