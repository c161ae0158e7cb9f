//! The same requests against the simulation and a real API server.
//!
//! `requests.http` has them, `answers.txt` what the real one says. Each run compares the simulation with that file,
//! and, where the environment names a real API server, that one too. `UPDATE_EXPECT=1` writes its answers down again.

use std::sync::LazyLock;
use std::time::Duration;

use http_body_util::BodyExt as _;
use kube::client::Body;
use regex::Regex;
use serde_json::{Value, json};
use simulation::{Simulation, normalise};

use crate::{cluster, commands, custom_resources, discovery, processes};

const REQUESTS: &str = include_str!("requests.http");
const ANSWERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/answers.txt");

/// A node as the real cluster has it.
const NODE: &str = "
apiVersion: v1
kind: Node
metadata:
  name: node-1
  labels:
    beta.kubernetes.io/arch: amd64
    beta.kubernetes.io/os: linux
    kubernetes.io/arch: amd64
    kubernetes.io/hostname: node-1
    kubernetes.io/os: linux
  annotations: {node.alpha.kubernetes.io/ttl: '0'}
";

/// How often an asynchronous part of the real cluster is asked whether it is done, and how long between.
const TRIES_MAX: usize = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// Longer than any step takes on a busy machine. Once in many runs one hangs, for a reason that is not known: what can
/// be asked again then is, and what can't is named rather than waited for.
const STEP_MAX: Duration = Duration::from_secs(20);
const STEP_TRIES_MAX: usize = 3;

struct Step {
    title: String,
    method: String,
    path: String,
    content_type: String,
    accept: Option<String>,
    /// Ask again until the answer has this text: something in a real cluster is done later.
    until: Option<String>,
    /// What later steps call the uid of the answered object.
    uid_as: Option<String>,
    body: String,
}

#[tokio::test]
async fn the_simulation_answers_as_the_real_api_server() {
    if let Some(client) = cluster::client(None).await {
        custom_resources::install_custom_resources(&client).await;
        let namespace = format!("talon-{:08x}", std::process::id());
        let answers = play(&client, &namespace, true).await;
        expect_test::expect_file!["./answers.txt"].assert_eq(&answers);
    }
    let simulation = Simulation::from_yaml(NODE).expect("a cluster");
    processes::run_commands(&simulation);
    let answers = play(&simulation.client(), "talon-0", false).await;
    let real = std::fs::read_to_string(ANSWERS).expect("answers.txt");
    assert_eq!(blocks(&real).count(), blocks(&answers).count());
    let different = blocks(&real).zip(blocks(&answers)).filter(|(real, ours)| real != ours);
    let different: Vec<String> = different.map(|(real, ours)| format!("real: {real}\nsimulated: {ours}")).collect();
    assert!(different.is_empty(), "{} differences:\n\n{}", different.len(), different.join("\n\n"));
}

fn blocks(answers: &str) -> impl Iterator<Item = &str> {
    answers.split("### ").skip(1).map(str::trim)
}

fn steps() -> impl Iterator<Item = Step> {
    REQUESTS.split("### ").skip(1).map(|block| {
        let mut lines = block.trim().lines().peekable();
        let title = lines.next().expect("a title").to_owned();
        let (method, path) = lines.next().and_then(|line| line.split_once(' ')).expect("a method and a path");
        let mut option =
            |name: &str| lines.next_if(|line| line.starts_with(name)).map(|line| line[name.len()..].trim().to_owned());
        let content_type = option("content-type:").unwrap_or_else(|| "application/json".to_owned());
        let accept = option("accept:");
        let until = option("until:");
        let uid_as = option("uid-as:");
        let body = lines.collect::<Vec<_>>().join("\n");
        Step { title, method: method.to_owned(), path: path.to_owned(), content_type, accept, until, uid_as, body }
    })
}

async fn play(client: &kube::Client, namespace: &str, waits: bool) -> String {
    let mut answers = String::new();
    let mut names = vec![("$NS".to_owned(), namespace.to_owned())];
    for mut step in steps() {
        for (name, value) in &names {
            step.path = step.path.replace(name, value);
            step.body = step.body.replace(name, value);
        }
        let mut tries = TRIES_MAX;
        let (head, body) = loop {
            let (head, body) = answer(client, &step).await;
            let done = step.until.as_ref().is_none_or(|text| body.contains(text.as_str()));
            if done || !waits {
                break (head, body);
            }
            tries -= 1;
            assert!(tries > 0, "{}: {:?} never came, but {body}", step.title, step.until);
            tokio::time::sleep(PAUSE).await;
        };
        if let Some(name) = step.uid_as {
            let object: Value = serde_json::from_str(&body).expect("an object");
            names.push((name, object["metadata"]["uid"].as_str().expect("a uid").to_owned()));
        }
        answers.push_str(&format!("### {}\n{head}\n{}\n\n", step.title, show(&body, namespace).await));
    }
    answers
}

async fn answer(client: &kube::Client, step: &Step) -> (String, String) {
    let tries = if matches!(step.method.as_str(), "GET" | "EXEC") { STEP_TRIES_MAX } else { 1 };
    for _ in 0..tries {
        if let Ok(answer) = tokio::time::timeout(STEP_MAX, send(client, step)).await {
            return answer;
        }
        eprintln!("{}: no answer", step.title);
    }
    unreachable!("{}: no answer", step.title)
}

async fn send(client: &kube::Client, step: &Step) -> (String, String) {
    if step.method == "EXEC" {
        return commands::exec(client, &step.path, &step.body).await;
    }
    let mut request = http::Request::builder().method(step.method.as_str()).uri(&step.path);
    if !step.content_type.is_empty() && (!step.body.is_empty() || step.method != "GET") {
        request = request.header("content-type", &step.content_type);
    }
    if let Some(accept) = &step.accept {
        request = request.header("accept", accept);
    }
    let request = request.body(Body::from(step.body.clone().into_bytes())).expect("a request");
    let response = client.send(request).await.expect("an answer");
    let header = |name: &str| {
        response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(" | ")
    };
    let head = format!("{} {} {}", response.status().as_u16(), header("content-type"), header("warning"));
    let bytes = response.into_body().collect().await.expect("a whole answer").to_bytes();
    (head.trim().to_owned(), String::from_utf8_lossy(&bytes).into_owned())
}

/// An answer without what differs from run to run.
async fn show(body: &str, namespace: &str) -> String {
    let Ok(mut answer) = serde_json::from_str::<Value>(body) else {
        return body.trim().to_owned();
    };
    let kind = answer["kind"].as_str().unwrap_or_default().to_owned();
    if kind == "Status" {
        if let Some(causes) = answer.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
            // Checks that the real one makes twice are not worth making twice.
            causes.sort_by_key(ToString::to_string);
            causes.dedup();
        }
    } else if kind == "Exit" {
        // Nothing of it differs from run to run.
    } else if kind == "APIGroupDiscoveryList" {
        return discovery::known(&answer).await;
    } else if let Some(item_kind) = kind.strip_suffix("List") {
        let (version, more) = (
            answer["apiVersion"].clone(),
            answer["metadata"]["continue"].as_str().is_some_and(|token| !token.is_empty()),
        );
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
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let rules = [
            (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
            (r"\b(gen|talon|task)-[a-z0-9]{5}\b", "$1-SUFFIX"),
            // The whole object, with its managed fields.
            (r#"Invalid value: \\"\{.*\}\\":"#, "Invalid value: OBJECT:"),
            // The difference as Go prints it, of structures that are its own.
            (r"\\n@@.*", "\","),
            (r"in record \(\d+\)", "in record (VERSION)"),
            (r"continue key is not valid.*", "continue key is not valid\","),
            (r"yaml: .*", "yaml: ERROR\","),
        ];
        rules.map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with)).into()
    });
    let text = text.replace(namespace, "$NS");
    RULES.iter().fold(text, |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
}
