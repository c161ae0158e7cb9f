//! Deletion: grace, finalizers, the garbage collector's part, and evictions with their budgets.
//!
//! There is no kubelet here. A pod with a node and a grace period stays, marked as terminating, until its time has
//! passed or [`super::Simulation::finish_terminations`] is called.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::Answer;
use super::body::{Body, OTHER_NAMESPACE};
use super::call::{Call, Verb};
use super::resource::Resource;
use super::status::{self, Cause, Refusal};
use super::store::{Key, Store};
use super::{budget, call, clock};

/// Said where a job is deleted without a word about its pods.
const PODS_STAY: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them \
    or set propagationPolicy=Orphan to suppress this warning";

/// How to delete, from the body or, where there is none, from the query.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) dry_run: bool,
    grace_period_s: Option<i64>,
    uid: Option<String>,
    version: Option<String>,
    orphan: bool,
    foreground: bool,
    has_policy: bool,
}

impl Options {
    /// A body hides the query, as in the real API server: `?dryRun=All` with a body is not a dry run.
    pub(super) fn parse(call: &Call, body: &Body) -> Result<Options, Refusal> {
        if body.bytes.is_empty() {
            let query = &call.query;
            let options =
                Options { dry_run: query.dry_run, grace_period_s: query.grace_period_s, ..Options::default() };
            return options.with_policy(query.propagation.as_deref());
        }
        let broken =
            |_| Refusal::bad_request("couldn't get version/kind; json parse error: unexpected end of JSON input");
        Options::read(&serde_json::from_slice(body.bytes).map_err(broken)?)
    }

    pub(super) fn read(options: &Value) -> Result<Options, Refusal> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let dry_run = options["dryRun"].as_array().is_some_and(|modes| !modes.is_empty());
        if options["dryRun"].as_array().into_iter().flatten().any(|mode| mode != "All") {
            return Err(call::options_invalid(
                Verb::Delete,
                &Cause::unsupported("dryRun", &options["dryRun"], "\"All\""),
            ));
        }
        let read = Options {
            dry_run,
            grace_period_s: options["gracePeriodSeconds"].as_i64(),
            uid: text(&options["preconditions"]["uid"]),
            version: text(&options["preconditions"]["resourceVersion"]),
            ..Options::default()
        };
        read.with_policy(options["propagationPolicy"].as_str())
    }

    fn with_policy(mut self, policy: Option<&str>) -> Result<Options, Refusal> {
        self.has_policy = policy.is_some();
        match policy {
            None | Some("Background") => {}
            Some("Foreground") => self.foreground = true,
            Some("Orphan") => self.orphan = true,
            Some(other) => {
                let supported = "\"Foreground\", \"Background\", \"Orphan\", \"nil\"";
                return Err(call::options_invalid(
                    Verb::Delete,
                    &Cause::unsupported("propagationPolicy", &json!(other), supported),
                ));
            }
        }
        Ok(self)
    }

    fn check(&self, resource: &Resource, object: &Value) -> Result<(), Refusal> {
        let metadata = &object["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default();
        if let Some(uid) = self.uid.as_deref().filter(|uid| *uid != text("uid")) {
            let found = text("uid");
            let text_of = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({found}). The object might have been deleted and \
                 then recreated"
            );
            return Err(Refusal::precondition(resource, text("name"), &text_of));
        }
        if let Some(version) = self.version.as_deref().filter(|version| *version != text("resourceVersion")) {
            let found = text("resourceVersion");
            let text_of = format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({found}). The object \
                 might have been modified"
            );
            return Err(Refusal::precondition(resource, text("name"), &text_of));
        }
        Ok(())
    }
}

/// Delete one object.
pub(super) fn delete(store: &mut Store, call: &Call, mut options: Options, now: &Value) -> Result<Answer, Refusal> {
    let key = Key::new(call.resource, call.namespace.as_deref(), &call.name);
    let object = store.get(&key).cloned().ok_or_else(|| Refusal::not_found(call.resource, &call.name))?;
    options.check(call.resource, &object)?;
    let mut warnings = Vec::new();
    if call.resource.kind == "Job" && !options.has_policy {
        options.orphan = true;
        warnings.push(PODS_STAY.to_owned());
    }
    let (object, gone) = remove(store, &key, object, call.resource, &options, now);
    let body = if !gone || call.resource.answers_deleted { object } else { success(call.resource, &object) };
    Ok(Answer { code: StatusCode::OK, body, warnings })
}

/// Delete all objects that `selected` names, and answer with the list of them.
pub(super) fn delete_collection(
    store: &mut Store,
    call: &Call,
    selected: Vec<(Key, Value)>,
    options: &Options,
    now: &Value,
) -> Vec<Value> {
    let deleted = selected.into_iter().map(|(key, object)| remove(store, &key, object, call.resource, options, now).0);
    deleted.collect()
}

/// Carry out a deletion. The object as it is answered, and whether it is gone.
fn remove(
    store: &mut Store,
    key: &Key,
    mut object: Value,
    resource: &Resource,
    options: &Options,
    now: &Value,
) -> (Value, bool) {
    let grace_s = grace_s(resource, &object, options);
    let metadata = &mut object["metadata"];
    let held = metadata["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
    let pending = !metadata["deletionTimestamp"].is_null();
    if pending {
        let left_s = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or_default();
        if held && left_s == 0 || !held && grace_s > 0 && grace_s >= left_s {
            return (object, false);
        }
    } else if let Some(generation) = metadata["generation"].as_i64().filter(|_| grace_s > 0 || held) {
        metadata["generation"] = json!(generation + 1);
    }
    metadata["deletionTimestamp"] = clock::after(now, grace_s);
    if resource.kind == "Namespace" {
        object["status"]["phase"] = json!("Terminating");
    } else {
        metadata["deletionGracePeriodSeconds"] = json!(grace_s);
    }
    let stays = grace_s > 0 || held;
    if !options.dry_run {
        if stays {
            object = store.put(key.clone(), object);
        } else {
            dismiss(store, key, options.orphan, now);
        }
    }
    let waits = stays || options.foreground || options.orphan || resource.kind == "Namespace";
    if !stays && (options.foreground || options.orphan) {
        let finalizer = if options.orphan { "orphan" } else { "foregroundDeletion" };
        object["metadata"]["finalizers"] = json!([finalizer]);
    }
    (object, !waits)
}

/// How long a pod may take to end; everything else goes at once.
fn grace_s(resource: &Resource, object: &Value, options: &Options) -> i64 {
    let unplaced = object["spec"]["nodeName"].as_str().unwrap_or_default().is_empty();
    let ended = matches!(object["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
    if resource.kind != "Pod" || unplaced || ended {
        return 0;
    }
    let grace_s =
        options.grace_period_s.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30);
    if grace_s < 0 { 1 } else { grace_s }
}

/// Take an object away at last, and what it owns with it.
pub(super) fn finish(store: &mut Store, key: &Key, now: &Value) {
    dismiss(store, key, false, now);
}

fn dismiss(store: &mut Store, key: &Key, orphan: bool, now: &Value) {
    let Some(object) = store.remove(key) else {
        return;
    };
    if object["kind"] == "Namespace" {
        let inside: Vec<Key> =
            store.all().filter(|(other, _)| other.namespace == key.name).map(|(key, _)| key.clone()).collect();
        for key in inside {
            store.remove(&key);
        }
    }
    let Some(uid) = object["metadata"]["uid"].as_str() else {
        return;
    };
    for (key, mut dependent) in dependents(store, uid) {
        let others = dependent["metadata"]["ownerReferences"].as_array_mut().map(|owners| {
            owners.retain(|owner| owner["uid"] != uid);
            owners.len()
        });
        let resource = Store::resource_of(&key);
        match resource {
            Some(resource) if !orphan && others == Some(0) => {
                if let Some(dependent) = store.get(&key).cloned() {
                    remove(store, &key, dependent, resource, &Options::default(), now);
                }
            }
            _ => {
                store.put(key, dependent);
            }
        }
    }
}

fn dependents(store: &Store, uid: &str) -> Vec<(Key, Value)> {
    let owned = |object: &Value| {
        object["metadata"]["ownerReferences"]
            .as_array()
            .is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
    };
    store.all().filter(|(_, object)| owned(object)).map(|(key, object)| (key.clone(), object.clone())).collect()
}

/// Take away the pods whose time has passed at `now`, or all that terminate where it is none: the kubelet's part.
pub(super) fn expire(store: &mut Store, now: &Value, all: bool) {
    let over = |object: &Value| {
        let metadata = &object["metadata"];
        let held = metadata["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
        let terminates = object["kind"] == "Pod" && !held && !metadata["deletionTimestamp"].is_null();
        terminates && (all || clock::is_past(&metadata["deletionTimestamp"], now))
    };
    let keys: Vec<Key> = store.all().filter(|(_, object)| over(object)).map(|(key, _)| key.clone()).collect();
    for key in keys {
        dismiss(store, &key, false, now);
    }
}

/// Evict a pod: delete it, if its budgets allow it.
pub(super) fn evict(store: &mut Store, call: &Call, body: &Body, now: &Value) -> Result<Answer, Refusal> {
    let eviction = body.object(call)?;
    let metadata = &eviction["metadata"];
    if metadata["namespace"].as_str().is_some_and(|namespace| Some(namespace) != call.namespace.as_deref()) {
        return Err(Refusal::bad_request(OTHER_NAMESPACE));
    }
    if metadata["name"].as_str().unwrap_or_default() != call.name {
        return Err(Refusal::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut options = Options::read(&eviction["deleteOptions"])?;
    options.dry_run |= call.query.dry_run;
    let key = Key::new(call.resource, call.namespace.as_deref(), &call.name);
    let pod = store.get(&key).cloned().ok_or_else(|| Refusal::not_found(call.resource, &call.name))?;
    if !budget::is_beyond(&pod) {
        budget::check(store, &key.namespace, &pod)?;
    }
    options.check(call.resource, &pod)?;
    remove(store, &key, pod, call.resource, &options, now);
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(Answer { code: StatusCode::CREATED, body, warnings: Vec::new() })
}

fn success(resource: &Resource, object: &Value) -> Value {
    let mut details =
        status::details(resource.group, resource.plural, object["metadata"]["name"].as_str().unwrap_or_default());
    details["uid"] = object["metadata"]["uid"].clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
