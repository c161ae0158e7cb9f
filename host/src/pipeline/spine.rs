//! From the queue to the end of the last action: all branching on the way of an event lives here and in `response`.
//!
//! Events of one target run in a lane of their own, in the order in which they came; different targets run side by
//! side. The entry of an event is finished in the store after its last action, and not before; or when newer ones took
//! its place in the lane.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use outputs::Room;
use rules::{AuditTarget, Event, ObjectName};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::away::Away;
use super::deliveries::Deliveries;
use super::lanes::Lanes;
use super::notifications::{self, Notifications};
use super::plan::answering;
use super::report::{Listeners, report_event};
use super::response::Response;
use super::shared::Shared;
use super::trace::Trace;
use crate::capability::Flights;
use crate::clients::{Clouds, Notifiers};
use crate::config::Retry;
use crate::contexts::Contexts;
use crate::generation::Generation;
use crate::queue::Queue;
use crate::store::{Due, Entry, Store};
use crate::telemetry::Reporting;

/// What the spine needs, built once by the caller.
pub(crate) struct Pipeline {
    /// The rules in force and what they need; replaced whole on reload.
    pub generation: Arc<ArcSwap<Generation>>,
    /// Where the progress of events is kept.
    pub store: Store,
    /// Where it reports to.
    pub reporting: Reporting,
    /// How what was unavailable is tried again.
    pub retry: Retry,
    /// How old an event may be when an action begins, where its rule does not say.
    pub max_age: Option<Duration>,
    /// How many events wait behind one another for their target.
    pub target_events_max: usize,
    /// For what actionners collect.
    pub room: Room,
    /// How artifacts reach clouds.
    pub clouds: Clouds,
    /// What processes before have left to be delivered.
    pub due: Vec<Due>,
    /// How long it is tried to deliver what was collected.
    pub deliveries_within: Duration,
    /// What sends notifications,
    pub notifiers: Notifiers,
    /// and how.
    pub notifications: notifications::Settings,
    /// How many notifications processes before have left, by the names of notifiers.
    pub untold: Vec<(String, usize)>,
    /// Whether the `event` line was written at reception already.
    pub print_all_events: bool,
}

/// How much of the end of a host without `data_dir` is left for notifications alone.
const TELLING_MIN: Duration = Duration::from_secs(1);

/// How much is still to leave the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Undelivered {
    /// What was collected.
    pub(crate) artifacts: usize,
    /// What somebody is to be told.
    pub(crate) notifications: usize,
}

impl Pipeline {
    /// Handle events until there will be no more, then wait for what runs, but no longer than until `deadline`. What is
    /// left then is unfinished in the store; what of it is still to leave the host.
    pub(crate) async fn run(self, queue: &Queue, deadline: impl Future<Output = Instant>) -> Undelivered {
        let Pipeline { generation, store, reporting, retry, max_age, target_events_max, .. } = self;
        let Pipeline {
            room, clouds, due, deliveries_within, print_all_events, notifiers, notifications, untold, ..
        } = self;
        let (stop, stopping) = watch::channel(false);
        let in_force = Arc::clone(&generation);
        let notifications = Notifications::new(store.clone(), &reporting, notifiers, in_force, notifications, &untold);
        let listeners = Listeners::new(&reporting, &notifications);
        let deliveries = Deliveries::new(
            store.clone(),
            room.clone(),
            clouds,
            &reporting,
            listeners.clone(),
            retry,
            deliveries_within,
        );
        deliveries.recover(due);
        let cleaning = tokio::spawn(deliveries.clone().clean());
        let shared = Arc::new(Shared {
            listeners,
            away: Away::new(store.clone(), Arc::clone(&generation)),
            contexts: Contexts::new(),
            flights: Flights::default(),
            suspects: Semaphore::new(1),
            generation,
            store,
            reporting,
            retry,
            max_age,
            room,
            deliveries: deliveries.clone(),
            stopping,
        });
        let mut lanes = Lanes::new(target_events_max);
        let mut run = |entry: Arc<Entry>| {
            shared.reporting.metrics.queue_waited(entry.received.elapsed());
            let response = respond(&shared, entry, print_all_events);
            if let Some(oldest) = lanes.run(lane(response.event()), response) {
                oldest.drop_out(target_events_max);
            }
        };
        let mut deadline = pin!(deadline);
        let deadline = loop {
            tokio::select! {
                entry = queue.next() => match entry {
                    Some(entry) => run(entry),
                    None => break deadline.await,
                },
                deadline = &mut deadline => break deadline,
            }
        };
        // What waits in memory alone would be lost: it goes on for as long as there is time.
        while let Ok(Some(entry)) = timeout_at(deadline, queue.next()).await {
            run(entry);
        }
        let is_lasting = shared.store.is_lasting();
        stop.send_replace(is_lasting);
        lanes.drain(deadline).await;
        let (artifacts, notifications) = if is_lasting {
            tokio::join!(deliveries.finish(deadline), notifications.finish(deadline))
        } else {
            // What becomes of artifacts is still to be told, or nobody ever is.
            let artifacts = deliveries.finish(deadline.checked_sub(TELLING_MIN).unwrap_or(deadline)).await;
            (artifacts, notifications.finish(deadline).await)
        };
        cleaning.abort();
        Undelivered { artifacts, notifications }
    }
}

fn respond(shared: &Arc<Shared>, entry: Arc<Entry>, print_all_events: bool) -> Response {
    let generation = shared.generation.load_full();
    let rules = answering(&generation, &entry.event);
    let trace_id = entry.trace_id.to_string();
    if !print_all_events && !entry.is_again {
        report_event(&shared.reporting.logger, &entry.event, &trace_id);
    }
    let trace = Trace::begin(&entry.event, entry.trace_id, entry.parent);
    Response { shared: Arc::clone(shared), generation, rules, entry, trace_id, trace, others: Vec::new() }
}

/// What must not be responded to twice at once: the pod that the event is about, else the object of its audit record.
fn lane(event: &Event) -> Option<String> {
    if let Some(ObjectName { namespace, name }) = event.pod() {
        return Some(format!("{namespace}/{name}"));
    }
    let AuditTarget { resource, name, namespace } = event.audit_target()?;
    Some(format!("{resource}/{}/{name}", namespace.unwrap_or_default()))
}
