//! Each folder of `cases/` is a test: rules, a cluster and events in, actions and changes out.
//!
//! `rules.yaml`, and `policy.yaml`, `config.yaml` and `cluster.yaml` where there is something
//! to say; `event.json`, or `event-1.json` and so on, sent in this order; `expected.yaml`. A
//! folder with `error.txt` instead holds what a host says that does not start. Every case runs
//! against the simulation and, where the environment names one, against a real API server.
//! `UPDATE_EXPECT=1` rewrites what is expected, from the simulation.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::cluster;
use crate::outside::Outside;
use crate::running::{Host, config, text, told};
use crate::world::{World, changes};

/// What a line of an action says beside what happened.
const VOLATILE: [&str; 5] = ["level", "time", "message", "trace_id", "event"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cases_against_the_simulation() {
    let mut wrong = Vec::new();
    for case in cases() {
        let manifests = read(&case, "cluster.yaml").unwrap_or_default();
        wrong.extend(run(&case, &World::simulated(&manifests)).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cases_against_a_real_api_server() {
    let Some(client) = cluster::client().await else {
        assert!(std::env::var_os("CI").is_none(), "this must not be skipped in CI");
        return;
    };
    // What is expected is written down from the simulation.
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return;
    }
    let worlds = cases().into_iter().map(|case| {
        let client = client.clone();
        tokio::spawn(async move {
            let manifests = read(&case, "cluster.yaml").unwrap_or_default();
            run(&case, &World::real(client, &name(&case), &manifests).await).await
        })
    });
    let mut wrong = Vec::new();
    for case in worlds.collect::<Vec<_>>() {
        wrong.extend(case.await.unwrap());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Run one case; what is wrong with it, if anything.
async fn run(case: &Path, world: &World) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let outside = Outside::start().await;
    let mut events = BTreeMap::new();
    for entry in fs::read_dir(case).unwrap() {
        let path = entry.unwrap().path();
        let (name, text) = (name(&path), world.write(&fs::read_to_string(&path).unwrap()));
        for (component, bytes) in Outside::components(&text) {
            let actionners = folder.path().join("actionners");
            fs::create_dir_all(&actionners).unwrap();
            fs::write(actionners.join(format!("{component}.wasm")), bytes).unwrap();
        }
        let text = outside.write(&text);
        if name.starts_with("event") {
            events.insert(name, text);
        } else {
            fs::write(folder.path().join(name), text).unwrap();
        }
    }
    let (client, requests) = world.client();
    let before = world.objects().await;
    let place = format!("{}/", folder.path().display());
    let digest = Regex::new("this component is sha256:[0-9a-f]{64}").unwrap();
    let stable = |text: &str| {
        let text = outside.read(&world.read(text)).replace(&place, "");
        digest.replace_all(&text, "this component is DIGEST").into_owned()
    };
    let mut config = config(folder.path());
    config.clouds = outside.config();
    let (file, result) = match Host::start(config, client).await {
        Ok(host) => {
            for event in events.values() {
                host.post(event).await;
            }
            let lines = host.stop().await;
            let changes = changes(&before, &world.objects().await);
            let mut expected = expected(&lines, &requests.all(), &changes);
            let heard = outside.heard();
            if !heard.is_empty() {
                expected["outside"] = heard.into();
            }
            // Before it is written as YAML, where lines break by their length.
            let expected: Value = serde_json::from_str(&stable(&expected.to_string())).unwrap();
            ("expected.yaml", serde_saphyr::to_string(&expected).unwrap())
        }
        Err(log) => ("error.txt", stable(&told(&log.lines()))),
    };
    compare(&case.join(file), &result)
}

/// What a case is judged by.
fn expected(lines: &[Value], requests: &[Value], changes: &BTreeMap<String, Value>) -> Value {
    let of = |tag: &'static str| lines.iter().filter(move |line| line["message"] == tag);
    // Events of different pods run side by side, so actions are told in the order of their events.
    let events: Vec<&str> = of("event").map(|line| text(line, "trace_id")).collect();
    let mut actions: Vec<&Value> = of("action").collect();
    actions.sort_by_key(|line| events.iter().position(|event| *event == text(line, "trace_id")));
    let actions = actions.into_iter().map(|line| {
        let fields = line.as_object().unwrap().iter();
        let kept = fields.filter(|(key, _)| !VOLATILE.contains(&key.as_str()));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>()
    });
    let denials = of("policy").map(|line| json!(text(line, "error")));
    json!({
        "actions": actions.collect::<Vec<_>>(),
        "denials": denials.collect::<Vec<_>>(),
        "requests": requests,
        "changes": changes,
    })
}

fn compare(path: &Path, result: &str) -> Option<String> {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path, result).unwrap();
        return None;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    let case = path.parent().unwrap().file_name().unwrap().display();
    let file = path.file_name().unwrap().display();
    (expected != result).then(|| format!("{case}: {file} should be\n{expected}\nbut is\n{result}"))
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn read(case: &Path, file: &str) -> Option<String> {
    fs::read_to_string(case.join(file)).ok()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
