//! Real events and malformed bodies, from the folder that `FALCO_DATA_DIR` names.

use std::fs;
use std::path::Path;

use host::testing::Audit;
use host::testing::Cluster;
use host::testing::Metrics;
use host::testing::Reporting;
use host::testing::{Cache, Engine};
use host::testing::{Format, Logger};
use host::testing::{Loader, Problem};
use rules::Event;
use simulation::Simulation;

use crate::running::{Host, compiler, config, told};

/// All three actionners, for whatever comes.
const RULES: &str = "
- rule: Respond to everything
  match: {priority: '>=Debug'}
  actions:
    - action: Label it
      actionner: kubernetes:label
      parameters: {labels: {suspicious: 'true'}}
      ignore_errors: true
    - {action: Isolate it, actionner: 'kubernetes:networkpolicy', ignore_errors: true}
    - {action: Terminate it, actionner: 'kubernetes:terminate', ignore_errors: true}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_body_is_answered_and_the_host_stays_up() {
    let Some(data) = std::env::var_os("FALCO_DATA_DIR") else {
        eprintln!("skipped: FALCO_DATA_DIR names no folder");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), RULES).unwrap();
    let simulation = Simulation::from_yaml("").unwrap();
    let config = config(folder.path());
    let body_bytes_max = config.server.body_bytes_max;
    let host = Host::start(config, simulation.client()).await.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    let mut wrong = Vec::new();
    for kind in ["events", "malformed"] {
        for entry in fs::read_dir(Path::new(&data).join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let body = fs::read(&path).unwrap();
            // Which bodies are events is what the tests of `rules` hold against the same files.
            let expected = match Event::from_json(&body) {
                _ if body.len() > body_bytes_max => 413,
                Ok(_) => 200,
                Err(_) => 400,
            };
            let (status, text) = host.request("POST", "/", &body).await;
            if status != expected {
                wrong.push(format!("{}: {status} rather than {expected}: {text}", path.display()));
            }
        }
    }
    assert_eq!(host.request("GET", "/healthz", b"").await.0, 200);
    host.stop().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    check_requests(&simulation);
}

/// Whatever was sent, each request is about one object by a well-formed name.
fn check_requests(simulation: &Simulation) {
    let path = regex::Regex::new(
        r"^/(api/v1|apis/networking\.k8s\.io/v1)/namespaces/[a-z0-9-]+/(pods|networkpolicies)/[a-z0-9.-]+(\?fieldManager=falco-talon\.kubernetes\.[a-z]+&fieldValidation=Strict(&force=false)?)?$",
    );
    let path = path.unwrap();
    let requests = simulation.requests();
    assert!(!requests.is_empty());
    for request in requests {
        assert!(path.is_match(&request.path), "{} {}", request.method, request.path);
        assert!(!request.path.contains("kube-system"), "{}", request.path);
        let name = request.path.split('?').next().unwrap_or_default();
        assert!(!name.split('/').any(|segment| segment == ".." || segment == "."), "{name}");
    }
}

/// Published rules that Falco Talon takes and this host does not, each for a mistake that it names.
const REFUSED: [(&str, &str); 3] = [
    (
        "docs-2024-06-actionners-intro.yaml",
        "unknown key 'contexts' in an action block; did you mean 'additional_contexts'?",
    ),
    (
        "docs-actionners-intro-contexts-key.yaml",
        "unknown key 'contexts' in an action block; did you mean 'additional_contexts'?",
    ),
    (
        "docs-rules-example-camelcase-params.yaml",
        "unknown parameter 'ignoreDaemonsets'; did you mean 'ignore_daemonsets'?",
    ),
];

#[tokio::test]
async fn published_rules_are_taken_or_refused_as_falco_talon_does() {
    let Some(data) = std::env::var_os("FALCO_DATA_DIR") else {
        eprintln!("skipped: FALCO_DATA_DIR names no folder");
        return;
    };
    let data = Path::new(&data);
    let table = fs::read_to_string(data.join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut loader = loader(folder.path());
    let (mut files, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(data.join("talon-rules")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let row = table.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap();
        // The fifth column; a file without rules is taken, whatever it says of a later use.
        let verdict = row.split('|').nth(5).unwrap().trim();
        let is_taken = verdict.starts_with("valid") || verdict.starts_with("fragment");
        let refusal = REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, message)| *message);
        loader.rules_files = vec![path];
        files += 1;
        match (loader.load().await, refusal) {
            (Ok(_), None) if is_taken => {}
            (Err(_), None) if !is_taken => {}
            (Err(problems), Some(message)) if problems.iter().any(|problem| problem.to_string() == message) => {}
            (Ok(_), _) => wrong.push(format!("{name} is taken, and should be: {verdict}")),
            (Err(problems), _) => {
                let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
                wrong.push(format!("{name} should be {verdict}, and is refused: {}", problems.join("; ")));
            }
        }
    }
    assert!(files > 0, "no files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A loader of the files in `folder` that reaches no cluster.
pub(crate) fn loader(folder: &Path) -> Loader {
    let config = config(folder);
    let logger = Logger::new(Format::Json, std::io::sink());
    let metrics = Metrics::new("0", 1).unwrap();
    let reporting = Reporting::new(logger.clone(), metrics, Audit::to_log(logger));
    let cache = config.cache_dir.as_deref().map(|directory| Cache::open(directory).unwrap());
    Loader::new(&config, Cluster::None, Engine::new(1, compiler()).unwrap(), cache, reporting)
}
