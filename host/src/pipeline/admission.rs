//! Which events are stored: those that a rule in force answers, and that are no repeats.
//!
//! Each event is counted under one of four: unmatched, duplicate, refused or accepted. What is not stored ends here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rules::Event;
use tokio::runtime::Handle;

use super::fingerprint::Fingerprints;
use super::trace::Trace;
use crate::config::Deduplication;
use crate::store::{Acceptance, Arrival, Refused, Store};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{Parent, TraceId};

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
    pub async fn admit(
        &self,
        event: Event,
        body: Bytes,
        trace_id: TraceId,
        parent: Option<Parent>,
    ) -> Result<(), Refused> {
        let Answering { is_any, live: rules } = (self.answered_by)(&event);
        if !is_any {
            // Its trace ends here, too.
            Trace::begin(&event, trace_id, parent);
            self.metrics.unmatched();
            return Ok(());
        }
        let fingerprint = self.fingerprints.as_ref().map(|fingerprints| fingerprints.of(&event));
        let arrival = Arrival { event, body, trace_id, parent, fingerprint, rules, replays: None };
        let (store, metrics) = (self.store.clone(), self.metrics.clone());
        let counted = async move {
            let answer = store.accept(arrival).await;
            match &answer {
                Ok(Acceptance::Duplicate) => metrics.duplicate(),
                Ok(Acceptance::Stored(_)) => metrics.accepted(),
                Err(_) => metrics.refused(),
            }
            answer.map(drop)
        };
        ToItsEnd(Some(Box::pin(counted))).await
    }
}

/// Work that goes on where nobody waits for it any more: a sender may be gone before its event is stored and counted.
struct ToItsEnd<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output: Send> + Send + 'static> Future for ToItsEnd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Not asked again once it has ended.
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let output = ready!(work.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(output)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for ToItsEnd<F> {
    fn drop(&mut self) {
        if let Some(work) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(work);
        }
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Admission").field("store", &self.store).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_goes_on() {
        let ((open, opened), (ends, ended)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        let work = async move {
            let _ = opened.await;
            ends.send(())
        };
        let mut work = ToItsEnd(Some(Box::pin(work)));
        assert!(poll!(&mut work).is_pending());
        drop(work);
        drop(open);
        ended.await.unwrap();
    }
}
