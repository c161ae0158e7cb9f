//! The demo shows what the README says of it: a label on the pod, and a denial.

use std::fs;
use std::path::Path;

use simulation::Simulation;

use crate::running::{Host, config, text, told};

#[tokio::test]
async fn the_demo_labels_the_pod_and_is_denied_the_node() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src/cli/demo");
    let read = |name: &str| fs::read_to_string(demo.join(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["rules.yaml", "policy.yaml"] {
        fs::write(folder.path().join(name), read(name)).unwrap();
    }
    let simulation = Simulation::from_yaml(&read("cluster.yaml")).unwrap();
    let host = Host::start(config(folder.path()), simulation.client()).await;
    let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    host.post(read("event.json")).await;
    let lines = host.stop().await;
    let actions = lines.iter().filter(|line| line["message"] == "action");
    assert_eq!(actions.map(|line| text(line, "status")).collect::<Vec<_>>(), ["success", "denied"]);
    let denials = lines.iter().filter(|line| line["message"] == "policy" && !line["capability"].is_null());
    assert_eq!(denials.count(), 1);
}
