//! The cluster behind a host: a simulation, or a namespace of a real API server.
//!
//! Both are set up from the same manifests, record the requests that come in, and tell their
//! objects in the same form. Names that all cases share are rewritten for the real one on the
//! way in and back on the way out.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use http::Method;
use kube::client::Body;
use regex::Regex;
use serde_json::{Value, json};
use simulation::Simulation;

use crate::processes;
use crate::real::Real;

/// A cluster for one case.
pub(crate) enum World {
    Simulated(Simulation),
    Real(Box<Real>),
}

/// Requests that were sent through a client.
#[derive(Clone, Default)]
pub(crate) struct Requests(Arc<Mutex<Vec<Request>>>);

struct Request {
    line: String,
    /// Whether it is one that a host repeats until it likes the answer.
    is_repeated: bool,
}

impl World {
    /// A simulation with these objects, which runs commands as the real API server of our tests does.
    pub(crate) fn simulated(manifests: &str) -> World {
        let simulation = Simulation::new(objects(manifests)).unwrap();
        processes::run_commands(&simulation);
        World::Simulated(simulation)
    }

    /// A namespace of the real API server, where there is one, with these objects, named after `case`.
    pub(crate) async fn real(client: kube::Client, case: &str, manifests: &str) -> World {
        World::Real(Box::new(Real::new(client, case, &objects(manifests)).await))
    }

    /// A text with the names as they are in this cluster.
    pub(crate) fn write(&self, text: &str) -> String {
        match self {
            World::Simulated(_) => text.to_owned(),
            World::Real(real) => real.write(text),
        }
    }

    /// A text with the names as cases write them, and without what differs from run to run.
    pub(crate) fn read(&self, text: &str) -> String {
        static RULES: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
            let rules = [
                (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
                // As much of the id of a container as is compared.
                (r"\b[0-9a-f]{8}-[0-9a-f]{3}\b", "ID"),
                (r"(falco-talon-(?:tcpdump|sysdig))-[a-z0-9]{5}(?:-[a-z0-9]{5})?\b", "$1-XXXXX"),
            ];
            rules.map(|(pattern, with)| (Regex::new(pattern).unwrap(), with))
        });
        let text = match self {
            World::Simulated(_) => text.to_owned(),
            World::Real(real) => real.read(text),
        };
        RULES.iter().fold(text, |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
    }

    /// Let the host have another client than what sets the world up and looks at it.
    pub(crate) fn host_is(&mut self, client: kube::Client) {
        match self {
            World::Simulated(_) => panic!("a simulation has but one client"),
            World::Real(real) => real.host = Some(client),
        }
    }

    /// A client that records what is sent through it.
    pub(crate) fn client(&self) -> (kube::Client, Requests) {
        let client = match self {
            World::Simulated(simulation) => simulation.client(),
            World::Real(real) => real.host.clone().unwrap_or_else(|| real.client.clone()),
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
            World::Real(real) => real.objects().await,
        };
        let objects = objects.into_iter().map(|object| {
            let object: Value = serde_json::from_str(&self.read(&object.to_string())).unwrap();
            (name_of(&object), object)
        });
        objects.collect()
    }
}

/// The objects of manifests. A pod that has a node and a command has the status that its kubelet gives it, whatever
/// they say.
fn objects(manifests: &str) -> Vec<Value> {
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(manifests).unwrap();
    objects.retain(Value::is_object);
    for pod in objects.iter_mut().filter(|object| runs(object)) {
        pod.as_object_mut().unwrap().remove("status");
    }
    objects
}

/// Whether this is a pod that is more than an entry in a list.
pub(crate) fn runs(object: &Value) -> bool {
    let mut containers = object["spec"]["containers"].as_array().into_iter().flatten();
    let has_command = containers.any(|container| container["command"].is_array());
    object["kind"] == "Pod" && object["spec"]["nodeName"].is_string() && has_command
}

impl Requests {
    /// What was sent: method, path, the body of a deletion, whose options it holds, and the command that is run. What
    /// other bodies do shows in the objects.
    ///
    /// How often a host looks again, or tries again, depends on how fast the cluster is: so what is repeated, with
    /// nothing else between, is listed once.
    pub(crate) fn all(&self) -> Vec<Value> {
        let requests = self.0.lock().unwrap();
        let (mut all, mut repeated): (Vec<Value>, Vec<&str>) = (Vec::new(), Vec::new());
        for Request { line, is_repeated } in requests.iter() {
            if !is_repeated {
                repeated.clear();
            } else if repeated.contains(&line.as_str()) {
                continue;
            } else {
                repeated.push(line);
            }
            all.push(json!(line));
        }
        all
    }

    pub(crate) async fn record(&self, request: http::Request<Body>) -> Result<http::Request<Body>, kube::Error> {
        let (head, body) = request.into_parts();
        let bytes = body.collect_bytes().await?;
        let path = head.uri.path();
        let line = match head.method {
            Method::DELETE => format!("{} {} {}", head.method, head.uri, String::from_utf8_lossy(&bytes)),
            _ if path.ends_with("/exec") => exec(&head.uri),
            _ => format!("{} {}", head.method, head.uri),
        };
        // Whether the server is there is asked beside whatever else happens.
        if path == "/version" {
            return Ok(http::Request::from_parts(head, Body::from(bytes.to_vec())));
        }
        let is_look = head.method == Method::GET && !path.ends_with("/exec") && !path.ends_with("/log");
        let is_repeated = is_look || path.ends_with("/eviction");
        self.0.lock().unwrap().push(Request { line, is_repeated });
        Ok(http::Request::from_parts(head, Body::from(bytes.to_vec())))
    }
}

/// A command that is to be run, as a person can read it.
fn exec(uri: &http::Uri) -> String {
    let (mut container, mut command) = (String::new(), Vec::new());
    for (key, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match &*key {
            "container" => container = value.into_owned(),
            "command" => command.push(value.into_owned()),
            _ => {}
        }
    }
    format!("GET {} {container}: {}", uri.path(), json!(command))
}

/// What became of the objects: merge patches of those that changed, and those that came and went.
///
/// Pods and others that a controller has made, and what is written about nodes meanwhile, is not
/// the host's doing.
pub(crate) fn changes(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut changes = BTreeMap::new();
    for (name, object) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
        if !is_scaled_away(object, after) {
            changes.insert(name.clone(), json!("deleted"));
        }
    }
    for (name, object) in after {
        match before.get(name) {
            None if !is_made_by_controller(object) => {
                changes.insert(name.clone(), json!({ "created": object }));
            }
            None => {}
            Some(earlier) if object["kind"] == "Node" => {
                let patch = difference(&of_node(earlier), &of_node(object));
                changes.extend(patch.map(|patch| (name.clone(), patch)));
            }
            Some(earlier) => {
                let patch = difference(&without_others_scale(earlier), &without_others_scale(object));
                changes.extend(patch.map(|patch| (name.clone(), patch)));
            }
        }
    }
    changes
}

fn is_made_by_controller(object: &Value) -> bool {
    let owner = &object["metadata"]["ownerReferences"][0];
    owner["kind"] != "Pod" && (object["kind"] == "Pod" || owner["controller"] == true)
}

/// Whether a pod has gone since whoever controls it is to have none.
fn is_scaled_away(object: &Value, after: &BTreeMap<String, Value>) -> bool {
    let owner = &object["metadata"]["ownerReferences"][0];
    let name = name_of(&json!({"kind": owner["kind"], "metadata": {"name": owner["name"]}}));
    object["kind"] == "Pod" && after.get(&name).is_some_and(|owner| owner["spec"]["replicas"] == 0)
}

/// An object without the number of replicas that its Deployment says.
fn without_others_scale(object: &Value) -> Value {
    let mut object = object.clone();
    if object["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.remove("replicas");
    }
    object
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

/// What of a node a host writes, as opposed to the node itself and its controllers.
fn of_node(node: &Value) -> Value {
    let ours = |field: &str| -> Value {
        let entries = node["metadata"][field].as_object().into_iter().flatten();
        let ours = entries.filter(|(key, _)| !key.contains("kubernetes.io/"));
        ours.map(|(key, value)| (key.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into()
    };
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    let taints: Vec<_> = taints.filter(|it| !it["key"].as_str().unwrap().contains("kubernetes.io/")).collect();
    let unschedulable = &node["spec"]["unschedulable"];
    json!({
        "labels": ours("labels"), "annotations": ours("annotations"), "taints": taints, "unschedulable": unschedulable,
    })
}

/// Kind and name, with the group where another has the same kind.
fn name_of(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    match text(&object["apiVersion"]).split_once('/') {
        Some((group @ "projectcalico.org", _)) => format!("{kind}.{group} {name}"),
        _ => format!("{kind} {name}"),
    }
}
