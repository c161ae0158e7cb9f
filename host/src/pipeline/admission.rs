//! Which events are stored: those that a rule in force answers, and that are no repeats.
//!
//! What is not stored is counted, and ends here.

use std::sync::Arc;

use bytes::Bytes;
use rules::Event;

use super::fingerprint::Fingerprints;
use crate::config::Deduplication;
use crate::store::{Acceptance, Arrival, Refused, Store};
use crate::telemetry::TraceId;
use crate::telemetry::metrics::Metrics;

/// The way of events into the store. Clones are the same way.
#[derive(Clone)]
pub struct Admission {
    store: Store,
    metrics: Metrics,
    /// None where repeats are not dropped.
    fingerprints: Option<Arc<Fingerprints>>,
    answered_by: Arc<AnsweredBy>,
}

/// The rules in force that answer an event: all of them, and those that do more than rehearse.
type AnsweredBy = dyn Fn(&Event) -> Answering + Send + Sync;

/// The rules that answer an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answering {
    /// Whether there is one.
    pub is_any: bool,
    /// The names of those that may change something.
    pub live: Vec<String>,
}

impl Admission {
    /// Into `store`, of what `answered_by` finds rules for.
    pub fn new(store: Store, metrics: Metrics, repeats: &Deduplication, answered_by: Arc<AnsweredBy>) -> Self {
        let fingerprints = || Arc::new(Fingerprints::new(repeats.fields.clone(), store.key().clone()));
        let fingerprints = (!repeats.window.is_zero()).then(fingerprints);
        Self { store, metrics, fingerprints, answered_by }
    }

    /// The store that it leads to.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Store an event, or count it as one that nothing comes of. `body` is what it was decoded from.
    ///
    /// # Errors
    ///
    /// Where it is to be stored and can't be.
    pub async fn admit(&self, event: Event, body: Bytes, trace_id: TraceId) -> Result<(), Refused> {
        let Answering { is_any, live: rules } = (self.answered_by)(&event);
        if !is_any {
            self.metrics.unmatched();
            return Ok(());
        }
        let fingerprint = self.fingerprints.as_ref().map(|fingerprints| fingerprints.of(&event));
        let arrival = Arrival { event, body, trace_id, fingerprint, rules, replays: None };
        if self.store.accept(arrival).await? == Acceptance::Duplicate {
            self.metrics.duplicate();
        }
        Ok(())
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Admission").field("store", &self.store).finish_non_exhaustive()
    }
}
