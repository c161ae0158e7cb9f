//! The dashboard, each of whose queries is asked of a Prometheus that scrapes a busy host.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use tokio::time::Instant;

use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::{Busy, promtool};
use crate::documents::root;
use crate::running::PATIENCE;
use crate::servers;

/// What is not in the run of this test, and why.
const WITHOUT_DATA: [(&str, &str); 2] = [
    ("notification_given_up_total", "whoever is told takes every message"),
    ("notification_dropped_total", "as many may wait as there are"),
];

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("deploy/dashboards/falco-talon.json")).unwrap()).unwrap()
}

/// All queries, with the variables of Grafana replaced.
fn queries() -> Vec<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries = targets.map(|target| target["expr"].as_str().unwrap());
    let replaced = queries.map(|query| {
        let query = query.replace("$__rate_interval", "5s").replace("$__range", "1m").replace("$instance", ".*");
        assert!(!query.contains('$'), "{query}");
        query
    });
    replaced.collect()
}

/// The series that a query finds.
async fn ask(url: &str, query: &str) -> usize {
    let mut command = Command::new("curl");
    command.args(["-sS", "--get", &format!("{url}/api/v1/query"), "--data-urlencode", &format!("query={query}")]);
    let answer = spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let shown = String::from_utf8_lossy(&answer.stdout).into_owned();
    let answer: Value = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{query}: {error}: {shown}"));
    assert_eq!(answer["status"], "success", "{query}: {shown}");
    answer["data"]["result"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_finds_something() {
    let mut busy = Busy::start("").await;
    let address = busy.host.address().to_string();
    let Some(server) = spawn_blocking(move || servers::start("prometheus", &[&address])).await.unwrap() else { return };
    let url = server.value("url");
    let is_without = |query: &String| WITHOUT_DATA.iter().any(|(name, _)| query.contains(name));
    let (without, mut unanswered): (Vec<_>, Vec<_>) = queries().into_iter().partition(is_without);
    let began = Instant::now();
    while !unanswered.is_empty() {
        assert!(began.elapsed() < PATIENCE, "nothing was found by {unanswered:#?}");
        // What is about the last seconds has something only where there was something to do.
        busy.round().await;
        busy.host.wait_until_idle().await;
        let mut still = Vec::new();
        for query in unanswered {
            if ask(url, &query).await == 0 {
                still.push(query);
            }
        }
        unanswered = still;
    }
    for query in without {
        assert_eq!(ask(url, &query).await, 0, "{query} finds something and is said to find nothing");
    }
    busy.host.stop().await;
}

#[test]
fn prometheus_itself_understands_every_query() {
    if !servers::are_there("a check of the dashboard", &["promtool"]) {
        return;
    }
    let rule = |(at, query): (usize, String)| json!({"record": format!("query_{at}"), "expr": query});
    let rules: Vec<_> = queries().into_iter().enumerate().map(rule).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    assert_eq!(promtool(&["check", "rules", file.path().to_str().unwrap()], ""), "");
}

#[test]
fn panels_have_a_place_of_their_own_and_the_data_source_that_is_chosen() {
    let dashboard = dashboard();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(x < 24 && places.insert((x, y)), "{title}");
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"], json!({"type": "prometheus", "uid": "${datasource}"}), "{title}");
            assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}");
        }
    }
}
