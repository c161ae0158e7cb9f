//! A command that is refused: what its action says, and whether it is tried again.

use std::fs;
use std::time::Duration;

use expect_test::{Expect, expect};
use http::{Request, Response};
use kube::client::Body;
use serde_json::json;
use simulation::Simulation;

use crate::hostile::{CLUSTER, event};
use crate::running::{Host, config, text, told};
use crate::world::Requests;

const RUN: &str = "can't run the command in the container 'web' of the pod 'web-0' in the namespace 'shop'";
const MISSING: &str = "the pod 'web-0' in the namespace 'shop' or its container 'web' doesn't exist";

/// What answers a request for a command.
#[derive(Clone, Copy)]
enum From {
    /// The API server, in these words.
    Server(&'static str),
    /// What is before it, with a page for people.
    Proxy,
}

/// Run a command that is answered so: how the action ended, and how often it was tried.
async fn run(status: u16, from: From) -> String {
    let folder = tempfile::tempdir().unwrap();
    let rules = "- rule: R\n  match: {rules: [shell]}\n  actions:\n    \
                 - {action: Look, actionner: 'kubernetes:exec', parameters: {command: 'true', container: web}}\n";
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let simulation = Simulation::from_yaml(&CLUSTER.replace("spec: {", "spec: {nodeName: node-1, ")).unwrap();
    let cluster = simulation.client();
    let body = match from {
        From::Server(message) => {
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": message})
                .to_string()
        }
        From::Proxy => format!("<html><h1>{status}</h1></html>"),
    };
    let requests = Requests::default();
    let recorder = requests.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (cluster, body, recorder) = (cluster.clone(), body.clone(), recorder.clone());
        async move {
            let request = recorder.record(request).await?;
            if !request.uri().path().ends_with("/exec") {
                return cluster.send(request).await;
            }
            Ok::<_, kube::Error>(Response::builder().status(status).body(Body::from(body.into_bytes())).unwrap())
        }
    });
    let mut config = config(folder.path());
    config.retry.attempts_max = 2;
    config.retry.backoff_min = Duration::from_millis(1);
    config.retry.backoff_max = Duration::from_millis(2);
    let host = Host::start(config, kube::Client::new(service, "default")).await;
    let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    host.post(event("shell", "web-0")).await;
    let lines = host.stop().await;
    let action = lines.iter().find(|line| line["message"] == "action").unwrap();
    let tried = requests.all().iter().filter(|line| line.as_str().unwrap().contains("/exec")).count();
    let error = text(action, "error").replace(RUN, "can't run it").replace(MISSING, "it doesn't exist");
    format!("{}: {error} ({tried})", text(action, "status"))
}

#[tokio::test]
async fn the_status_of_a_refusal_is_what_is_said() {
    let check = async |status, from, expected: Expect| expected.assert_eq(&run(status, from).await);
    let forbidden = From::Server("pods \"web-0\" is forbidden: User \"falco-talon\" cannot create resource");
    check(403, forbidden, expect!["failure: can't run it: the API server forbids it to the host (1)"]).await;
    check(
        401,
        From::Server("Unauthorized"),
        expect!["failure: can't run it: the API server does not know the host's credentials (2)"],
    )
    .await;
    check(404, From::Server("pods \"web-0\" not found"), expect!["failure: it doesn't exist (1)"]).await;
    check(400, From::Server("container web is not valid for pod web-0"), expect!["failure: it doesn't exist (1)"])
        .await;
    check(
        400,
        From::Server("pod web-0 does not have a host assigned"),
        expect!["failure: can't run it: the pod has no node yet (2)"],
    )
    .await;
    check(429, From::Server("too many requests"), expect!["failure: can't run it: the API server is busy (2)"]).await;
    check(
        500,
        From::Server("error dialing backend: dial tcp 10.0.0.7:10250: refused"),
        expect!["failure: can't run it: the node of the pod can't be reached (2)"],
    )
    .await;
    check(500, From::Server("container not found (\"web\")"), expect!["failure: it doesn't exist (1)"]).await;
    check(503, From::Server("the server is starting"), expect!["failure: can't run it: the API server is busy (2)"])
        .await;
}

/// Nobody knows what was carried out behind whoever answers in the API server's place.
#[tokio::test]
async fn what_may_have_begun_is_not_tried_again() {
    let check = async |status, from, expected: Expect| expected.assert_eq(&run(status, from).await);
    check(
        500,
        From::Server("etcdserver: request timed out"),
        expect!["unknown: can't run it: it may have been carried out: the API server failed with the status 500 (1)"],
    )
    .await;
    check(
        502,
        From::Proxy,
        expect![
            "unknown: can't run it: it may have been carried out: the API server, or what is before it, gave up (1)"
        ],
    )
    .await;
    check(
        503,
        From::Proxy,
        expect!["unknown: can't run it: it may have been carried out: the API server failed with the status 503 (1)"],
    )
    .await;
    check(
        504,
        From::Proxy,
        expect![
            "unknown: can't run it: it may have been carried out: the API server, or what is before it, gave up (1)"
        ],
    )
    .await;
    check(403, From::Proxy, expect!["failure: can't run it: the API server forbids it to the host (1)"]).await;
}
