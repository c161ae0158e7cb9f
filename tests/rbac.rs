//! The roles that `rbac` prints are enough, and none of their verbs is too much.
//!
//! Each actionner's cases run on the real API server by a host that has these roles and nothing else; and for
//! each verb there is a case that fails without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use policy::rbac::{ServiceAccount, manifests};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::cases::{cases, name, read, run};
use crate::cluster;
use crate::custom_resources::install_custom_resources;
use crate::data::loader;
use crate::material::folder;
use crate::world::World;

/// More hosts at once only wait for each other.
const AT_ONCE_MAX: usize = 8;

/// One verb for one resource, as a rule of a role has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    group: String,
    resource: String,
    verb: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_actionner_works_with_its_roles_and_not_with_less() {
    let Some(client) = cluster::client(None).await else {
        assert!(std::env::var_os("CI").is_none(), "this must not be skipped in CI");
        return;
    };
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return;
    }
    install_custom_resources(&client).await;
    let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let mut checks = Vec::new();
    for (actionner, cases) in cases_by_actionner() {
        let (client, places) = (client.clone(), places.clone());
        checks.push(tokio::spawn(async move { check(&client, &places, &actionner, &cases).await }));
    }
    let mut wrong = Vec::new();
    for check in checks {
        wrong.extend(check.await.unwrap());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// It is what the action says, and not that nobody answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_forbidden_to_the_host_is_reported_as_that() {
    let Some(client) = cluster::client(None).await else {
        assert!(std::env::var_os("CI").is_none(), "this must not be skipped in CI");
        return;
    };
    let (group, resource, verb) = (String::new(), "pods/exec".to_owned(), "create".to_owned());
    let right = Right { group, resource, verb };
    let case = folder("cases/exec-named-container");
    let (outcome, granted) = run_with(&client, &Semaphore::new(1), &case, Some(&right)).await;
    assert!(granted.contains(&right), "{granted:?}");
    let outcome = outcome.unwrap();
    assert!(outcome.contains("the API server forbids it to the host"), "{outcome}");
}

/// The cases that run under the policy that an actionner comes with.
fn cases_by_actionner() -> BTreeMap<String, Vec<PathBuf>> {
    let mut by_actionner = BTreeMap::<String, Vec<PathBuf>>::new();
    for case in cases() {
        if case.join("policy.yaml").exists() || !case.join("expected.yaml").exists() {
            continue;
        }
        let rules: Value = serde_saphyr::from_str(&read(&case, "rules.yaml").unwrap()).unwrap();
        let mut actionners = BTreeSet::new();
        named(&rules, &mut actionners);
        // Functions are not in the cluster.
        if let [actionner] = Vec::from_iter(actionners).as_slice()
            && !matches!(actionner.as_str(), "aws:lambda" | "gcp:function")
        {
            by_actionner.entry(actionner.clone()).or_default().push(case);
        }
    }
    by_actionner
}

/// All that stands after `actionner:`.
fn named(value: &Value, actionners: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            actionners.extend(object.get("actionner").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| named(value, actionners));
        }
        Value::Array(items) => items.iter().for_each(|value| named(value, actionners)),
        _ => {}
    }
}

async fn check(client: &kube::Client, places: &Arc<Semaphore>, actionner: &str, cases: &[PathBuf]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut rights = BTreeSet::new();
    for case in cases {
        let (outcome, granted) = run_with(client, places, case, None).await;
        wrong.extend(outcome.map(|outcome| format!("with its roles alone: {outcome}")));
        rights.extend(granted);
    }
    let mut trials = Vec::new();
    for right in rights {
        let (client, places, cases) = (client.clone(), places.clone(), cases.to_vec());
        trials.push(tokio::spawn(async move {
            for case in &cases {
                let (outcome, granted) = run_with(&client, &places, case, Some(&right)).await;
                if granted.contains(&right) && outcome.is_some() {
                    return None;
                }
            }
            Some(right)
        }));
    }
    for trial in trials {
        if let Some(Right { group, resource, verb }) = trial.await.unwrap() {
            wrong.push(format!("{actionner} is granted `{verb}` for {group}/{resource}, which no case misses"));
        }
    }
    wrong
}

/// Run a case by a host that has only the roles for its rules, but one right. What is wrong then, and all rights.
async fn run_with(
    client: &kube::Client,
    places: &Semaphore,
    case: &std::path::Path,
    without: Option<&Right>,
) -> (Option<String>, BTreeSet<Right>) {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let _place = places.acquire().await.unwrap();
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let id = format!("{}-{number}", name(case));
    let objects = read(case, "cluster.yaml").unwrap_or_default();
    let mut world = World::real(client.clone(), &id, &objects).await;
    let documents = roles(case, &world, &id).await;
    let granted = documents.iter().flat_map(rights).collect();
    let documents: Vec<Value> = documents.into_iter().map(|document| lessened(document, without)).collect();
    for document in &documents {
        create(client, document).await;
    }
    let host = cluster::client(Some(&format!("system:serviceaccount:falco-talon:{id}"))).await.unwrap();
    if let Some(right) = documents.iter().flat_map(rights).next() {
        wait_for(&host, &documents, &right).await;
    }
    world.host_is(host);
    (run(case, &world).await, granted)
}

/// The manifests for a case's rules, under names of their own.
async fn roles(case: &std::path::Path, world: &World, id: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    for file in ["rules.yaml", "environment.yaml"] {
        if let Some(text) = read(case, file) {
            fs::write(folder.path().join(file), world.write(&text)).unwrap();
        }
    }
    let loaded = loader(folder.path()).load().await.unwrap_or_else(|problems| panic!("{problems:?}"));
    let account = ServiceAccount { namespace: "falco-talon".to_owned(), name: id.to_owned() };
    let grants = loaded.generation.grants_in_use();
    let text = manifests(&grants, loaded.generation.reads_of_host(), Some(&account))
        .unwrap_or_default()
        .replace("name: falco-talon", &format!("name: {id}"));
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    documents.retain(Value::is_object);
    documents
}

fn rights(document: &Value) -> Vec<Right> {
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut rights = Vec::new();
    for rule in document["rules"].as_array().into_iter().flatten() {
        for resource in strings(&rule["resources"]) {
            for verb in strings(&rule["verbs"]) {
                let group = strings(&rule["apiGroups"]).concat();
                rights.push(Right { group, resource: resource.clone(), verb });
            }
        }
    }
    rights
}

/// A role without one right.
fn lessened(mut document: Value, without: Option<&Right>) -> Value {
    if document["rules"].is_array() {
        let kept = rights(&document).into_iter().filter(|right| Some(right) != without);
        let rule =
            |Right { group, resource, verb }| json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
        document["rules"] = kept.map(rule).collect();
    }
    document
}

async fn create(client: &kube::Client, document: &Value) {
    let object: DynamicObject = serde_json::from_value(document.clone()).unwrap();
    let kind = document["kind"].as_str().unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", kind));
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// The API server learns of roles a moment after they were made.
async fn wait_for(host: &kube::Client, documents: &[Value], right: &Right) {
    let of = documents.iter().find(|document| rights(document).contains(right)).unwrap();
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (right.resource.as_str(), None),
    };
    let attributes = json!({
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "verb": right.verb,
        "namespace": of["metadata"]["namespace"],
    });
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    });
    loop {
        let request = http::Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
            .header("content-type", "application/json")
            .body(review.to_string().into_bytes())
            .unwrap();
        let answer: Value = host.request(request).await.unwrap();
        if answer["status"]["allowed"] == true {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
