//! What the host says of its own health, while something around it is wrong.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use simulation::{Failure, Matcher, Simulation};

use crate::crowds::Gate;
use crate::hostile::{CLUSTER, event};
use crate::running::{Host, config, text, told};

const RULES: &str = "
- rule: R
  match: {rules: [good]}
  actions:
    - {action: Label it, actionner: 'kubernetes:label', parameters: {labels: {seen: 'true'}}}
";

/// A host with these rules, which it watches.
async fn start(folder: &Path, rules: &str, client: kube::Client) -> Host {
    fs::write(folder.join("rules.yaml"), rules).unwrap();
    let mut config = config(folder);
    config.watch_rules = true;
    Host::start(config, client).await.unwrap_or_else(|log| panic!("{}", told(&log.lines())))
}

/// Ask until the answer has this status and this in its body.
async fn until(host: &Host, path: &str, expected: u16, says: &str) {
    loop {
        let (status, body) = host.request("GET", path, b"").await;
        if status == expected && body.contains(says) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// The answer to `/readyz?verbose`, and the samples that say the same.
async fn check(host: &Host, expected: Expect) {
    let (status, body) = host.request("GET", "/readyz?verbose", b"").await;
    let (_, metrics) = host.request("GET", "/metrics", b"").await;
    let samples = metrics.lines().filter_map(|line| line.strip_prefix("falcosecurity_falco_talon_check{"));
    let samples: String = samples.map(|sample| format!("{{{sample}\n")).collect();
    expected.assert_eq(&format!("{status}\n{body}{samples}"));
}

#[tokio::test]
async fn rules_that_are_refused_show_and_refuse_no_event() {
    let (folder, simulation) = (tempfile::tempdir().unwrap(), Simulation::from_yaml(CLUSTER).unwrap());
    let host = start(folder.path(), RULES, simulation.client()).await;
    until(&host, "/startupz", 200, "ok").await;
    check(
        &host,
        expect![[r#"
            200
            [+]store ok
            [+]shutdown ok
            [+]rules ok
            [+]cluster ok
            [-]disk excluded: failed: 'data_dir' is not set: events that wait are in memory, and lost with the process
            [+]log ok
            readyz check passed
            {check="cluster"} 1
            {check="disk"} 0
            {check="log"} 1
            {check="rules"} 1
            {check="shutdown"} 1
            {check="store"} 1
        "#]],
    )
    .await;
    fs::write(folder.path().join("rules.yaml"), RULES.replace("kubernetes:label", "kubernetes:lable")).unwrap();
    until(&host, "/readyz?verbose", 200, "[-]rules").await;
    check(
        &host,
        expect![[r#"
            200
            [+]store ok
            [+]shutdown ok
            [-]rules excluded: failed: they are invalid, and those loaded before stay in force; the log says what is wrong
            [+]cluster ok
            [-]disk excluded: failed: 'data_dir' is not set: events that wait are in memory, and lost with the process
            [+]log ok
            readyz check passed
            {check="cluster"} 1
            {check="disk"} 0
            {check="log"} 1
            {check="rules"} 0
            {check="shutdown"} 1
            {check="store"} 1
        "#]],
    )
    .await;
    assert_eq!(host.request("GET", "/readyz", b"").await, (200, r#"{"status": "ok"}"#.to_owned()));
    host.post(event("good", "web-0")).await;
    fs::write(folder.path().join("rules.yaml"), format!("{RULES}\n")).unwrap();
    until(&host, "/readyz?verbose", 200, "[+]rules ok").await;
    host.stop().await;
}

#[tokio::test]
async fn a_start_waits_for_the_api_server_and_events_do_not() {
    let (folder, simulation) = (tempfile::tempdir().unwrap(), Simulation::from_yaml(CLUSTER).unwrap());
    let (gate, client) = Gate::before(&simulation, "/version");
    let host = start(folder.path(), RULES, client).await;
    gate.holds(1).await;
    assert_eq!(host.request("GET", "/startupz", b"").await, (503, r#"{"status": "not started"}"#.to_owned()));
    check(
        &host,
        expect![[r#"
            200
            [+]store ok
            [+]shutdown ok
            [+]rules ok
            [-]cluster excluded: failed: the API server has not answered yet
            [-]disk excluded: failed: 'data_dir' is not set: events that wait are in memory, and lost with the process
            [+]log ok
            readyz check passed
            {check="cluster"} 0
            {check="disk"} 0
            {check="log"} 1
            {check="rules"} 1
            {check="shutdown"} 1
            {check="store"} 1
        "#]],
    )
    .await;
    host.post(event("good", "web-0")).await;
    gate.open();
    until(&host, "/startupz", 200, "ok").await;
    check(
        &host,
        expect![[r#"
            200
            [+]store ok
            [+]shutdown ok
            [+]rules ok
            [+]cluster ok
            [-]disk excluded: failed: 'data_dir' is not set: events that wait are in memory, and lost with the process
            [+]log ok
            readyz check passed
            {check="cluster"} 1
            {check="disk"} 0
            {check="log"} 1
            {check="rules"} 1
            {check="shutdown"} 1
            {check="store"} 1
        "#]],
    )
    .await;
    host.stop().await;
}

#[tokio::test]
async fn an_api_server_that_is_away_at_the_start_is_named() {
    let (folder, simulation) = (tempfile::tempdir().unwrap(), Simulation::from_yaml(CLUSTER).unwrap());
    simulation.fail(Matcher::any().path("/version"), vec![Failure::Disconnect; 2]);
    let host = start(folder.path(), RULES, simulation.client()).await;
    until(&host, "/startupz", 200, "ok").await;
    let lines = host.stop().await;
    let named: Vec<_> = lines.iter().filter(|line| text(line, "error").contains("has not answered yet")).collect();
    assert_eq!(named.len(), 1, "{lines:#?}");
    assert_eq!((text(named[0], "level"), text(named[0], "category")), ("warn", "kubernetes"));
}

#[tokio::test]
async fn no_api_server_is_waited_for_where_no_rule_needs_one() {
    let (folder, simulation) = (tempfile::tempdir().unwrap(), Simulation::from_yaml(CLUSTER).unwrap());
    let (_gate, client) = Gate::before(&simulation, "/");
    let host = start(folder.path(), "[]", client).await;
    until(&host, "/startupz", 200, "ok").await;
    check(
        &host,
        expect![[r#"
            200
            [+]store ok
            [+]shutdown ok
            [+]rules ok
            [-]disk excluded: failed: 'data_dir' is not set: events that wait are in memory, and lost with the process
            [+]log ok
            readyz check passed
            {check="disk"} 0
            {check="log"} 1
            {check="rules"} 1
            {check="shutdown"} 1
            {check="store"} 1
        "#]],
    )
    .await;
    host.stop().await;
}
