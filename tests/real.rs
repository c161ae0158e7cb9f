//! A namespace of the real API server, set up from the manifests of a case.
//!
//! Pods are placed on a node of the case that has no kubelet, so that they stay as they are. Only where one is to run,
//! all of them are on the cluster's own node.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use regex::Regex;
use serde_json::{Value, json};
use simulation::{SEED_MANAGER, normalise};

use crate::world::runs;

/// How long to wait before a cluster, whose parts work at their own pace, is asked again, and how often.
const PAUSE: Duration = Duration::from_millis(20);
const TRIES_MAX: usize = 3_000;

/// The names that manifests and events of cases use; all others are of a case's own namespace.
const NAMESPACE: &str = "shop";
const NODE: &str = "node-1";

/// A node that there is not. Once the cluster knows that one is missing, it deletes what is on it, so each case misses
/// another.
const MISSING_NODE: &str = "elsewhere";

/// What a container has logged, as a pod's annotations tell the simulation.
const LOG: &str = "simulation.falco-talon.org/log.";
const PREVIOUS_LOG: &str = "simulation.falco-talon.org/previous-log.";

/// The kinds whose changes are listed, beside those of the manifests.
const KINDS: [(&str, &str); 10] = [
    ("v1", "Namespace"),
    ("v1", "Node"),
    ("v1", "Pod"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("projectcalico.org/v3", "NetworkPolicy"),
    ("cilium.io/v2", "CiliumNetworkPolicy"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
];

/// The kinds that are in no namespace.
const CLUSTER_KINDS: [&str; 5] = ["Namespace", "Node", "ClusterRole", "ClusterRoleBinding", "GlobalNetworkPolicy"];

/// A namespace, and what else belongs to a case.
pub(crate) struct Real {
    pub(crate) client: kube::Client,
    /// The host's own, where it may do less.
    pub(crate) host: Option<kube::Client>,
    /// What sets the names of this case apart.
    suffix: String,
    /// The names that are set apart.
    names: Vec<Regex>,
    kinds: BTreeSet<(String, String)>,
    /// The kinds and names of the objects of the manifests.
    given: BTreeSet<(String, String)>,
}

impl Real {
    /// A namespace with these objects.
    pub(crate) async fn new(client: kube::Client, case: &str, objects: &[Value]) -> Real {
        let has_running_pods = objects.iter().any(runs);
        let names = if has_running_pods { vec![NAMESPACE, MISSING_NODE] } else { vec![NAMESPACE, NODE, MISSING_NODE] };
        let of = |(version, kind): (&str, &str)| (version.to_owned(), kind.to_owned());
        let written = objects.iter().map(|object| of((text(&object["apiVersion"]), text(&object["kind"]))));
        let mut real = Real {
            client,
            host: None,
            suffix: format!("{case}-{}", std::process::id()),
            names: names.iter().map(|name| Regex::new(&format!(r"\b{name}\b")).unwrap()).collect(),
            kinds: KINDS.into_iter().map(of).chain(written).collect(),
            given: BTreeSet::new(),
        };
        let written = objects.iter().filter(|object| object["kind"] != "Namespace");
        let written = written.filter(|object| object["kind"] != "Node" || !has_running_pods);
        let written = written.map(|object| serde_json::from_str(&real.write(&object.to_string())).unwrap());
        let written: Vec<Value> = written.collect();
        real.given =
            written.iter().map(|object| of((text(&object["kind"]), text(&object["metadata"]["name"])))).collect();
        real.furnish(written).await;
        real
    }

    /// A text with the names as they are in this cluster.
    pub(crate) fn write(&self, text: &str) -> String {
        let with = format!("$0-{}", self.suffix);
        self.names.iter().fold(text.to_owned(), |text, name| name.replace_all(&text, &with).into_owned())
    }

    /// A text with the names as cases write them.
    pub(crate) fn read(&self, text: &str) -> String {
        text.replace(&format!("-{}", self.suffix), "")
    }

    /// The objects of the case, once the controllers have taken away what belonged to others that are gone.
    pub(crate) async fn objects(&self) -> Vec<Value> {
        let mut objects = self.list().await;
        for _ in 0..TRIES_MAX {
            if !objects.iter().any(|object| self.is_left_behind(object, &objects)) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            objects = self.list().await;
        }
        objects.iter().map(normalise).collect()
    }

    async fn list(&self) -> Vec<Value> {
        let mut objects = Vec::new();
        for (version, kind) in &self.kinds {
            let is_ours = |object: &Value| {
                let name = text(&object["metadata"]["name"]);
                let furniture = matches!(name, "default" | "kube-root-ca.crt");
                let terminates = !object["metadata"]["deletionTimestamp"].is_null();
                let goes = terminates && matches!(kind.as_str(), "Pod" | "Job" | "Namespace");
                let is_of_another = is_of_cluster(kind) && !name.contains(&self.suffix);
                // What controllers make of the objects is theirs.
                let owner = &object["metadata"]["ownerReferences"][0];
                let is_made = owner["controller"] == true
                    && owner["kind"] != "Pod"
                    && !self.given.contains(&(kind.clone(), name.to_owned()));
                !furniture && !goes && !is_of_another && !is_made
            };
            for object in self.api(version, kind).list(&ListParams::default()).await.unwrap().items {
                let mut object = serde_json::to_value(object).unwrap();
                // The items of a list don't say what they are.
                object["apiVersion"] = json!(version);
                object["kind"] = json!(kind);
                if is_ours(&object) {
                    objects.push(object);
                }
            }
        }
        if !objects.iter().any(|object| object["kind"] == "Namespace") {
            // What is in it goes with it, sooner or later.
            objects.retain(|object| is_of_cluster(text(&object["kind"])));
        }
        objects
    }

    /// Whether the garbage collector has this object still to take away.
    fn is_left_behind(&self, object: &Value, objects: &[Value]) -> bool {
        let owners = object["metadata"]["ownerReferences"].as_array().map_or(&[][..], Vec::as_slice);
        let is_gone = |owner: &Value| {
            let is_listed = self.kinds.iter().any(|(_, kind)| *kind == text(&owner["kind"]));
            is_listed && !objects.iter().any(|other| other["metadata"]["uid"] == owner["uid"])
        };
        !owners.is_empty() && owners.iter().all(is_gone)
    }

    fn api(&self, version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if is_of_cluster(kind) {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), &self.write(NAMESPACE), &resource)
        }
    }

    fn api_of(&self, object: &Value) -> Api<DynamicObject> {
        self.api(text(&object["apiVersion"]), text(&object["kind"]))
    }

    /// Make the objects, and wait until the controllers have nothing left to do.
    ///
    /// Pods come before the workloads that own them, which then adopt them and make none themselves.
    async fn furnish(&self, mut objects: Vec<Value>) {
        objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.write(NAMESPACE)}}));
        let order = |object: &Value| match text(&object["kind"]) {
            "Namespace" => 0,
            "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => 2,
            "Deployment" => 3,
            // One that is not controlled by the owner that it names is not adopted.
            "Pod" if has_given_owner(object) => 4,
            _ => 1,
        };
        objects.sort_by_key(order);
        for object in &objects {
            self.make(object).await;
        }
        for object in &objects {
            self.wait_until_settled(object).await;
            if runs(object) {
                self.wait_until_running(object).await;
            }
        }
    }

    async fn make(&self, object: &Value) {
        let mut made: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let (api, name) = (self.api_of(object), made.metadata.name.clone().unwrap());
        made.metadata.owner_references = serde_json::from_value(self.given_owner_of(object).await).unwrap();
        made.metadata.namespace = None;
        if matches!(text(&object["kind"]), "ReplicaSet" | "Deployment" | "Job") {
            // Its controller may hear of it before it hears of its pods, and then makes pods that are too many. Of
            // these it takes away first what is on no node, so what it makes itself must never be placed on one.
            made.data["spec"]["template"]["spec"]["schedulerName"] = json!("none");
        }
        let parameters = PostParams { field_manager: Some(SEED_MANAGER.to_owned()), ..PostParams::default() };
        // A pod is refused until its new namespace has a service account.
        while let Err(error) = api.create(&parameters, &made).await {
            assert!(matches!(&error, kube::Error::Api(status) if status.message.contains("serviceaccount")), "{error}");
            tokio::time::sleep(PAUSE).await;
        }
        if object["kind"] == "Pod" && !runs(object) {
            let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
            let status = if object["status"].is_object() { object["status"].clone() } else { ready };
            let patch = Patch::Merge(json!({ "status": status }));
            api.patch_status(&name, &PatchParams::default(), &patch).await.unwrap();
        }
    }

    /// The references to an owner that adopts nothing. Null where the owner writes them itself.
    async fn given_owner_of(&self, object: &Value) -> Value {
        if !has_given_owner(object) {
            return Value::Null;
        }
        let mut owner = object["metadata"]["ownerReferences"][0].clone();
        let found = self.api(text(&owner["apiVersion"]), text(&owner["kind"])).get(text(&owner["name"])).await.unwrap();
        owner["uid"] = json!(found.metadata.uid);
        json!([owner])
    }

    async fn wait_until_settled(&self, object: &Value) {
        let owners = |object: &Value| object["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
        let ready = match object["status"]["readyReplicas"].is_null() {
            true => &object["spec"]["replicas"],
            false => &object["status"]["readyReplicas"],
        };
        self.wait(object, |now| {
            let is_ready =
                ready.is_null() || now["status"]["readyReplicas"].as_u64().unwrap_or(0) == ready.as_u64().unwrap();
            owners(now) == owners(object) && is_ready
        })
        .await;
    }

    /// Wait until every container of a pod runs, again where it has a former log, and has logged what the simulation
    /// says.
    async fn wait_until_running(&self, pod: &Value) {
        let annotation = |name: &str| pod["metadata"]["annotations"].get(name).and_then(Value::as_str);
        let containers = pod["spec"]["containers"].as_array().unwrap();
        self.wait(pod, |now| {
            let statuses = now["status"]["containerStatuses"].as_array().map_or(&[][..], Vec::as_slice);
            let runs = |status: &Value| {
                let is_again = annotation(&format!("{PREVIOUS_LOG}{}", text(&status["name"]))).is_some();
                !status["state"]["running"].is_null() && (!is_again || status["restartCount"] != 0)
            };
            statuses.len() == containers.len() && statuses.iter().all(runs)
        })
        .await;
        let (namespace, pod_name) = (self.write(NAMESPACE), text(&pod["metadata"]["name"]));
        for container in containers.iter().map(|container| text(&container["name"])) {
            for (annotated, query) in [(LOG, ""), (PREVIOUS_LOG, "&previous=true")] {
                let Some(expected) = annotation(&format!("{annotated}{container}")) else { continue };
                let path = format!("/api/v1/namespaces/{namespace}/pods/{pod_name}/log?container={container}{query}");
                let mut logged = String::new();
                for _ in 0..TRIES_MAX {
                    let request = http::Request::get(&path).body(Vec::new()).unwrap();
                    logged = self.client.request_text(request).await.unwrap();
                    if logged == expected {
                        break;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                assert_eq!(logged, expected, "{path}");
            }
        }
    }

    async fn wait(&self, object: &Value, is_settled: impl Fn(&Value) -> bool) {
        let (api, name) = (self.api_of(object), text(&object["metadata"]["name"]));
        let mut now = Value::Null;
        for _ in 0..TRIES_MAX {
            now = serde_json::to_value(api.get(name).await.unwrap()).unwrap();
            if is_settled(&now) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{object} never settles, but is {now}");
    }
}

/// Whether it names an owner that adopts nothing, and so comes first: a cron job, or one that does not control.
fn has_given_owner(object: &Value) -> bool {
    let owner = &object["metadata"]["ownerReferences"][0];
    owner["kind"] == "CronJob" || (!owner.is_null() && owner["controller"] != true)
}

fn is_of_cluster(kind: &str) -> bool {
    CLUSTER_KINDS.contains(&kind)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
