//! The same requests against the simulation and a real API server.
//!
//! `requests.http` has them, `answers.txt` what the real one says. Each run compares the simulation with that file, and, where the
//! environment names a real API server, that one too. `UPDATE_EXPECT=1` writes its answers down again.

use std::time::Duration;

use host::simulation::{Simulation, normalise};
use http_body_util::BodyExt as _;
use kube::client::Body;
use regex::Regex;
use serde_json::{Value, json};

use crate::cluster;

const REQUESTS: &str = include_str!("requests.http");
const ANSWERS: &str = include_str!("answers.txt");

/// How often an asynchronous part of the real cluster is asked whether it is done, and how long between.
const TRIES_MAX: usize = 500;
const PAUSE: Duration = Duration::from_millis(20);

struct Step {
    title: String,
    method: String,
    path: String,
    content_type: String,
    /// Ask again until the answer has this text: something in a real cluster is done later.
    until: Option<String>,
    body: String,
}

#[tokio::test]
async fn the_simulation_answers_as_the_real_api_server() {
    if let Some(client) = cluster::client().await {
        let namespace = format!("talon-{:08x}", std::process::id());
        let answers = play(&client, &namespace, true).await;
        expect_test::expect_file!["./answers.txt"].assert_eq(&answers);
    }
    let simulation = Simulation::from_yaml("{apiVersion: v1, kind: Node, metadata: {name: node-1}}").expect("a cluster");
    let answers = play(&simulation.client(), "talon-0", false).await;
    let differences: Vec<String> = blocks(ANSWERS).zip(blocks(&answers)).filter(|(real, ours)| real != ours).map(|(real, ours)| format!("real: {real}\nsimulated: {ours}")).collect();
    assert!(differences.is_empty(), "{} differences:\n\n{}", differences.len(), differences.join("\n\n"));
    assert_eq!(blocks(ANSWERS).count(), blocks(&answers).count());
}

fn blocks(answers: &str) -> impl Iterator<Item = &str> {
    answers.split("### ").skip(1).map(str::trim)
}

fn steps() -> impl Iterator<Item = Step> {
    REQUESTS.split("### ").skip(1).map(|block| {
        let mut lines = block.trim().lines().peekable();
        let title = lines.next().expect("a title").to_owned();
        let (method, path) = lines.next().and_then(|line| line.split_once(' ')).expect("a method and a path");
        let mut option = |name: &str| lines.next_if(|line| line.starts_with(name)).map(|line| line[name.len()..].trim().to_owned());
        let content_type = option("content-type:").unwrap_or_else(|| "application/json".to_owned());
        let until = option("until:");
        let body = lines.collect::<Vec<_>>().join("\n");
        Step { title, method: method.to_owned(), path: path.to_owned(), content_type, until, body }
    })
}

async fn play(client: &kube::Client, namespace: &str, waits: bool) -> String {
    let mut answers = String::new();
    for step in steps() {
        let mut tries = TRIES_MAX;
        let (head, body) = loop {
            let (head, body) = send(client, &step, namespace).await;
            let done = step.until.as_ref().is_none_or(|text| body.contains(text.as_str()));
            if done || !waits {
                break (head, body);
            }
            tries -= 1;
            assert!(tries > 0, "{}: {:?} never came, but {body}", step.title, step.until);
            tokio::time::sleep(PAUSE).await;
        };
        answers.push_str(&format!("### {}\n{head}\n{}\n\n", step.title, show(&body, namespace)));
    }
    answers
}

async fn send(client: &kube::Client, step: &Step, namespace: &str) -> (String, String) {
    let body = step.body.replace("$NS", namespace);
    let mut request = http::Request::builder().method(step.method.as_str()).uri(step.path.replace("$NS", namespace));
    if !step.content_type.is_empty() && (!body.is_empty() || step.method != "GET") {
        request = request.header("content-type", &step.content_type);
    }
    let request = request.body(Body::from(body.into_bytes())).expect("a request");
    let response = client.send(request).await.expect("an answer");
    let header = |name: &str| response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(" | ");
    let head = format!("{} {} {}", response.status().as_u16(), header("content-type"), header("warning"));
    let bytes = response.into_body().collect().await.expect("a whole answer").to_bytes();
    (head.trim().to_owned(), String::from_utf8_lossy(&bytes).into_owned())
}

/// An answer without what differs from run to run.
fn show(body: &str, namespace: &str) -> String {
    let Ok(mut answer) = serde_json::from_str::<Value>(body) else { return body.trim().to_owned() };
    let kind = answer["kind"].as_str().unwrap_or_default().to_owned();
    if kind == "Status" {
        if let Some(causes) = answer["details"]["causes"].as_array_mut() {
            // Checks that the real one makes twice are not worth making twice.
            causes.sort_by_key(ToString::to_string);
            causes.dedup();
        }
    } else if let Some(item_kind) = kind.strip_suffix("List") {
        let (version, more) = (answer["apiVersion"].clone(), answer["metadata"]["continue"].is_string());
        let items = answer["items"].as_array_mut().into_iter().flatten();
        let items: Vec<Value> = items
            .map(|item| {
                item["apiVersion"] = version.clone();
                item["kind"] = json!(item_kind);
                compared(item)
            })
            .collect();
        answer = json!({"kind": kind, "apiVersion": version, "more": more, "items": items});
    } else {
        answer = compared(&answer);
    }
    let text = serde_json::to_string_pretty(&answer).expect("JSON");
    scrub(&text, namespace)
}

fn compared(object: &Value) -> Value {
    let mut compared = normalise(object);
    // What a controller of the real cluster writes meanwhile counts too, so only these kinds.
    if object["kind"] == "NetworkPolicy" || object["kind"] == "Pod" {
        compared["generation"] = object["metadata"]["generation"].clone();
    }
    compared["deleted"] = json!(!object["metadata"]["deletionTimestamp"].is_null());
    compared
}

fn scrub(text: &str, namespace: &str) -> String {
    let rules = [
        (namespace, "$$NS"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r#""[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}""#, "UID"),
        (r"\b(gen|talon)-[a-z0-9]{5}\b", "$1-SUFFIX"),
        // The whole object, with its managed fields.
        (r#"Invalid value: \\"\{.*\}\\":"#, "Invalid value: OBJECT:"),
        // The difference that Go's own printing makes.
        (r"\\n@@.*", "\","),
        (r"in record \(\d+\)", "in record (VERSION)"),
        (r"continue key is not valid.*", "continue key is not valid\","),
        (r"yaml: .*", "yaml: ERROR\","),
    ];
    let replace = |text: String, (pattern, with): &(&str, &str)| Regex::new(pattern).expect("a pattern").replace_all(&text, *with).into_owned();
    rules.iter().fold(text.to_owned(), replace)
}
