//! How a write ends whose answer is lost: nobody says that it was not carried out, and only what may run twice does.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use kube::client::Body;
use serde_json::Value;
use simulation::Simulation;
use tower::BoxError;

use crate::hostile::{CLUSTER, event};
use crate::running::{Host, config, text};

/// Carries out the first write to each path, and breaks the connection before the answer.
fn losing_answers(simulation: &Simulation) -> kube::Client {
    let (client, lost) = (simulation.client(), Arc::new(Mutex::new(BTreeSet::new())));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (client, lost) = (client.clone(), lost.clone());
        async move {
            let key = (request.method().clone().to_string(), request.uri().path().to_owned());
            let is_write = *request.method() != Method::GET;
            let response = client.send(request).await.map_err(BoxError::from)?;
            if is_write && lost.lock().unwrap().insert(key) {
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into());
            }
            Ok::<_, BoxError>(response)
        }
    });
    kube::Client::new(service, "default")
}

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
    let host = Host::start(config, losing_answers(&simulation)).await.unwrap_or_else(|_| panic!("it does not start"));
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
    assert_eq!(text(&action, "status"), "failure");
    let expected = "can't terminate the pod 'web-0' in the namespace 'shop': it may have been carried out: \
                    the connection to the API server broke";
    assert_eq!(text(&action, "error"), expected);
    assert_eq!(ends, ["unknown"]);
    let deletions = simulation.requests().iter().filter(|request| request.method == "DELETE").count();
    assert_eq!(deletions, 1);
}
