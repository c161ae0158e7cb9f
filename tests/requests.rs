//! What one call of an actionner makes the host send: bounded in sum, and each request with an end that is true.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use simulation::{Failure, Matcher, Simulation};

use crate::hostile::{CLUSTER, folder, guest};
use crate::running::{Host, config, text, told};

const GRANTS: &str = "    kubernetes:
      - {verbs: [get], resources: [pods]}
      - {verbs: [create], resources: [pods/exec, pods/eviction]}
";

/// How the call ended, how often each end is in the audit record, and how many requests of a method were sent.
struct Ended {
    action: String,
    ends: BTreeMap<String, usize>,
    simulation: Simulation,
}

impl Ended {
    fn requests(&self, path: &str) -> usize {
        self.simulation.requests().iter().filter(|request| request.path.contains(path)).count()
    }
}

async fn run(mode: &str, n: usize, limits: &str, simulation: Simulation) -> Ended {
    let folder = folder("hostile:requests", guest!("requests"), &format!("{GRANTS}    limits: {{{limits}}}\n"));
    let mut config = config(folder.path());
    config.audit.file = Some(folder.path().join("audit.log"));
    config.retry.backoff_min = Duration::from_millis(1);
    config.retry.backoff_max = Duration::from_millis(2);
    let host = Host::start(config, simulation.client()).await;
    let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    let fields = json!({"k8s.ns.name": "shop", "k8s.pod.name": "web-0", "sec.mode": mode, "sec.n": n.to_string()});
    host.post(
        json!({
            "rule": "bad", "priority": "Notice", "time": "2025-11-22T13:24:41Z", "output": "a shell",
            "output_fields": fields,
        })
        .to_string(),
    )
    .await;
    let lines = host.stop().await;
    let line = lines.iter().find(|line| line["message"] == "action").unwrap_or_else(|| panic!("{lines:#?}"));
    let action = format!("{}: {}{}", text(line, "status"), text(line, "error"), text(line, "output"));
    let mut ends = BTreeMap::new();
    for line in fs::read_to_string(folder.path().join("audit.log")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line.to_string().len() < 8_192, "a line is too long");
        *ends.entry(text(&line, "status").to_owned()).or_default() += 1;
    }
    Ended { action, ends, simulation }
}

fn cluster() -> Simulation {
    Simulation::from_yaml(CLUSTER).unwrap()
}

fn check(ended: &Ended, action: &Expect, ends: &[(&str, usize)]) {
    action.assert_eq(&ended.action);
    let expected: BTreeMap<String, usize> = ends.iter().map(|(status, count)| (status.to_string(), *count)).collect();
    assert_eq!(ended.ends, expected);
}

#[tokio::test]
async fn lists_have_an_end() {
    let ended = run("departures", 5_000, "cpu: 10s", cluster()).await;
    let expected =
        expect![[r#"success: Err(Error::Invalid("5000 objects are more than the 1000 that are waited for"))"#]];
    check(&ended, &expected, &[("failure", 1)]);
    let ended = run("evictions", 1_001, "cpu: 10s", cluster()).await;
    let expected =
        expect![[r#"success: Err(Error::Invalid("1001 pods are more than the 1000 that are evicted in one call"))"#]];
    check(&ended, &expected, &[("not_sent", 1)]);
    let ended = run("arguments", 1_001, "cpu: 10s", cluster()).await;
    let expected =
        expect![[r#"success: Err(Error::Invalid("1001 arguments are more than the 1000 that a command may have"))"#]];
    check(&ended, &expected, &[("not_sent", 1)]);
}

/// They are looked at when the wait begins and when it ends, and seldom meanwhile.
#[tokio::test]
async fn a_wait_for_many_asks_seldom() {
    let ended = run("departures", 100, "cpu: 10s", cluster()).await;
    check(&ended, &expect!["success: Ok(100)"], &[("success", 1)]);
    let requests = ended.requests("/pods/web-0");
    assert!((100..=250).contains(&requests), "{requests}");
}

#[tokio::test]
async fn requests_are_counted_also_where_one_host_call_makes_them() {
    let ended = run("departures", 100, "cpu: 10s, requests: 30", cluster()).await;
    let expected = expect![
        "failure: the actionner needed more than the 30 requests that the policy allows; what it had begun may have been carried out"
    ];
    check(&ended, &expected, &[("failure", 1)]);
    assert_eq!(ended.requests("/pods/web-0"), 30);
    let ended = run("evictions", 5, "cpu: 10s, requests: 3", cluster()).await;
    let expected = expect![
        "failure: the actionner needed more than the 3 requests that the policy allows; what it had begun may have been carried out"
    ];
    check(&ended, &expected, &[("not_sent", 2), ("refused", 2), ("success", 1)]);
    assert_eq!(ended.requests("/eviction"), 3);
}

#[tokio::test]
async fn requests_that_are_sent_again_are_counted() {
    let simulation = cluster();
    let busy = || Failure::Status { code: 429, retry_after_s: Some(0) };
    simulation.fail(Matcher::any().path("/api/v1/namespaces/shop/pods/web-0/eviction"), [busy(), busy(), busy()]);
    let ended = run("evictions", 1, "cpu: 10s, requests: 2", simulation).await;
    let expected = expect![
        "failure: the actionner needed more than the 2 requests that the policy allows; what it had begun may have been carried out"
    ];
    check(&ended, &expected, &[("not_sent", 1)]);
    assert_eq!(ended.requests("/eviction"), 2);
}

#[tokio::test]
async fn what_was_not_sent_is_not_unknown() {
    let ended = run("evictions", 10, "cpu: 10s, host_calls: 5", cluster()).await;
    let expected = expect!["failure: the actionner made more than the 5 host calls that the policy allows"];
    check(&ended, &expected, &[("not_sent", 5)]);
    assert_eq!(ended.requests("/eviction"), 0);
    // Sixteen are on their way when the time is over, and the others wait for a place.
    let simulation = cluster();
    simulation.fail(Matcher::any().path("/api/v1/namespaces/shop/pods/web-0/eviction"), vec![Failure::Silence; 20]);
    let ended = run("evictions", 20, "cpu: 10s, deadline: 1s", simulation).await;
    assert_eq!(
        ended.ends,
        BTreeMap::from([("not_sent".to_owned(), 4), ("unknown".to_owned(), 16)]),
        "{}",
        ended.action
    );
}

/// Whatever its actionner says.
#[tokio::test]
async fn a_command_whose_end_was_lost_is_never_run_again() {
    let simulation = Simulation::from_yaml(&CLUSTER.replace("spec: {", "spec: {nodeName: node-1, ")).unwrap();
    // It takes the connection with it.
    simulation.set_commands(async |_| panic!("the connection dies in the middle of the command"));
    let ended = run("lie", 1, "cpu: 10s", simulation).await;
    let expected = expect![[r#"unknown: Err(Error::Unknown("the connection ended before the command did"))"#]];
    check(&ended, &expected, &[("unknown", 1)]);
    assert_eq!(ended.requests("/exec"), 1);
}

#[tokio::test]
async fn a_command_need_not_read_what_it_is_given() {
    let simulation = Simulation::from_yaml(&CLUSTER.replace("spec: {", "spec: {nodeName: node-1, ")).unwrap();
    simulation.set_commands(async |_| Ok(0));
    let ended = run("stdin", 500_000, "cpu: 10s", simulation).await;
    // Where the connection ends while something is still being written to it, the exit code can be lost.
    let lost = r#"success: Err(Error::Unknown("the connection ended before the command did"))"#;
    assert!(["success: Ok(())", lost].contains(&ended.action.as_str()), "{}", ended.action);
}
