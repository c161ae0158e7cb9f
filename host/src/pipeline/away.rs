//! Servers that are away hold up what needs them, and nothing else.
//!
//! Some events wait in memory for their turn to try, and ask for the server by that. All others are put off, so that
//! they take neither memory nor a place, and come again once it is back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use policy::ObjectTarget;
use rules::Action;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::actionner::Actionner;
use crate::clients::Circuit;
use crate::contexts::ContextName;
use crate::generation::{Generation, contexts_of};
use crate::store::Store;

/// Events that wait for their turn to try: more would not find out sooner that a server is back.
const WAITING_MAX: usize = 64;

/// How often it is looked whether the rules in force still need a server that is away.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who waits for servers that are away.
pub(super) struct Away {
    store: Store,
    generation: Arc<ArcSwap<Generation>>,
    // A blocking mutex, because nothing waits while it is held. There are a handful of servers.
    servers: Mutex<BTreeMap<&'static str, Arc<Server>>>,
}

/// Who waits for one server.
struct Server {
    waiting: Arc<Semaphore>,
    /// Whether somebody sees to it that what was put off comes again.
    is_watched: AtomicBool,
}

/// The server that an action needs by its actionner or its contexts, and that is away, if one is.
pub(super) fn away_from(generation: &Generation, actionner: &Actionner, action: &Action) -> Option<Circuit> {
    let waits_for_node = || !action.ignore_errors && contexts_of(action, actionner).any(|it| it == ContextName::Node);
    let needs = |name: &str| match name {
        "kubernetes" => {
            actionner.imports.iter().any(|import| import.interface.starts_with("kubernetes-")) || waits_for_node()
        }
        "aws-lambda" => actionner.calls("functions", "invoke-lambda"),
        "gcp" => actionner.calls("functions", "invoke-google"),
        "aws-s3" => actionner.stores_in(ObjectTarget::AwsS3),
        "minio" => actionner.stores_in(ObjectTarget::MinioS3),
        _ => false,
    };
    generation.clients.circuits().find(|circuit| circuit.is_open() && needs(circuit.name())).cloned()
}

impl Away {
    pub(super) fn new(store: Store, generation: Arc<ArcSwap<Generation>>) -> Arc<Self> {
        Arc::new(Self { store, generation, servers: Mutex::default() })
    }

    /// A place to wait in for this server, if there is one.
    pub(super) fn place(&self, circuit: &Circuit) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.server(circuit).waiting).try_acquire_owned().ok()
    }

    fn server(&self, circuit: &Circuit) -> Arc<Server> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Server { waiting: Arc::new(Semaphore::new(WAITING_MAX)), is_watched: AtomicBool::new(false) };
        Arc::clone(servers.entry(circuit.name()).or_insert_with(|| Arc::new(new())))
    }

    /// See to it that what is put off for this server comes again.
    pub(super) fn watch(self: &Arc<Self>, circuit: Circuit) {
        let server = self.server(&circuit);
        if !server.is_watched.swap(true, Ordering::Relaxed) {
            tokio::spawn(Arc::clone(self).resume_once_back(server, circuit));
        }
    }

    /// Until it is back, or there is nobody else who tries; or until the rules in force have no use for it.
    async fn resume_once_back(self: Arc<Self>, server: Arc<Server>, circuit: Circuit) {
        let is_in_use = || self.generation.load().clients.circuits().any(|other| other.is(&circuit));
        while timeout(LOOK_EVERY, circuit.ready()).await.is_err() && is_in_use() {}
        // First, so that who is put off from now on is seen to anew.
        server.is_watched.store(false, Ordering::Relaxed);
        self.store.resume();
    }
}
