//! Events, as a real API server takes them.

use host::testing::{Cluster, Kubernetes, Notice, Notifier, Stage};
use http::Request;
use serde_json::{Value, json};
use simulation::Simulation;

use super::{notice, notifiers};
use crate::cluster;

async fn post(client: &kube::Client, path: &str, body: Value) -> Value {
    client.request(Request::post(path).body(body.to_string().into_bytes()).unwrap()).await.unwrap()
}

async fn get(client: &kube::Client, path: &str) -> Value {
    client.request(Request::get(path).body(Vec::new()).unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_on_the_pod_and_in_its_namespace() {
    let Some(client) = cluster::client(None).await else {
        assert!(std::env::var_os("CI").is_none(), "this must not be skipped in CI");
        return;
    };
    let namespace = json!({"metadata": {"generateName": "told-"}});
    let namespace = post(&client, "/api/v1/namespaces", namespace).await;
    let namespace = namespace["metadata"]["name"].as_str().unwrap();
    let pod = json!({
        "metadata": {"name": "web-0"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": false},
    });
    let pod = post(&client, &format!("/api/v1/namespaces/{namespace}/pods"), pod).await;
    let uid = pod["metadata"]["uid"].as_str().unwrap();

    let kubernetes = Kubernetes::connect(&Cluster::Client(client.clone()), None).await.unwrap();
    let notifiers = notifiers("", &[]);
    let objects = |namespace: &str, pod: &str| {
        [("namespace", namespace), ("pod", pod)].map(|(a, b)| (a.to_owned(), b.to_owned())).into()
    };
    // Made after the pod, by whoever's clock.
    let time = "2100-01-01T00:00:00.5Z".parse().unwrap();
    let action = Notice { objects: objects(namespace, "web-0"), time, ..notice() };
    let output = Notice {
        stage: Stage::Output,
        status: "failure".to_owned(),
        uid: Some(uid.to_owned()),
        output_target: "aws:s3".to_owned(),
        event: "ä'".repeat(2_000),
        ..action.clone()
    };
    for notice in [&action, &output] {
        let said = notifiers.send(Notifier::K8sEvents, notice, kubernetes.as_ref()).await.unwrap();
        assert!(said.starts_with(&format!("created {namespace}/falco-talon-")), "{said}");
    }
    let said = notifiers.send(Notifier::K8sEvents, &action, kubernetes.as_ref()).await.unwrap();
    assert_eq!(said, format!("it is in {namespace} already"));
    let events = get(&client, &format!("/api/v1/namespaces/{namespace}/events")).await;
    let events = events["items"].as_array().unwrap().iter();
    // Controllers have events of their own.
    let events: Vec<_> =
        events.filter(|event| event["reportingComponent"] == "falcosecurity.org/falco-talon").collect();
    assert_eq!(events.len(), 2);
    for event in events {
        let involved = json!({
            "apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": "web-0", "uid": uid,
        });
        assert_eq!(event["involvedObject"], involved);
        let is_output = event["reason"] == "falco-talon:output:aws:s3:failure";
        assert_eq!(event["type"], if is_output { "Warning" } else { "Normal" });
        assert!(is_output || event["reason"] == "falco-talon:action:kubernetes:label:success", "{event}");
    }

    for (objects, expected) in [
        (objects("no-such-namespace", "web-0"), "created default/falco-talon-"),
        (objects("../../nodes", "x"), "created default/falco-talon-"),
        ([("node".to_owned(), "node-1".to_owned())].into(), "created default/falco-talon-"),
        ([("namespace".to_owned(), namespace.to_owned())].into(), &format!("created {namespace}/falco-talon-")),
    ] {
        let notice = Notice { objects, trace_id: expected.to_owned(), ..action.clone() };
        let unlike = Notice { rule: format!("{:?}", notice.objects), ..notice };
        let said = notifiers.send(Notifier::K8sEvents, &unlike, kubernetes.as_ref()).await.unwrap();
        assert!(said.starts_with(expected), "{:?}: {said}", unlike.objects);
    }

    // It goes, and takes nothing new in.
    let delete = Request::delete(format!("/api/v1/namespaces/{namespace}")).body(Vec::new()).unwrap();
    client.request::<Value>(delete).await.unwrap();
    let late = Notice { trace_id: "late".to_owned(), ..action };
    let said = notifiers.send(Notifier::K8sEvents, &late, kubernetes.as_ref()).await.unwrap();
    assert!(said.starts_with("created default/falco-talon-"), "{said}");
}

#[tokio::test]
async fn what_is_in_a_namespace_that_goes_is_said_outside_of_it() {
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: prod, finalizers: [acme.example/keep]}}";
    let client = Simulation::from_yaml(namespace).unwrap().client();
    let delete = Request::delete("/api/v1/namespaces/prod").body(Vec::new()).unwrap();
    client.request::<Value>(delete).await.unwrap();
    let kubernetes = Kubernetes::connect(&Cluster::Client(client), None).await.unwrap();
    let said = notifiers("", &[]).send(Notifier::K8sEvents, &notice(), kubernetes.as_ref()).await.unwrap();
    assert!(said.starts_with("created default/falco-talon-"), "{said}");
}
