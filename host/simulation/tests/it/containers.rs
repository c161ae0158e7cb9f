//! What the simulation does in the place of a kubelet and a job controller, where no answer shows it.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{Api, AttachParams, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams};
use serde_json::json;
use simulation::Simulation;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::processes;

const CLUSTER: &str = "
apiVersion: v1
kind: Node
metadata: {name: node-1}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: shop
  annotations: {simulation.falco-talon.org/previous-log.web: 'it fell over'}
spec: {nodeName: node-1, containers: [{name: web, image: web:1}]}
";

fn cluster() -> (Simulation, Api<Pod>) {
    let simulation = Simulation::from_yaml(CLUSTER).expect("a cluster");
    let pods = Api::namespaced(simulation.client(), "shop");
    (simulation, pods)
}

fn is_running(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some())
}

#[tokio::test]
async fn nothing_is_run_unless_somebody_says_how() {
    let (_, pods) = cluster();
    let mut process = pods.exec("web-0", ["true"], &AttachParams::default()).await.expect("an upgrade");
    let status = process.take_status().expect("not taken").await.expect("a status");
    assert_eq!(status.reason.as_deref(), Some("InternalError"));
    assert!(status.message.is_some_and(|text| text.ends_with("nothing is run in a simulation")));
}

#[tokio::test]
async fn a_command_ends_with_its_connection() {
    let (simulation, pods) = cluster();
    processes::run_commands(&simulation);
    let command = ["sh", "-c", "sleep 600 & echo $!; wait"];
    let mut process = pods.exec("web-0", command, &AttachParams::default()).await.expect("an upgrade");
    let mut lines = BufReader::new(process.stdout().expect("not taken")).lines();
    let child = lines.next_line().await.expect("output").expect("a line");
    let place = Path::new("/proc").join(child);
    assert!(place.exists());
    drop(process);
    while place.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_ephemeral_container_runs() {
    let (simulation, pods) = cluster();
    processes::run_commands(&simulation);
    let added = json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "tools:1"}]}});
    let parameters = PatchParams::default();
    pods.patch_ephemeral_containers("web-0", &parameters, &Patch::Strategic(added)).await.expect("a container more");
    let status = pods.get("web-0").await.expect("the pod").status.expect("a status");
    assert!(status.ephemeral_container_statuses.expect("statuses").iter().all(is_running));
    let parameters = AttachParams::default().container("debug");
    let mut process = pods.exec("web-0", ["true"], &parameters).await.expect("an upgrade");
    let status = process.take_status().expect("not taken").await.expect("a status");
    assert_eq!(status.status.as_deref(), Some("Success"));
}

#[tokio::test]
async fn a_job_has_a_running_pod_until_it_is_deleted() {
    let (simulation, _) = cluster();
    let (jobs, pods): (Api<Job>, Api<Pod>) =
        (Api::namespaced(simulation.client(), "shop"), Api::all(simulation.client()));
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "a:1"}]}});
    let job = json!({"metadata": {"name": "task"}, "spec": {"template": template}});
    jobs.create(&PostParams::default(), &serde_json::from_value(job).expect("a job")).await.expect("a job");
    let status = jobs.get("task").await.expect("the job").status.expect("a status");
    assert_eq!((status.active, status.ready), (Some(1), Some(1)));
    let of_job = ListParams::default().labels("batch.kubernetes.io/job-name=task");
    let found = pods.list(&of_job).await.expect("a list").items;
    let [pod] = found.as_slice() else { panic!("{found:?}") };
    assert!(pod.metadata.name.as_ref().is_some_and(|name| name.starts_with("task-")));
    assert_eq!(pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()), Some("node-1"));
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    assert!(statuses.expect("statuses").iter().all(|status| status.ready && is_running(status)));
    jobs.delete("task", &DeleteParams::background()).await.expect("a deletion");
    simulation.finish_terminations();
    assert_eq!(pods.list(&of_job).await.expect("a list").items, []);
}

#[tokio::test]
async fn the_log_of_a_former_run_is_another() {
    let (_, pods) = cluster();
    assert_eq!(pods.logs("web-0", &LogParams::default()).await.expect("a log"), "");
    let former = LogParams { previous: true, ..LogParams::default() };
    assert_eq!(pods.logs("web-0", &former).await.expect("a log"), "it fell over");
}
