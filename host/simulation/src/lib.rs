//! A small Kubernetes API in memory, for `falco-talon demo`, for tests of rules without a cluster, and for our own
//! tests.
//!
//! It stands behind a real [`kube::Client`] as a service for HTTP requests, and answers as a real API server does: the
//! same status codes, reasons and messages, the same merging of patches and applied objects, the same conflicts. Where
//! the two differ, a test that plays the same requests against both says so. It is not a cluster: nothing schedules
//! pods, runs them or replaces them; of the controllers it has only what makes the pod of a job and what takes away the
//! dependents of a deleted object. What containers log is what annotations of their pod say, and commands in them are
//! run by whoever makes the simulation, or not at all. It knows no users and no permissions, and serves no watches.

mod answer;
mod apply;
mod body;
mod budget;
mod call;
mod change;
mod clock;
mod decode;
mod defaults;
mod delete;
mod discovery;
mod ephemeral;
mod exec;
mod failure;
mod job;
mod lookup;
mod managed_fields;
mod merge;
mod names;
mod normalise;
mod pod;
mod read;
mod reply;
mod resource;
mod scale;
mod schema;
mod seed;
mod selector;
mod service;
mod specification;
mod status;
mod store;
mod validation;
mod write;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use exec::Commands;
use failure::Failures;
use seed::Seed;
use store::{Key, Store};

pub use exec::Execution;
pub use failure::{Failure, Matcher};
pub use normalise::normalise;
pub use seed::{SEED_MANAGER, SimulationError};

/// A Kubernetes API in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct Simulation {
    // A plain mutex, since nothing waits while it is held: a request is carried out from first to last without another
    // between.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    store: Store,
    failures: Failures,
    latency: Duration,
    requests: Vec<RecordedRequest>,
    commands: Commands,
}

/// A request that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRequest {
    /// For example `PATCH`.
    pub method: String,
    /// The path with the query.
    pub path: String,
    /// The content type of the body, where one was named.
    pub content_type: Option<String>,
    /// The body, as text; empty where there was none.
    pub body: String,
    /// The status code of the answer; none where no answer came.
    pub status: Option<u16>,
}

impl RecordedRequest {
    /// The body as JSON; null where it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Simulation {
    /// A cluster with these objects, and the namespaces that every cluster has.
    ///
    /// A namespace that an object names is made along with it. An object without a status gets the one that it would
    /// soon have.
    ///
    /// # Errors
    /// The object is of an unknown kind, has unknown or mistyped fields, or would be refused by the API server.
    pub fn new(objects: Vec<Value>) -> Result<Simulation, SimulationError> {
        let numbered = objects.into_iter().enumerate();
        let seeds = numbered.map(|(index, object)| Seed { place: format!("object {}", index + 1), object });
        Simulation::begin(seeds.collect())
    }

    /// A cluster with the objects of a YAML text, which may have several documents.
    ///
    /// # Errors
    /// As for [`Simulation::new`], and where the text is not YAML: with line and column.
    pub fn from_yaml(text: &str) -> Result<Simulation, SimulationError> {
        Simulation::begin(seed::parse(text)?)
    }

    /// An object as it is, `None` where it does not exist. The namespace is `None` for what lies outside of namespaces.
    #[must_use]
    pub fn get(&self, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        let resource = resource::by_kind(api_version, kind)?;
        self.state().store.get(&Key::new(resource, namespace, name)).cloned()
    }

    /// All objects in a form that does not change from run to run (see [`normalise`]), in the order of kind, namespace
    /// and name, without what every cluster has and without pods that are terminating.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Value> {
        let state = self.state();
        let given = |key: &Key, object: &Value| {
            let every_cluster = ["default", "kube-system", "kube-public", "kube-node-lease"];
            let furniture = (object["kind"] == "Namespace" && every_cluster.contains(&key.name.as_str()))
                || (object["kind"] == "ServiceAccount" && key.name == "default")
                || key.name == "kube-root-ca.crt";
            let terminating = object["kind"] == "Pod" && !object["metadata"]["deletionTimestamp"].is_null();
            !furniture && !terminating
        };
        state.store.all().filter(|(key, object)| given(key, object)).map(|(_, object)| normalise(object)).collect()
    }

    /// The requests so far, in the order in which they came, without those that only ask whether the server is there.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state().requests.iter().filter(|request| request.path != "/version").cloned().collect()
    }

    /// Let requests fail: the first that matches meets the first failure, the next the second, and so on; then all is
    /// well again.
    pub fn fail(&self, matcher: Matcher, failures: impl IntoIterator<Item = Failure>) {
        self.state().failures.add(matcher, failures);
    }

    /// Let every answer take this long.
    pub fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// Let commands in containers be run so: to their exit code, or to the reason why they can't be started. Without it
    /// every command fails with the reason that nothing is run in a simulation.
    pub fn set_commands<F>(&self, run: impl Fn(Execution) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<i32, String>> + Send + 'static,
    {
        self.state().commands = Commands::new(run);
    }

    /// Do the kubelet's part: take away the pods that are terminating.
    pub fn finish_terminations(&self) {
        delete::expire(&mut self.state().store, &clock::now(), true);
    }

    fn begin(seeds: Vec<Seed>) -> Result<Simulation, SimulationError> {
        let store = seed::store(seeds)?;
        Ok(Simulation { state: Arc::new(Mutex::new(State { store, ..State::default() })) })
    }

    /// A poisoned lock only says that another test has failed: the store is never left half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
