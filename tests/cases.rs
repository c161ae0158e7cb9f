//! Each folder of `cases/` is a test: rules, a cluster and events in, actions and changes out.
//!
//! `rules.yaml`, and `policy.yaml`, `config.yaml`, `environment.yaml` (the host's variables) and
//! `cluster.yaml` where there is something to say; `event.json`, or `event-1.json` and so on, sent
//! in this order; `expected.yaml`. A folder with `error.txt` instead holds what a host says that
//! does not start. Every case runs against the simulation and, where the environment names one,
//! against a real API server. `UPDATE_EXPECT=1` rewrites what is expected, from the simulation.
//!
//! The namespace `shop` and the node `node-1` of all texts belong to the case alone. A pod with a
//! node and a `command` runs: on the real server its containers are processes of this machine, in
//! the simulation only what is run in them is. Both have the programs of `programs/` in their path.
//! What a container logs, the annotation `simulation.falco-talon.org/log.<container>` must say too.
//!
//! `/tmp/falco-talon-cases` in any text stands for a folder of the case's own. Its files whose name
//! begins with `evidence` lie there at the start; what else is there in the end, `expected.yaml`
//! says under `files`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use host::testing::Level;
use policy::Policy;
use regex::Regex;
use rules::Event;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::cluster;
use crate::custom_resources::install_custom_resources;
use crate::data::loader;
use crate::outside::Outside;
use crate::proposals;
use crate::running::{Host, config, text, told};
use crate::world::{World, changes};

/// What a line of an action says beside what happened.
const VOLATILE: [&str; 5] = ["level", "time", "message", "trace_id", "event"];

/// Stands for a folder of the case.
const FOLDER: &str = "/tmp/falco-talon-cases";

/// What is longer is shown by its size.
const TOLD_BYTES_MAX: usize = 1_000;

/// More hosts at once only wait for each other.
const AT_ONCE_MAX: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cases_against_the_simulation() {
    run_all(async |case: PathBuf| World::simulated(&read(&case, "cluster.yaml").unwrap_or_default())).await;
    let asked_about = proposals::ASKED_ABOUT.load(Ordering::Relaxed);
    assert!(asked_about > 500, "only {asked_about} calls were explained");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cases_against_a_real_api_server() {
    let Some(client) = cluster::client(None).await else {
        assert!(std::env::var_os("CI").is_none(), "this must not be skipped in CI");
        return;
    };
    // What is expected is written down from the simulation.
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return;
    }
    install_custom_resources(&client).await;
    run_all(move |case: PathBuf| {
        let client = client.clone();
        async move {
            let manifests = read(&case, "cluster.yaml").unwrap_or_default();
            World::real(client, &name(&case), &manifests).await
        }
    })
    .await;
}

/// Run all cases, each in its world.
async fn run_all<F>(world: impl Fn(PathBuf) -> F)
where
    F: Future<Output = World> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let runs = cases().into_iter().map(|case| {
        let (world, places) = (world(case.clone()), places.clone());
        tokio::spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            run(&case, &world.await).await
        })
    });
    let mut wrong = Vec::new();
    for run in runs.collect::<Vec<_>>() {
        wrong.extend(run.await.unwrap());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Run one case; what is wrong with it, if anything.
pub(crate) async fn run(case: &Path, world: &World) -> Option<String> {
    let played = play(case, world).await;
    let differs = compare(&case.join(played.file), &played.result);
    let unexplained = proposals::explained_otherwise(&played);
    let unexplained = (!unexplained.is_empty()).then(|| format!("{}: {}", name(case), unexplained.join("\n")));
    [differs, unexplained].into_iter().flatten().reduce(|all, more| all + "\n" + &more)
}

/// What came of a case.
pub(crate) struct Played {
    /// Where what is expected of it stands.
    file: &'static str,
    /// What should stand there.
    result: String,
    /// Its policy; none where the host does not start.
    pub(crate) policy: Option<Policy>,
    pub(crate) events: Vec<Event>,
    /// All lines of the log.
    pub(crate) lines: Vec<Value>,
    /// The words of the denials, without what differs from run to run.
    pub(crate) denials: Vec<String>,
}

/// Run one case.
pub(crate) async fn play(case: &Path, world: &World) -> Played {
    let (folder, evidence) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let evidence = evidence.path().display().to_string();
    let outside = Outside::start().await;
    let events = lay_out(case, world, &outside, folder.path(), Path::new(&evidence));
    let (client, requests) = world.client();
    let before = world.objects().await;
    let place = format!("{}/", folder.path().display());
    let digest = Regex::new("this component is sha256:[0-9a-f]{64}").unwrap();
    let time = Regex::new(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ").unwrap();
    let restart = Regex::new(r#"(restartedAt":")[^"]+"#).unwrap();
    let trace_id = Regex::new("(for the event )[0-9a-f]{32}").unwrap();
    // In what notifiers send.
    let told_trace_id = Regex::new(r#"(trace_id\\":\\")[0-9a-f]{32}"#).unwrap();
    let told_time = Regex::new(r#"(\{\\"time\\":\\")[^\\]+"#).unwrap();
    let slack_trace_id = Regex::new("`[0-9a-f]{32}`").unwrap();
    let stable = |text: &str| {
        // The names of artifacts have it without its slashes.
        let text = text.replace(&place, "").replace(&evidence, FOLDER);
        let text = outside.read(&world.read(&text.replace(&evidence.replace('/', "_"), &FOLDER.replace('/', "_"))));
        let text = digest.replace_all(&text, "this component is DIGEST");
        let text = restart.replace_all(&text, "${1}TIME");
        let text = trace_id.replace_all(&text, "${1}TRACE_ID");
        let text = told_trace_id.replace_all(&text, "${1}TRACE_ID");
        let text = slack_trace_id.replace_all(&text, "`TRACE_ID`");
        let text = told_time.replace_all(&text, "${1}TIME");
        time.replace_all(&text, "TIME").into_owned()
    };
    let mut config = config(folder.path());
    config.clouds = outside.config();
    // The record of all calls is in the log then.
    config.log_level = Level::Debug;
    let mut played = Played {
        file: "error.txt",
        result: String::new(),
        policy: None,
        events: events.iter().filter_map(|body| Event::from_json(body.as_bytes()).ok()).collect(),
        lines: Vec::new(),
        denials: Vec::new(),
    };
    match Host::start(config, client).await {
        Ok(host) => {
            post(&host, events.iter()).await;
            let lines = host.stop().await;
            let changes = changes(&before, &world.objects().await);
            let mut expected = expected(&lines, &requests.all(), &changes);
            if case_speaks_of_its_folder(case) {
                expected["files"] = files(Path::new(&evidence));
            }
            let heard = outside.heard();
            if !heard.is_empty() {
                expected["outside"] = heard.into();
            }
            // Before it is written as YAML, where lines break by their length.
            let expected: Value = serde_json::from_str(&stable(&expected.to_string())).unwrap();
            (played.file, played.result) = ("expected.yaml", serde_saphyr::to_string(&expected).unwrap());
            played.denials =
                expected["denials"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
            played.policy = loader(folder.path()).policy().ok();
            played.lines = lines;
        }
        Err(log) => played.result = stable(&told(&log.lines())),
    }
    played
}

/// Write the files of a case where a host finds them; its events, in their order.
fn lay_out(case: &Path, world: &World, outside: &Outside, folder: &Path, evidence: &Path) -> Vec<String> {
    let mut events = BTreeMap::new();
    for entry in fs::read_dir(case).unwrap() {
        let path = entry.unwrap().path();
        let name = name(&path);
        if name.starts_with("evidence") {
            fs::copy(&path, evidence.join(name)).unwrap();
            continue;
        }
        let text = world.write(&fs::read_to_string(&path).unwrap()).replace(FOLDER, &evidence.display().to_string());
        for (component, bytes) in Outside::components(&text) {
            let actionners = folder.join("actionners");
            fs::create_dir_all(&actionners).unwrap();
            fs::write(actionners.join(format!("{component}.wasm")), bytes).unwrap();
        }
        let text = outside.write(&text);
        if name.starts_with("event") {
            events.insert(name, text);
        } else {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    events.into_values().collect()
}

/// Send events in their order. Those of different pods are handled side by side, in an order that can't be expected: so
/// one waits for the end of the other.
async fn post(host: &Host, events: impl Iterator<Item = &String>) {
    let mut previous: Option<Event> = None;
    for body in events {
        let event = Event::from_json(body.as_bytes()).ok();
        let (last, next) = (previous.as_ref().and_then(Event::pod), event.as_ref().and_then(Event::pod));
        if previous.is_some() && (last.is_none() || last != next) {
            host.wait_until_idle().await;
        }
        host.post(body).await;
        previous = event;
    }
}

/// What a case is judged by.
fn expected(lines: &[Value], requests: &[Value], changes: &BTreeMap<String, Value>) -> Value {
    let of = |tag: &'static str| lines.iter().filter(move |line| line["message"] == tag);
    // Events of different pods run side by side, so actions are listed in the order of their events.
    let events: Vec<&str> = of("event").map(|line| text(line, "trace_id")).collect();
    let mut actions: Vec<&Value> = of("action").collect();
    actions.sort_by_key(|line| events.iter().position(|event| *event == text(line, "trace_id")));
    let actions = actions.into_iter().map(|line| {
        let fields = line.as_object().unwrap().iter();
        let kept = fields.filter(|(key, _)| !VOLATILE.contains(&key.as_str()));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>()
    });
    // What is said of the policy itself names no function.
    let denials = of("policy").filter(|line| !line["capability"].is_null()).map(|line| json!(text(line, "error")));
    json!({
        "actions": actions.collect::<Vec<_>>(),
        "denials": denials.collect::<Vec<_>>(),
        "requests": requests,
        "changes": changes,
    })
}

fn case_speaks_of_its_folder(case: &Path) -> bool {
    read(case, "rules.yaml").is_some_and(|rules| rules.contains(FOLDER))
}

/// What has arrived in a folder: texts where they are short, sizes where not.
fn files(folder: &Path) -> Value {
    let mut files = Map::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap();
        let told = match String::from_utf8(content) {
            Ok(text) if text.len() <= TOLD_BYTES_MAX => text,
            Ok(text) => format!("{} bytes", text.len()),
            Err(error) => format!("{} bytes", error.as_bytes().len()),
        };
        if !name(&path).starts_with("evidence") {
            files.insert(name(&path), json!(told));
        }
    }
    files.into()
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

pub(crate) fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

pub(crate) fn read(case: &Path, file: &str) -> Option<String> {
    fs::read_to_string(case.join(file)).ok()
}

pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
