//! What could not be brought to an end is found, explained, replayed and dropped: while the host runs, and without it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use expect_test::{Expect, expect};
use host::testing::Config;
use host::testing::events::Events;
use http::Method;
use kube::client::Body;
use regex::Regex;
use serde_json::Value;
use simulation::{Failure, Matcher, Simulation};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use crate::data::loader;
use crate::hostile::{CLUSTER, event};
use crate::running::{Host, PATIENCE, config, told};

const RULES: &str = "
- rule: Label
  match: {rules: [shell]}
  actions:
    - {action: Label it, actionner: 'kubernetes:label', parameters: {labels: {seen: 'true'}}}
- rule: Mark
  match: {rules: [exec]}
  actions:
    - {action: Mark it, actionner: 'kubernetes:label', parameters: {labels: {marked: 'true'}}}
";

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    events: Events,
}

struct Place {
    folder: TempDir,
    simulation: Simulation,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules.yaml"), RULES).unwrap();
        Self { folder, simulation: Simulation::from_yaml(CLUSTER).unwrap() }
    }

    fn config(&self) -> Config {
        let mut config = config(self.folder.path());
        config.data_dir = Some(self.folder.path().join("data"));
        config
    }

    fn socket(&self) -> bool {
        Path::exists(&self.folder.path().join("data/store/control.sock"))
    }

    async fn host(&self) -> Host {
        let host = Host::start(self.config(), self.simulation.client()).await;
        host.unwrap_or_else(|log| panic!("{}", told(&log.lines())))
    }

    /// Let the next write be refused.
    fn refuse_a_write(&self) {
        let failure = Failure::Status { code: 403, retry_after_s: None };
        self.simulation.fail(Matcher::any().method("PATCH"), [failure]);
    }

    /// What a command answers.
    async fn answer(&self, arguments: &str) -> String {
        let arguments = ["events"].into_iter().chain(arguments.split(' '));
        let Arguments { events } = Arguments::parse_from(arguments);
        let answered = events.answer(&self.config(), || Ok(loader(self.folder.path()))).await;
        answered.text + &answered.refused.iter().map(|line| format!("refused: {line}\n")).collect::<String>()
    }

    /// Wait until there are so many events that this finds: what has ended is written a moment later.
    async fn wait_for(&self, count: usize, arguments: &str) {
        while self.answer(arguments).await.lines().count() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The same without what differs from run to run.
    async fn check(&self, arguments: &str, expected: Expect) {
        let answer = self.answer(arguments).await.replace(&self.folder.path().display().to_string(), "FOLDER");
        let time = Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap();
        let id = Regex::new("[0-9a-f]{32}").unwrap();
        expected.assert_eq(&id.replace_all(&time.replace_all(&answer, "TIME"), "ID"));
    }
}

/// Holds writes up until it is opened.
struct Gate {
    open: watch::Sender<bool>,
    arrived: mpsc::UnboundedReceiver<()>,
}

impl Gate {
    fn before(client: kube::Client) -> (kube::Client, Self) {
        let (open, opened) = watch::channel(false);
        let (arrive, arrived) = mpsc::unbounded_channel();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (client, mut opened, arrive) = (client.clone(), opened.clone(), arrive.clone());
            async move {
                if request.method() == Method::PATCH {
                    arrive.send(()).unwrap();
                    opened.wait_for(|is_open| *is_open).await.unwrap();
                }
                client.send(request).await
            }
        });
        (kube::Client::new(service, "default"), Self { open, arrived })
    }

    async fn wait_for_a_write(&mut self) {
        tokio::time::timeout(PATIENCE, self.arrived.recv()).await.unwrap();
    }

    fn open(&self) {
        self.open.send_replace(true);
    }
}

#[tokio::test]
async fn a_dead_letter_is_replayed_by_the_host_that_runs() {
    let place = Place::new();
    place
        .check(
            "list",
            expect![[r#"
                refused: there is no store in 'FOLDER/data/store': a host with this 'data_dir' makes it
            "#]],
        )
        .await;
    let host = place.host().await;
    place.refuse_a_write();
    host.post(event("shell", "web-0")).await;
    place.wait_for(1, "list --status dead --format json").await;
    place.check("list --status dead", expect![[r#"
        ID  STATUS  RECEIVED              RULE   NAMESPACE  POD    REASON
        1   dead    TIME  shell  shop       web-0  Label it: failure: can't label the pod 'web-0' in the namespace 'shop': the API server forbids it to the host
    "#]]).await;
    place.check("show 1", expect![[r#"
        id          1
        status      dead
        reason      Label it: failure: can't label the pod 'web-0' in the namespace 'shop': the API server forbids it to the host
        received    TIME
        ended       TIME
        falco rule  shell
        pod         shop/web-0
        rules       Label
        trace id    ID
        uid         ID
        event       {"output":"a shell","output_fields":{"k8s.ns.name":"shop","k8s.pod.name":"web-0"},"priority":"Notice","rule":"shell","time":"TIME"}
        1. Label it of Label: failure, 1 attempt, TIME to TIME
           can't label the pod 'web-0' in the namespace 'shop': the API server forbids it to the host
             kubernetes-write.patch: patch pods shop/web-0: refused: the API server forbids it to the host
    "#]]).await;
    place
        .check(
            "replay 1 --dry-run",
            expect![[r#"
        1 would be answered by
          Label: Label it (kubernetes:label)
    "#]],
        )
        .await;
    place
        .check(
            "replay 1 7",
            expect![[r#"
        1 is replayed as 2
        refused: there is no event 7
    "#]],
        )
        .await;
    place.wait_for(2, "list --status done --format json").await;
    place.check("list", expect![[r#"
        ID  STATUS  RECEIVED              RULE   NAMESPACE  POD    REASON
        2   done    TIME  shell  shop       web-0
        1   done    TIME  shell  shop       web-0  replayed as 2; Label it: failure: can't label the pod 'web-0' in the namespace 'shop': the API server forbids it to the…
    "#]]).await;
    let shown: Value = serde_json::from_str(&place.answer("show 2 --format json").await).unwrap();
    assert_eq!((&shown["status"], &shown["steps"][0]["status"]), (&"done".into(), &"success".into()));
    let lines = place.answer(&format!("show {} --format json", shown["trace_id"].as_str().unwrap())).await;
    assert_eq!(lines.lines().count(), 2, "both are of one trace");
    place
        .check(
            "drop 1",
            expect![[r#"
        1 is dropped
    "#]],
        )
        .await;
    place
        .check(
            "drop 1",
            expect![[r#"
        refused: there is no event 1
    "#]],
        )
        .await;
    assert!(place.socket());
    host.stop().await;
    assert!(!place.socket());
    let pod = place.simulation.get("v1", "Pod", Some("shop"), "web-0").unwrap();
    assert_eq!(pod["metadata"]["labels"]["seen"], "true");
}

#[tokio::test]
async fn a_dead_letter_is_replayed_by_the_next_host() {
    let place = Place::new();
    let host = place.host().await;
    place.refuse_a_write();
    host.post(event("shell", "web-0")).await;
    place.wait_for(1, "list --status dead --format json").await;
    host.stop().await;
    place
        .check(
            "replay 1 2 --dry-run",
            expect![[r#"
        1 would be answered by
          Label: Label it (kubernetes:label)
        refused: there is no event 2
    "#]],
        )
        .await;
    place
        .check(
            "replay 1",
            expect![[r#"
        1 is replayed as 2 once the host runs
    "#]],
        )
        .await;
    place
        .check(
            "list --status waiting",
            expect![[r#"
        ID  STATUS   RECEIVED              RULE   NAMESPACE  POD    REASON
        2   waiting  TIME  shell  shop       web-0
    "#]],
        )
        .await;
    let host = place.host().await;
    place.wait_for(2, "list --status done --format json").await;
    place.check("list", expect![[r#"
        ID  STATUS  RECEIVED              RULE   NAMESPACE  POD    REASON
        2   done    TIME  shell  shop       web-0
        1   done    TIME  shell  shop       web-0  replayed as 2; Label it: failure: can't label the pod 'web-0' in the namespace 'shop': the API server forbids it to the…
    "#]]).await;
    host.stop().await;
}

#[tokio::test]
async fn what_waits_is_dropped_and_what_has_begun_is_not() {
    let place = Place::new();
    let (client, mut gate) = Gate::before(place.simulation.client());
    let mut config = place.config();
    config.deduplication.window = Duration::ZERO;
    let host = Host::start(config, client).await.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    host.post(event("shell", "web-0")).await;
    gate.wait_for_a_write().await;
    // They wait for the first one, and have one run.
    for _ in 0..3 {
        host.post(event("shell", "web-0")).await;
    }
    place
        .check(
            "list",
            expect![[r#"
        ID  STATUS   RECEIVED              RULE   NAMESPACE  POD    REASON
        4   waiting  TIME  shell  shop       web-0
        3   waiting  TIME  shell  shop       web-0
        2   waiting  TIME  shell  shop       web-0
        1   running  TIME  shell  shop       web-0
    "#]],
        )
        .await;
    place
        .check(
            "drop 1 2 3",
            expect![[r#"
        2 is dropped
        3 is dropped
        refused: the event 1 has begun, and can be dropped once it has ended
    "#]],
        )
        .await;
    place
        .check(
            "replay 1",
            expect![[r#"
        refused: the event 1 has not ended: what is dead or done can be replayed
    "#]],
        )
        .await;
    gate.open();
    place.wait_for(2, "list --status done --format json").await;
    place
        .check(
            "list",
            expect![[r#"
        ID  STATUS  RECEIVED              RULE   NAMESPACE  POD    REASON
        4   done    TIME  shell  shop       web-0
        1   done    TIME  shell  shop       web-0
    "#]],
        )
        .await;
    let lines = host.stop().await;
    assert_eq!(lines.iter().filter(|line| line["message"] == "action").count(), 2);
}
