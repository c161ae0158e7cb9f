//! How a write ends whose answer is lost: nobody says that it was not carried out, and only what may run twice does.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use simulation::{Failure, Matcher, Simulation};

use crate::hostile::{CLUSTER, event};
use crate::running::{Host, config, text};

/// The line of the action, and the ends of its writes in the audit record.
async fn respond(action: &str) -> (Value, Vec<String>, Simulation) {
    let folder = tempfile::tempdir().unwrap();
    let rules = format!("- rule: R\n  match: {{rules: [shell]}}\n  actions:\n    - {action}\n");
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let simulation = Simulation::from_yaml(CLUSTER).unwrap();
    let mut config = config(folder.path());
    config.log_level = host::testing::Level::Debug;
    config.retry.backoff_min = Duration::from_millis(1);
    config.retry.backoff_max = Duration::from_millis(2);
    let lose_answer = |method: &str| simulation.fail(Matcher::any().method(method), [Failure::DisconnectAfterwards]);
    ["PATCH", "DELETE"].into_iter().for_each(lose_answer);
    let host = Host::start(config, simulation.client()).await.unwrap_or_else(|_| panic!("it does not start"));
    host.post(event("shell", "web-0")).await;
    let lines = host.stop().await;
    let writes = lines.iter().filter(|line| text(line, "capability").starts_with("kubernetes-write"));
    let ends = writes.filter(|line| line["message"] == "audit").map(|line| text(line, "status").to_owned()).collect();
    let action = lines.iter().find(|line| line["message"] == "action").unwrap().clone();
    (action, ends, simulation)
}

#[tokio::test]
async fn what_may_run_twice_runs_again() {
    let label = "{action: Label it, actionner: 'kubernetes:label', parameters: {labels: {seen: 'true'}}}";
    let (action, ends, _) = respond(label).await;
    assert_eq!(text(&action, "status"), "success", "{action}");
    assert_eq!(ends, ["unknown", "success"]);
}

#[tokio::test]
async fn what_may_not_ends_as_unknown() {
    let terminate = "{action: Terminate it, actionner: 'kubernetes:terminate'}";
    let (action, ends, simulation) = respond(terminate).await;
    assert_eq!(text(&action, "status"), "unknown");
    let expected = "can't terminate the pod 'web-0' in the namespace 'shop': it may have been carried out: \
                    the connection to the API server broke";
    assert_eq!(text(&action, "error"), expected);
    assert_eq!(ends, ["unknown"]);
    let deletions = simulation.requests().iter().filter(|request| request.method == "DELETE").count();
    assert_eq!(deletions, 1);
}
