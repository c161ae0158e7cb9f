//! Real events and malformed bodies, from the folder that `FALCO_DATA_DIR` names.

use std::fs;
use std::path::Path;

use host::simulation::Simulation;
use rules::Event;

use crate::running::{Host, config, told};

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
        r"^/(api/v1|apis/networking\.k8s\.io/v1)/namespaces/[a-z0-9-]+/(pods|networkpolicies)/[a-z0-9.-]+(\?fieldManager=falco-talon(&force=false)?)?$",
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
