//! The cluster: looking, changing, running commands; and what belongs to the call itself.

use std::fmt::Debug;

use serde_json::{Map, Value, json};

use crate::bindings::falco_talon::actionner::artifacts::Artifact;
use crate::bindings::falco_talon::actionner::kubernetes_exec::{self, Container, ExecOptions, Exit};
use crate::bindings::falco_talon::actionner::kubernetes_read::{
    self, Condition, Departure, Expectation, ListOptions, LogOptions, Since,
};
use crate::bindings::falco_talon::actionner::kubernetes_write::{
    self, ApplyOptions, DeleteOptions, Eviction, PatchType, Preconditions, Propagation, Written,
};
use crate::bindings::falco_talon::actionner::types::{Collection, Error, Object};
use crate::bindings::falco_talon::actionner::{clock, log};

const ANY: Preconditions = Preconditions { uid: None, resource_version: None };

/// The pod of the event.
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// What each function has answered, by its name.
#[derive(Default)]
pub(crate) struct Answers(Map<String, Value>);

impl Answers {
    pub(crate) fn add(&mut self, function: &str, answer: impl Debug) {
        self.0.insert(function.to_owned(), json!(format!("{answer:?}").replace('"', "'")));
    }

    /// Errors by their case alone: their words may become others.
    pub(crate) fn add_result<T: Debug>(&mut self, function: &str, result: Result<T, Error>) {
        match result {
            Ok(answer) => self.add(function, answer),
            Err(error) => {
                let case = format!("{error:?}");
                let case = case.split('(').next().unwrap_or_default().to_owned();
                self.0.insert(function.to_owned(), json!(case));
            }
        }
    }

    pub(crate) fn into_json(self) -> Value {
        Value::Object(self.0)
    }
}

pub(crate) fn survey(pod: &Pod, answers: &mut Answers) {
    log::write(log::Level::Debug, "the survey begins");
    let begun = clock::now();
    let paused = clock::pause(1);
    answers.add("clock", (begun > 1_700_000_000_000, paused >= 1));
    read(pod, answers);
    write(pod, answers);
    run(pod, answers);
    log::write(log::Level::Info, "the survey of the cluster is at its end");
}

fn read(pod: &Pod, answers: &mut Answers) {
    let object = pod.object("pods", &pod.name);
    answers.add_result("get", kubernetes_read::get(&object).map(|text| name(&text)));
    answers.add_result("get (missing)", kubernetes_read::get(&pod.object("pods", "missing")));
    answers.add_result("get (denied)", kubernetes_read::get(&pod.object("secrets", "token")));
    let options = ListOptions {
        label_selector: "app=web".to_owned(),
        field_selector: format!("metadata.name={}", pod.name),
        limit: Some(10),
        continue_: None,
    };
    let listed = kubernetes_read::list(&pod.collection("pods"), &options);
    answers.add_result("list", listed.map(|text| name_of(&parsed(&text)["items"][0])));
    let discovered = kubernetes_read::discover("pods");
    answers.add_result("discover", discovered.map(|types| types.into_iter().next()));
    let options = log_options(Some(Since::Seconds(3600)));
    answers.add_result("logs", kubernetes_read::logs(&pod.namespace, &pod.name, &options));
    match Artifact::create("survey.log", "text/plain") {
        Ok(artifact) => {
            let options = log_options(Some(Since::Time("2020-01-01T00:00:00Z".to_owned())));
            let written = kubernetes_read::logs_into(&pod.namespace, &pod.name, &options, &artifact);
            answers.add_result("logs-into", written);
            answers.add_result("artifact.write", artifact.write(b"and what was added\n"));
        }
        Err(error) => answers.add_result::<()>("artifact.create", Err(error)),
    }
    let condition = |path: &str, expected| Condition { path: path.to_owned(), expected };
    let any_of = [
        condition("metadata.name", Expectation::Absent),
        condition("metadata.name", Expectation::Differs(pod.name.clone())),
        condition("metadata.labels[example.org/none]", Expectation::Exists),
        condition("spec.containers[name=web].image", Expectation::Equals("nginx".to_owned())),
    ];
    answers.add_result("wait", kubernetes_read::wait(&object, &any_of, 5_000).map(|text| name(&text)));
    let never = [condition("metadata.name", Expectation::Absent)];
    answers.add_result("wait (timeout)", kubernetes_read::wait(&object, &never, 10));
}

fn write(pod: &Pod, answers: &mut Answers) {
    let object = pod.object("pods", &pod.name);
    let uid = kubernetes_read::get(&object).ok().and_then(|text| uid(&text));
    let body = json!({"metadata": {"labels": {"surveyed": "true"}}}).to_string();
    let same = Preconditions { uid, resource_version: None };
    let patched = kubernetes_write::patch(&object, PatchType::Merge, &body, &same);
    answers.add_result("patch", patched.map(told));
    let other = Preconditions { uid: None, resource_version: Some("1".to_owned()) };
    let patched = kubernetes_write::patch(&object, PatchType::StrategicMerge, &body, &other);
    answers.add_result("patch (conflict)", patched.map(told));

    let survey = pod.object("configmaps", "survey");
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "survey"}, "data": {"a": "b"}});
    let options = ApplyOptions { force: true, preconditions: ANY };
    let applied = kubernetes_write::apply(&survey, &body.to_string(), &options);
    let uid = applied.as_ref().ok().map(|written| written.uid.clone());
    answers.add_result("apply", applied.map(told));
    let second = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "survey-2"}});
    let created = kubernetes_write::create(&pod.collection("configmaps"), &second.to_string());
    answers.add_result("create", created.map(told));

    let options = DeleteOptions {
        grace_period_s: None,
        propagation: Some(Propagation::Background),
        preconditions: Preconditions { uid: uid.clone(), resource_version: None },
    };
    answers.add_result("delete", kubernetes_write::delete(&survey, &options));
    let departures = [Departure { object: survey, uid }];
    answers.add_result("wait-deleted", kubernetes_read::wait_deleted(&departures, 5_000));

    let eviction = |name: &str| Eviction { namespace: pod.namespace.clone(), pod: name.to_owned(), preconditions: ANY };
    let evictions = [eviction("web-1"), eviction("missing")];
    answers.add_result("evict", kubernetes_write::evict(&evictions, Some(0), 5_000));
}

fn run(pod: &Pod, answers: &mut Answers) {
    let container = Container { namespace: pod.namespace.clone(), pod: pod.name.clone(), name: "web".to_owned() };
    let command = ["sh", "-c", "cat; echo complaint >&2; exit 3"].map(str::to_owned);
    let options = ExecOptions { stdin: b"words".to_vec(), timeout_ms: Some(10_000) };
    let exit = kubernetes_exec::exec(&container, &command, &options);
    answers.add_result("exec", exit.map(|exit| ended(&exit)));
    match Artifact::create("survey.txt", "text/plain") {
        Ok(artifact) => {
            let command = ["echo", "evidence"].map(str::to_owned);
            let options = ExecOptions { stdin: Vec::new(), timeout_ms: None };
            let exit = kubernetes_exec::exec_into(&container, &command, &options, &artifact);
            answers.add_result("exec-into", exit.map(|exit| ended(&exit)));
        }
        Err(error) => answers.add_result::<()>("artifact.create", Err(error)),
    }
}

impl Pod {
    fn object(&self, resource: &str, name: &str) -> Object {
        Object {
            group: String::new(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
            namespace: Some(self.namespace.clone()),
            name: name.to_owned(),
        }
    }

    fn collection(&self, resource: &str) -> Collection {
        Collection {
            group: String::new(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
            namespace: Some(self.namespace.clone()),
        }
    }
}

fn log_options(since: Option<Since>) -> LogOptions {
    LogOptions {
        container: "web".to_owned(),
        tail_lines: Some(10),
        since,
        limit_bytes: Some(1_000),
        timestamps: false,
        previous: false,
    }
}

/// What is the same in each cluster.
fn told(written: Written) -> (String, bool, bool, Option<bool>) {
    let Written { name, uid, resource_version, created, changed } = written;
    (name, !uid.is_empty() && !resource_version.is_empty(), created, changed)
}

fn ended(exit: &Exit) -> (i32, String, String, bool) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (exit.code, text(&exit.stdout), text(&exit.stderr), exit.truncated)
}

fn name(object: &str) -> String {
    name_of(&parsed(object))
}

fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn uid(object: &str) -> Option<String> {
    parsed(object)["metadata"]["uid"].as_str().map(str::to_owned)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
