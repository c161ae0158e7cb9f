//! What waits while rules, policy or time go on: an action begins under what is in force then, or not at all.
//!
//! The first event is held at the API server, and a second one waits behind it for the same pod.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use simulation::Simulation;
use tempfile::TempDir;

use crate::crowds::Gate;
use crate::hostile::{CLUSTER, event};
use crate::running::{Host, config, text, told};

const RULES: &str = "
- rule: Mark it
  match: {rules: [shell]}
  actions:
    - {action: First, actionner: 'kubernetes:label', parameters: {labels: {first: 'old'}}}
    - {action: Second, actionner: 'kubernetes:label', parameters: {labels: {second: 'old'}}}
";

/// A host whose first event is held and whose second one waits behind it.
struct Waiting {
    folder: TempDir,
    simulation: Simulation,
    gate: Gate,
    host: Host,
}

impl Waiting {
    async fn start(rules: &str) -> Waiting {
        let waiting = Self::held(rules, "{}").await;
        waiting.post("two").await;
        // Events are taken one after another, so that the one before this is in its lane.
        waiting.host.post(event("shell", "web-1")).await;
        waiting.host.log.line("action", |line| text(line, "pod") == "web-1").await;
        waiting
    }

    /// The same without the second one.
    async fn held(rules: &str, policy: &str) -> Waiting {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules.yaml"), rules).unwrap();
        fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        let mut config = config(folder.path());
        config.watch_rules = true;
        config.deduplication.window = Duration::ZERO;
        let simulation = Simulation::from_yaml(CLUSTER).unwrap();
        let (gate, client) = Gate::before(&simulation, "web-0");
        let host = Host::start(config, client).await.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
        let waiting = Waiting { folder, simulation, gate, host };
        waiting.post("one").await;
        waiting.gate.holds(1).await;
        waiting
    }

    async fn post(&self, output: &str) {
        let mut event: Value = serde_json::from_str(&event("shell", "web-0")).unwrap();
        event["output"] = json!(output);
        self.host.post(event.to_string()).await;
    }

    /// Write another file, and wait until it is in force.
    async fn change(&self, file: &str, text_of_it: &str) {
        let loads = |lines: &[Value]| lines.iter().filter(|line| text(line, "result").ends_with("loaded")).count();
        let before = loads(&self.host.log.lines());
        fs::write(self.folder.path().join(file), text_of_it).unwrap();
        while loads(&self.host.log.lines()) == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many dead letters there are, once they are as many as the events of which something was not done: they are
    /// counted when that is written.
    async fn dead_letters(&self) -> usize {
        let lines = self.host.log.lines();
        let failed = lines.iter().filter(|line| line["message"] == "action" && text(line, "status") != "success");
        let failed: BTreeSet<&str> = failed.map(|line| text(line, "trace_id")).collect();
        loop {
            let (_, metrics) = self.host.request("GET", "/metrics", b"").await;
            let dead = metrics.lines().find_map(|line| line.strip_prefix("falcosecurity_falco_talon_dead_letters "));
            if dead.is_some_and(|dead| dead.parse() == Ok(failed.len())) {
                return failed.len();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Let the first event go on. How the actions of both end, and the labels of the pod.
    async fn check(self, expected: Expect) {
        self.gate.open();
        self.host.wait_until_idle().await;
        let dead = self.dead_letters().await;
        let lines = self.host.stop().await;
        let event_of = |line: &Value| {
            let of_event = |it: &&Value| it["message"] == "event" && it["trace_id"] == line["trace_id"];
            lines.iter().find(of_event).map_or("", |line| text(line, "output")).to_owned()
        };
        let actions = lines.iter().filter(|line| line["message"] == "action" && text(line, "pod") != "web-1");
        let said: Vec<String> = actions
            .map(|line| {
                let why = format!("{}{}", text(line, "error"), text(line, "output"));
                format!("{}: {}: {}: {why}", event_of(line), text(line, "action"), text(line, "status"))
            })
            .filter(|line| !line.starts_with("a shell"))
            .collect();
        let pod = self.simulation.get("v1", "Pod", Some("shop"), "web-0").unwrap();
        let (said, labels) = (said.join("\n"), &pod["metadata"]["labels"]);
        expected.assert_eq(&format!("{said}\n{labels}\ndead letters: {dead}\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_is_removed_begins_nothing_more() {
    let waiting = Waiting::start(RULES).await;
    waiting.change("rules.yaml", &RULES.replace("Mark it", "Another").replace("[shell]", "[nothing]")).await;
    waiting
        .check(expect![[r#"
        one: First: success: the pod 'web-0' in the namespace 'shop' has been labeled
        one: : superseded: the rule does not answer the event any more
        two: : superseded: the rule does not answer the event any more
        {"first":"old"}
        dead letters: 2
    "#]])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_is_to_rehearse_begins_nothing_more() {
    let waiting = Waiting::start(RULES).await;
    waiting.change("rules.yaml", &RULES.replace("  match:", "  dry_run: true\n  match:")).await;
    waiting
        .check(expect![[r#"
        one: First: success: the pod 'web-0' in the namespace 'shop' has been labeled
        one: : superseded: what was begun is not what the rule says now
        two: : superseded: the rule only rehearses by now
        {"first":"old"}
        dead letters: 2
    "#]])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_is_protected_gets_nothing_more() {
    let waiting = Waiting::start(RULES).await;
    waiting.change("policy.yaml", "protected: {namespaces: [shop]}\n").await;
    waiting
        .check(expect![[r#"
        one: First: success: the pod 'web-0' in the namespace 'shop' has been labeled
        one: : superseded: the policy protects the namespace by now
        two: : superseded: the policy protects the namespace by now
        {"first":"old"}
        dead letters: 2
    "#]])
        .await;
}

/// What had begun is not what the rule says now; what had not begun is done as it says now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_done_as_the_rule_says_then() {
    let waiting = Waiting::start(RULES).await;
    waiting.change("rules.yaml", &RULES.replace("old", "new")).await;
    waiting
        .check(expect![[r#"
        one: First: success: the pod 'web-0' in the namespace 'shop' has been labeled
        one: : superseded: what was begun is not what the rule says now
        two: First: success: the pod 'web-0' in the namespace 'shop' has been labeled
        two: Second: success: the pod 'web-0' in the namespace 'shop' has been labeled
        {"first":"new","second":"new"}
        dead letters: 1
    "#]])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_stays_is_followed_to_its_end() {
    let waiting = Waiting::start(RULES).await;
    let other = "\n- rule: Other\n  match: {rules: [nothing]}\n  actions: [{action: Other, actionner: 'kubernetes:terminate'}]\n";
    waiting.change("rules.yaml", &format!("{RULES}{other}")).await;
    waiting
        .check(expect![[r#"
        one: First: success: the pod 'web-0' in the namespace 'shop' has been labeled
        one: Second: success: the pod 'web-0' in the namespace 'shop' has been labeled
        two: First: success: the pod 'web-0' in the namespace 'shop' has been labeled
        two: Second: success: the pod 'web-0' in the namespace 'shop' has been labeled
        {"first":"old","second":"old"}
        dead letters: 0
    "#]])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_waited_for_too_long_begins_nothing_more() {
    let waiting = Waiting::start(&RULES.replace("  match:", "  max_age: 1s\n  match:")).await;
    // The one time that a test waits for: that an event is older than this.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    waiting
        .check(expect![[r#"
        one: First: success: the pod 'web-0' in the namespace 'shop' has been labeled
        one: : expired: the event came 1 s ago, and an action of the rule may begin within 1 s
        two: : expired: the event came 1 s ago, and an action of the rule may begin within 1 s
        {"first":"old"}
        dead letters: 2
    "#]])
        .await;
}

/// The event about another pod waits for the one call that the actionner may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_place_has_not_begun() {
    let other = "
- rule: Other
  match: {rules: [other]}
  actions: [{action: Other, actionner: 'kubernetes:annotation', parameters: {annotations: {seen: 'true'}}}]
";
    let policy = "actionners: {'kubernetes:label': {extends: bundled, limits: {concurrency: 1}}}\n";
    let waiting = Waiting::held(&format!("{RULES}{other}"), policy).await;
    waiting.host.post(event("shell", "web-1")).await;
    waiting.host.post(event("other", "web-2")).await;
    waiting.host.log.line("action", |line| text(line, "pod") == "web-2").await;
    waiting.change("rules.yaml", other).await;
    waiting.gate.open();
    waiting.host.wait_until_idle().await;
    let lines = waiting.host.stop().await;
    let left_out = lines.iter().filter(|line| text(line, "status") == "superseded");
    let left_out: Vec<_> = left_out.map(|line| text(line, "action")).collect();
    // The second action for the first event, and both for the second.
    assert_eq!(left_out, ["", ""]);
    let pod = waiting.simulation.get("v1", "Pod", Some("shop"), "web-1").unwrap();
    assert_eq!(pod["metadata"]["labels"], Value::Null);
}

/// What is done is done, whatever becomes of its rule; what waits is done once, by whatever name its rule has then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_is_not_done_again_under_another_name() {
    let once = RULES.lines().filter(|line| !line.contains("Second")).collect::<Vec<_>>().join("\n");
    let waiting = Waiting::start(&once).await;
    waiting.change("rules.yaml", &once.replace("Mark it", "Mark it now")).await;
    waiting
        .check(expect![[r#"
            one: First: success: the pod 'web-0' in the namespace 'shop' has been labeled
            two: : superseded: the rule does not answer the event any more
            {"first":"old"}
            dead letters: 1
        "#]])
        .await;
    let waiting = Waiting::start(&once).await;
    waiting.change("rules.yaml", &once.replace("Mark it", "Another").replace("[shell]", "[nothing]")).await;
    waiting
        .check(expect![[r#"
        one: First: success: the pod 'web-0' in the namespace 'shop' has been labeled
        two: : superseded: the rule does not answer the event any more
        {"first":"old"}
        dead letters: 1
    "#]])
        .await;
}
