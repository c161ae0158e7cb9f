//! What a rule asks to know of the surroundings of its event: the machine that the host runs on, the node of the pod.
//!
//! The host looks it up by its own rights, when an action begins whose rule names it: data for the actionner, which learns
//! nothing else by it and may touch nothing more. What was found is kept for a while. Does not know what it is for.

mod values;

mod cache;

mod aws;
mod node;

use std::sync::Arc;
use std::time::Duration;

use policy::Limits;
use rules::Event;
use tokio::time::Instant;

use crate::clients::{Circuit, Clients, Meter, Permit};
use crate::telemetry::Throttle;
use cache::Cache;
pub(crate) use values::{ContextError, Values};

/// How long looking up one context may take.
const WITHIN: Duration = Duration::from_secs(10);

/// A context that a rule can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ContextName {
    /// The instance of AWS that the host runs on.
    Aws,
    /// The node that the event comes from.
    Node,
}

/// What was found lately.
pub(crate) struct Contexts {
    instance: Cache<()>,
    /// By the names of nodes.
    nodes: Cache<String>,
    throttle: Throttle,
}

/// What looking something up has come to.
pub(crate) struct Found {
    pub(crate) result: Result<Arc<Values>, ContextError>,
    /// A server that could not be reached.
    pub(crate) away: Option<Circuit>,
}

impl ContextName {
    /// The context of this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        [Self::Aws, Self::Node].into_iter().find(|context| context.as_str() == name)
    }

    /// As rules have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Node => "k8snode",
        }
    }
}

impl Contexts {
    /// Nothing was found yet.
    pub(crate) fn new() -> Self {
        Self { instance: Cache::new(), nodes: Cache::new(), throttle: Throttle::new() }
    }

    /// Look it up for this event.
    pub(crate) async fn find(&self, name: ContextName, event: &Event, clients: &Clients) -> Found {
        let meter = Meter::new(&Limits::default());
        let permit = || meter.permit(Instant::now() + WITHIN, false, Arc::default());
        let result = match name {
            ContextName::Aws => self.instance.get_or((), aws::values(clients)).await,
            ContextName::Node => self.node(event, clients, permit).await,
        };
        Found { result, away: meter.away() }
    }

    /// Whether one more failure is to be said: what the line has to say of those that were not.
    pub(crate) fn admit(&self) -> Option<String> {
        self.throttle.admit(Instant::now())
    }

    async fn node(
        &self,
        event: &Event,
        clients: &Clients,
        permit: impl Fn() -> Permit,
    ) -> Result<Arc<Values>, ContextError> {
        let missing = || ContextError::missing("the host has no Kubernetes client");
        let kubernetes = clients.kubernetes.as_ref().ok_or_else(missing)?;
        let name = node::of(event, kubernetes, &permit()).await?;
        self.nodes.get_or(name.clone(), node::values(&name, kubernetes, &permit())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_have_names() {
        for name in ["aws", "k8snode"] {
            assert_eq!(ContextName::find(name).map(ContextName::as_str), Some(name));
        }
        assert_eq!(ContextName::find("k8s"), None);
    }
}
