//! The cluster behind a host: a simulation, or a namespace of a real API server.
//!
//! Both are set up from the same manifests, record the requests that come in, and tell their
//! objects in the same form. Names that all cases share are rewritten for the real one on the
//! way in and back on the way out.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use host::simulation::{SEED_MANAGER, Simulation, normalise};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use regex::Regex;
use serde_json::{Value, json};

/// How long to wait before a cluster, whose parts work at their own pace, is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// The names that manifests and events of cases use; all others are of a case's own namespace.
const SHARED: [&str; 2] = ["shop", "node-1"];

/// The kinds whose changes are told.
const KINDS: [(&str, &str); 6] = [
    ("v1", "Node"),
    ("v1", "Pod"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
];

/// A cluster for one case.
pub(crate) enum World {
    Simulated(Simulation),
    Real { client: kube::Client, suffix: String },
}

/// Requests that were sent through a client.
#[derive(Clone, Default)]
pub(crate) struct Requests(Arc<Mutex<Vec<Value>>>);

impl World {
    /// A simulation with these objects.
    pub(crate) fn simulated(manifests: &str) -> World {
        World::Simulated(Simulation::from_yaml(manifests).unwrap())
    }

    /// A namespace of the real API server, where there is one, with these objects, named after `case`.
    pub(crate) async fn real(client: kube::Client, case: &str, manifests: &str) -> World {
        let world = World::Real { client, suffix: format!("{case}-{}", std::process::id()) };
        world.furnish(manifests).await;
        world
    }

    /// A text with the names as they are in this cluster.
    pub(crate) fn write(&self, text: &str) -> String {
        let World::Real { suffix, .. } = self else { return text.to_owned() };
        SHARED.iter().fold(text.to_owned(), |text, name| {
            let name = Regex::new(&format!(r"\b{name}\b")).unwrap();
            name.replace_all(&text, format!("$0-{suffix}")).into_owned()
        })
    }

    /// A text with the names as cases write them, and without what differs from run to run.
    pub(crate) fn read(&self, text: &str) -> String {
        static UID: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap());
        let text = UID.replace_all(text, "UID");
        match self {
            World::Simulated(_) => text.into_owned(),
            World::Real { suffix, .. } => text.replace(&format!("-{suffix}"), ""),
        }
    }

    /// A client that records what is sent through it.
    pub(crate) fn client(&self) -> (kube::Client, Requests) {
        let client = match self {
            World::Simulated(simulation) => simulation.client(),
            World::Real { client, .. } => client.clone(),
        };
        let requests = Requests::default();
        let recorder = requests.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (client, recorder) = (client.clone(), recorder.clone());
            async move { client.send(recorder.record(request).await?).await }
        });
        (kube::Client::new(service, "default"), requests)
    }

    /// All objects that a case is about, normalised, by kind and name.
    pub(crate) async fn objects(&self) -> BTreeMap<String, Value> {
        let objects = match self {
            World::Simulated(simulation) => simulation.snapshot(),
            World::Real { client, .. } => self.real_objects(client).await,
        };
        objects.into_iter().map(|object| (name_of(&object), object)).collect()
    }

    async fn real_objects(&self, client: &kube::Client) -> Vec<Value> {
        let mut objects = Vec::new();
        for (version, kind) in KINDS {
            let api = self.api(client, version, kind);
            for object in api.list(&ListParams::default()).await.unwrap().items {
                let mut object = serde_json::to_value(object).unwrap();
                // The items of a list don't say what they are.
                object["apiVersion"] = json!(version);
                object["kind"] = json!(kind);
                let terminating = kind == "Pod" && !object["metadata"]["deletionTimestamp"].is_null();
                let other_node = kind == "Node" && name_of(&object) != self.write("Node node-1");
                if !terminating && !other_node {
                    let object = self.read(&normalise(&object).to_string());
                    objects.push(serde_json::from_str(&object).unwrap());
                }
            }
        }
        objects
    }

    fn api(&self, client: &kube::Client, version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        match kind {
            "Node" | "Namespace" => Api::all_with(client.clone(), &resource),
            _ => Api::namespaced_with(client.clone(), &self.write("shop"), &resource),
        }
    }

    /// Make the objects of the manifests, and wait until the controllers have nothing left to do.
    ///
    /// Pods come before the workloads that own them, which then adopt them and make none themselves.
    async fn furnish(&self, manifests: &str) {
        let World::Real { client, .. } = self else { return };
        let mut objects: Vec<Value> = serde_saphyr::from_multiple(&self.write(manifests)).unwrap();
        objects.retain(|object| object.is_object() && object["kind"] != "Namespace");
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.write("shop")}});
        objects.push(namespace);
        let order = |object: &Value| match object["kind"].as_str().unwrap() {
            "Namespace" => 0,
            "ReplicaSet" | "StatefulSet" | "DaemonSet" => 2,
            _ => 1,
        };
        objects.sort_by_key(order);
        for object in &objects {
            self.make(client, object).await;
        }
        for object in &objects {
            self.wait_until_settled(client, object).await;
        }
    }

    async fn make(&self, client: &kube::Client, object: &Value) {
        let mut made: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let (api, name) = (self.api_of(client, object), made.metadata.name.clone().unwrap());
        made.metadata.owner_references = None;
        made.metadata.namespace = None;
        let parameters = PostParams { field_manager: Some(SEED_MANAGER.to_owned()), ..PostParams::default() };
        // A pod is refused until its new namespace has a service account.
        while let Err(error) = api.create(&parameters, &made).await {
            assert!(matches!(&error, kube::Error::Api(status) if status.message.contains("serviceaccount")), "{error}");
            tokio::time::sleep(PAUSE).await;
        }
        if object["kind"] == "Pod" {
            let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
            let status = if object["status"].is_object() { object["status"].clone() } else { ready };
            let patch = Patch::Merge(json!({ "status": status }));
            api.patch_status(&name, &PatchParams::default(), &patch).await.unwrap();
        }
    }

    async fn wait_until_settled(&self, client: &kube::Client, object: &Value) {
        let owners = |object: &Value| object["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
        let ready = match object["status"]["readyReplicas"].is_null() {
            true => &object["spec"]["replicas"],
            false => &object["status"]["readyReplicas"],
        };
        let (api, name) = (self.api_of(client, object), object["metadata"]["name"].as_str().unwrap());
        loop {
            let now = serde_json::to_value(api.get(name).await.unwrap()).unwrap();
            let is_ready =
                ready.is_null() || now["status"]["readyReplicas"].as_u64().unwrap_or(0) == ready.as_u64().unwrap();
            if owners(&now) == owners(object) && is_ready {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn api_of(&self, client: &kube::Client, object: &Value) -> Api<DynamicObject> {
        self.api(client, object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap())
    }
}

impl Requests {
    /// What was sent: method, path, and the body of a deletion, whose options it holds. What
    /// other bodies do shows in the objects.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }

    async fn record(&self, request: http::Request<Body>) -> Result<http::Request<Body>, kube::Error> {
        let (head, body) = request.into_parts();
        let bytes = body.collect_bytes().await?;
        let mut line = format!("{} {}", head.method, head.uri);
        if head.method == http::Method::DELETE {
            line = format!("{line} {}", String::from_utf8_lossy(&bytes));
        }
        self.0.lock().unwrap().push(json!(line));
        Ok(http::Request::from_parts(head, Body::from(bytes.to_vec())))
    }
}

/// What became of the objects: merge patches of those that changed, and those that came and went.
///
/// Pods that a controller has made in the place of others, and what is written about nodes
/// meanwhile, is not the host's doing.
pub(crate) fn changes(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut changes = BTreeMap::new();
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.insert(name.clone(), json!("deleted"));
    }
    for (name, object) in after {
        match before.get(name) {
            None if object["metadata"]["ownerReferences"][0]["kind"] == "Pod" || object["kind"] != "Pod" => {
                changes.insert(name.clone(), json!({ "created": object }));
            }
            None => {}
            Some(earlier) if object["kind"] == "Node" => {
                let patch = difference(&earlier["metadata"]["labels"], &object["metadata"]["labels"]);
                changes.extend(patch.map(|labels| (name.clone(), json!({"labels": labels}))));
            }
            Some(earlier) => changes.extend(difference(earlier, object).map(|patch| (name.clone(), patch))),
        }
    }
    changes
}

/// The merge patch that makes `after` of `before`; none where they are the same.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Some(earlier), Some(later)) = (before.as_object(), after.as_object()) else { return Some(after.clone()) };
    let mut patch = serde_json::Map::new();
    for key in earlier.keys().chain(later.keys()) {
        let (before, after) = (&before[key], &after[key]);
        patch.extend(difference(before, after).map(|patch| (key.clone(), patch)));
    }
    Some(Value::Object(patch))
}

fn name_of(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    format!("{kind} {name}")
}
