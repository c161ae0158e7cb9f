//! Whoever is to be told is told until it was heard, beside the lanes of the events.
//!
//! Each notifier has a queue of its own in the store, so that one that hangs delays no action and no other notifier, and
//! takes no memory. What it is told comes in the order in which it happened, one after the other.

mod telling;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use notifiers::{Notice, Notifier};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::ended::{Ended, Status};
use super::notices::{key, notice, subject};
use crate::clients::Notifiers;
use crate::config::Retry;
use crate::config::notifiers::{self as config, Group as Grouping};
use crate::generation::Generation;
use crate::store::{Notification, Store};
use crate::telemetry::logs::Level;
use crate::telemetry::metrics::NotificationLabels;
use crate::telemetry::{Reporting, Throttle};

/// All that is to be told. Clones are the same.
#[derive(Clone)]
pub(super) struct Notifications(Arc<Inner>);

struct Inner {
    store: Store,
    reporting: Reporting,
    clients: Notifiers,
    generation: Arc<ArcSwap<Generation>>,
    settings: Settings,
    queues: Vec<Queue>,
    // A blocking mutex, because nothing waits while it is held.
    tasks: Mutex<JoinSet<()>>,
    /// Whether nothing more is told that the next process can tell.
    stop: watch::Sender<bool>,
}

/// How it is told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Who is told of everything, by their names.
    pub(crate) defaults: Vec<String>,
    /// How long to wait between two attempts.
    pub(crate) retry: Retry,
    /// How long it is tried.
    pub(crate) within: Duration,
    /// How many wait for each notifier.
    pub(crate) waiting_max: usize,
    /// What is told as one, and what else is configured of notifiers.
    pub(crate) notifiers: config::Notifiers,
}

/// What waits for one notifier.
struct Queue {
    notifier: Notifier,
    grouping: Option<Grouping>,
    waiting: AtomicUsize,
    changed: Notify,
    /// Of lines about what found no place.
    full: Throttle,
}

impl Notifications {
    /// `left`: how many wait since processes before, by the names of notifiers.
    pub(super) fn new(
        store: Store,
        reporting: &Reporting,
        clients: Notifiers,
        generation: Arc<ArcSwap<Generation>>,
        settings: Settings,
        left: &[(String, usize)],
    ) -> Self {
        let queues = Notifier::ALL.map(|notifier| Queue {
            notifier,
            grouping: settings.notifiers.group(notifier).cloned(),
            waiting: AtomicUsize::new(left.iter().find(|(name, _)| name == notifier.name()).map_or(0, |(_, it)| *it)),
            changed: Notify::new(),
            full: Throttle::new(),
        });
        for (name, waiting) in left {
            reporting.metrics.notifications_waiting(name, *waiting);
        }
        let this = Self(Arc::new(Inner {
            store,
            reporting: reporting.clone(),
            clients,
            generation,
            settings,
            queues: queues.into(),
            tasks: Mutex::default(),
            stop: watch::Sender::new(false),
        }));
        for at in 0..this.0.queues.len() {
            let serving = this.clone();
            this.tasks().spawn(async move { serving.serve(&serving.0.queues[at]).await });
        }
        this
    }

    /// Somebody may want to know of this end.
    pub(super) fn tell(&self, ended: &Ended<'_>) {
        // What is due has not ended.
        if ended.status == Status::Due {
            return;
        }
        let names = self.0.settings.defaults.iter().chain(ended.about.notifiers);
        let named: Vec<_> = names.filter_map(|name| Notifier::find(name)).collect();
        if named.is_empty() {
            return;
        }
        let notice = notice(ended);
        let (json, subject) = (serde_json::to_string(&notice).unwrap_or_default(), subject(&notice));
        let queues = || self.0.queues.iter().filter(|queue| named.contains(&queue.notifier));
        let mut admitted = Vec::new();
        for queue in queues() {
            let waiting = queue.waiting.fetch_add(1, Ordering::Relaxed);
            if waiting >= self.0.settings.waiting_max {
                queue.waiting.fetch_sub(1, Ordering::Relaxed);
                self.is_full(queue, &notice);
                continue;
            }
            self.0.reporting.metrics.notifications_waiting(queue.notifier.name(), waiting + 1);
            admitted.push(Notification {
                notifier: queue.notifier.name().to_owned(),
                key: queue.grouping.as_ref().map(|grouping| key(&notice, &grouping.by)),
                subject: subject.clone(),
                notice: json.clone(),
                traceparent: ended.traceparent.map(str::to_owned),
            });
        }
        self.0.store.notify(admitted);
        for queue in queues() {
            queue.changed.notify_one();
        }
    }

    /// One more has no place in a queue.
    fn is_full(&self, queue: &Queue, notice: &Notice) {
        self.0.reporting.metrics.notification_dropped(queue.notifier.name());
        self.0.reporting.metrics.notified(&labels(queue, notice, Status::Failure), 1);
        if let Some(note) = queue.full.admit(Instant::now()) {
            let most = self.0.settings.waiting_max;
            let error = format!("{most} wait for the notifier, which is as many as may: this one is given up");
            self.0
                .reporting
                .logger
                .line(Level::Error, "notification")
                .error(&error)
                .field("notifier", queue.notifier.name())
                .field("result", &note)
                .field("status", Status::Failure.as_str())
                .field("trace_id", &notice.trace_id)
                .write();
        }
    }

    /// Finish what is being told, and in memory what waits; how many wait then.
    pub(super) async fn finish(&self, deadline: Instant) -> usize {
        self.0.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.tasks());
        // What is still under way is cut off.
        let _ = timeout_at(deadline, async { while tasks.join_next().await.is_some() {} }).await;
        self.0.queues.iter().map(|queue| queue.waiting.load(Ordering::Relaxed)).sum()
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        // Each change is complete before anything could panic.
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a notification is counted under that has ended in this way.
fn labels<'a>(queue: &Queue, notice: &'a Notice, status: Status) -> NotificationLabels<'a> {
    let Notice { action, actionner, rule, output_target: target, .. } = notice;
    NotificationLabels { action, actionner, notifier: queue.notifier.name(), rule, status: status.as_str(), target }
}
