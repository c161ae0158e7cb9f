//! What is to be delivered is sent until it has arrived, beside the lanes of the events.
//!
//! What time can't mend is given up at once, and all else when it is too old. The store knows what is due and what
//! became of it, but for the order in which it is sent.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outputs::{Artifact, Room, Source, Stored, Target};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::contain::contain;
use super::deliver::{DeliveryError, objects, send};
use super::destination::{Destination, First, Item, Line, Next};
use super::ended::{About, Ended, Stage, Status};
use super::pause::{given_up_after, pause};
use super::report::Listeners;
use super::trace::{output, put_out};
use super::troubles::{Trouble, Troubles};
use crate::clients::Clouds;
use crate::config::Retry;
use crate::store::{Delivered, Delivery, DeliveryId, Due, Store};
use crate::telemetry::Reporting;
use crate::telemetry::logs::Level;

/// What is sent at once to destinations of one target, so that those that hang hold up no other target.
const AT_ONCE_MAX: usize = 8;

/// So many refusals in a row are those of the destination, and not of what is sent.
const REFUSALS_MIN: u32 = 3;

/// How often it is looked for files of what was forgotten.
const CLEAN_EVERY: Duration = Duration::from_secs(60);

/// All that is due. Clones are the same.
#[derive(Clone)]
pub(super) struct Deliveries(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) room: Room,
    pub(super) listeners: Listeners,
    pub(super) clouds: Clouds,
    reporting: Reporting,
    retry: Retry,
    within: Duration,
    places: BTreeMap<&'static str, Semaphore>,
    // Blocking mutexes, because nothing waits while they are held.
    lines: Mutex<HashMap<Destination, (Line, Arc<Notify>)>>,
    tasks: Mutex<JoinSet<()>>,
    count: AtomicUsize,
    troubles: Troubles,
    /// Whether nothing more is sent that the next process can send.
    stop: watch::Sender<bool>,
}

impl Deliveries {
    pub(super) fn new(
        store: Store,
        room: Room,
        clouds: Clouds,
        reporting: &Reporting,
        listeners: Listeners,
        retry: Retry,
        within: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            room,
            clouds,
            reporting: reporting.clone(),
            listeners,
            retry,
            within,
            places: Target::ALL.map(|target| (target.name(), Semaphore::new(AT_ONCE_MAX))).into(),
            lines: Mutex::default(),
            tasks: Mutex::default(),
            count: AtomicUsize::new(0),
            troubles: Troubles::default(),
            stop: watch::Sender::new(false),
        }))
    }

    /// Go on with what processes before have left.
    pub(super) fn recover(&self, due: Vec<Due>) {
        for Due { id, target, parameters, made, next, attempts } in due {
            let item = Item { id, made, attempts, held: None, first: None };
            self.push(Destination { target, parameters }, item, next);
        }
    }

    /// Wait in line for its destination.
    pub(super) fn push(&self, destination: Destination, item: Item, next: Instant) {
        let mut lines = self.lines();
        self.count(|count| count.fetch_add(1, Ordering::Relaxed) + 1);
        match lines.entry(destination) {
            Entry::Occupied(mut line) => {
                let (line, changed) = line.get_mut();
                line.push(item, next);
                changed.notify_one();
            }
            Entry::Vacant(vacant) => {
                let (destination, changed) = (vacant.key().clone(), Arc::new(Notify::new()));
                let mut line = Line::default();
                line.push(item, next);
                vacant.insert((line, Arc::clone(&changed)));
                let this = self.clone();
                self.spawn(async move { this.serve(&destination, &changed).await });
            }
        }
    }

    /// Send what waits for a destination until nothing does.
    async fn serve(&self, destination: &Destination, changed: &Notify) {
        let mut stop = self.0.stop.subscribe();
        loop {
            // What is held in memory alone would be lost.
            if *stop.borrow() && self.0.store.is_lasting() {
                return;
            }
            let next = {
                let mut lines = self.lines();
                let next = lines.get_mut(destination).map_or(Next::Nothing, |(line, _)| line.next(Instant::now()));
                if matches!(next, Next::Nothing) {
                    lines.remove(destination);
                    self.0.troubles.rest(destination, &self.0.reporting.health);
                }
                next
            };
            match next {
                Next::Nothing => return,
                Next::Send(item) => self.attempt(destination, item).await,
                Next::WaitUntil(then) => tokio::select! {
                    () = sleep_until(then) => {}
                    () = changed.notified() => {}
                    _ = stop.changed() => {}
                },
            }
        }
    }

    async fn attempt(&self, destination: &Destination, mut item: Item) {
        let _place = match self.0.places.get(&*destination.target) {
            Some(places) => Some(places.acquire().await),
            None => None,
        };
        let delivery = match self.0.store.delivery(item.id).await {
            Ok(Some(delivery)) => delivery,
            // Somebody has removed its event.
            Ok(None) => {
                self.count(|count| count.fetch_sub(1, Ordering::Relaxed) - 1);
                return;
            }
            Err(error) => return self.refused(destination, item, None, &DeliveryError::Store(error)),
        };
        let (began, span) = (Instant::now(), output(delivery.traceparent.as_deref(), &delivery.target));
        let sent = contain(self.send(&delivery, item.held.clone())).await;
        // What is told of it belongs to this attempt.
        let delivery = Delivery { traceparent: span.traceparent().or(delivery.traceparent), ..delivery };
        match sent.unwrap_or_else(|panic| Err(DeliveryError::Cut(panic))) {
            Ok(stored) => {
                put_out(span, Status::Success, &stored.message);
                self.answered(destination);
                self.trouble(destination, None);
                self.arrived(&delivery, stored, began.elapsed());
                self.settle(&delivery);
                item.answer(First::Arrived);
            }
            Err(error) if error.is_temporary() => {
                put_out(span, Status::Due, &error.to_string());
                self.refused(destination, item, Some(&delivery), &error);
            }
            Err(error) => {
                put_out(span, Status::Failure, &error.to_string());
                self.answered(destination);
                self.trouble(destination, Some(Trouble::GivenUp));
                self.give_up(item, &delivery, &error.to_string());
            }
        }
    }

    async fn send(&self, delivery: &Delivery, held: Option<Source>) -> Result<Stored, DeliveryError> {
        let source = match held {
            Some(source) => source,
            None => {
                let (room, file) = (self.0.room.clone(), delivery.id.to_string());
                let (name, media_type) = (delivery.name.clone(), delivery.media_type.clone());
                let opened = spawn_blocking(move || Artifact::open(&room, &file, name, media_type)).await;
                let opened = opened.map_err(|error| DeliveryError::Cut(error.to_string()))?;
                Source::new(opened.map_err(DeliveryError::Unreadable)?)
            }
        };
        send(&self.0.clouds, delivery, source).await
    }

    fn trouble(&self, destination: &Destination, trouble: Option<Trouble>) {
        self.0.troubles.report(destination, trouble, &self.0.reporting.health);
    }

    fn answered(&self, destination: &Destination) {
        if let Some((line, _)) = self.lines().get_mut(destination) {
            line.answered();
        }
    }

    /// The destination does not take it now: leave it alone for a while, and give up what is too old by then.
    fn refused(&self, destination: &Destination, mut item: Item, delivery: Option<&Delivery>, error: &DeliveryError) {
        let message = error.to_string();
        self.trouble(destination, Some(Trouble::Refused));
        let (now, within) = (Instant::now(), self.0.within);
        let (pause, old) = {
            let mut lines = self.lines();
            let Some((line, _)) = lines.get_mut(destination) else { return };
            let refusals = line.refused();
            let pause = pause(self.0.retry, refusals);
            line.pause(now, pause);
            let old = if refusals < REFUSALS_MIN { Vec::new() } else { line.take_old(now + pause, within) };
            (pause, old)
        };
        if let Some(delivery) = delivery {
            if now.saturating_duration_since(item.made) + pause > within {
                self.trouble(destination, Some(Trouble::GivenUp));
                self.give_up(item, delivery, &given_up_after(&message, within));
                return self.give_up_unread(old, message);
            }
            if item.attempts == 0 {
                self.tell(delivery, Status::Due, &message, &objects(delivery), Duration::ZERO);
            }
            drop(self.0.store.delivered(item.id, Delivered::Postponed(pause), &message));
        }
        item.attempts += 1;
        item.answer(First::Due);
        if let Some((line, _)) = self.lines().get_mut(destination) {
            line.push(item, now + pause);
        }
        self.give_up_unread(old, message);
    }

    /// What has waited for too long behind others is not tried again.
    fn give_up_unread(&self, old: Vec<Item>, message: String) {
        if old.is_empty() {
            return;
        }
        let this = self.clone();
        self.spawn(async move {
            for item in old {
                // What can't be read is left to the next process.
                match this.0.store.delivery(item.id).await {
                    Ok(Some(delivery)) => this.give_up(item, &delivery, &given_up_after(&message, this.0.within)),
                    Ok(None) => this.count(|count| count.fetch_sub(1, Ordering::Relaxed) - 1),
                    Err(_) => {}
                }
            }
        });
    }

    fn give_up(&self, mut item: Item, delivery: &Delivery, message: &str) {
        self.tell(delivery, Status::Failure, message, &objects(delivery), Duration::ZERO);
        self.0.reporting.metrics.gave_up(&delivery.target);
        drop(self.0.store.delivered(item.id, Delivered::GivenUp, message));
        self.count(|count| count.fetch_sub(1, Ordering::Relaxed) - 1);
        item.answer(First::Failed(message.to_owned()));
    }

    pub(super) fn arrived(&self, delivery: &Delivery, stored: Stored, took: Duration) {
        self.0.reporting.metrics.upload_took(&delivery.target, took);
        let Stored { message, objects } = stored;
        let objects: Vec<_> = objects.into_iter().map(|(kind, name)| (kind.to_owned(), name)).collect();
        self.tell(delivery, Status::Success, &message, &objects, took);
    }

    /// Say in the store that it has arrived, and only then remove what was kept of it.
    fn settle(&self, delivery: &Delivery) {
        self.count(|count| count.fetch_sub(1, Ordering::Relaxed) - 1);
        let (this, id) = (self.clone(), delivery.id);
        let stored = self.0.store.delivered(id, Delivered::Arrived, "");
        self.spawn(async move {
            if stored.await.is_ok() {
                this.remove(id).await;
            }
        });
    }

    pub(super) async fn remove(&self, id: DeliveryId) {
        self.remove_files(vec![id.to_string()]).await;
    }

    async fn remove_files(&self, files: Vec<String>) {
        let room = self.0.room.clone();
        let remove = move || files.iter().try_for_each(|file| room.remove(file));
        if let Ok(Err(error)) = spawn_blocking(remove).await {
            let error = format!("what was kept of an artifact can't be removed: {error}");
            self.0.reporting.logger.line(Level::Warn, "output").error(&error).write();
        }
    }

    /// Remove files of what was forgotten, for as long as this is polled.
    pub(super) async fn clean(self) {
        loop {
            sleep(CLEAN_EVERY).await;
            self.remove_files(self.0.store.unwanted_files().await).await;
        }
    }

    /// Finish what is being sent, and in memory what is due; how much is due then.
    pub(super) async fn finish(&self, deadline: Instant) -> usize {
        self.0.stop.send_replace(true);
        loop {
            let mut tasks = self.take_tasks();
            if tasks.is_empty()
                || timeout_at(deadline, async { while tasks.join_next().await.is_some() {} }).await.is_err()
            {
                return self.0.count.load(Ordering::Relaxed);
            }
        }
    }

    /// Something to be finished before the process ends.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    fn take_tasks(&self) -> JoinSet<()> {
        std::mem::take(&mut *self.tasks())
    }

    pub(super) fn tell(
        &self,
        delivery: &Delivery,
        status: Status,
        message: &str,
        objects: &[(String, String)],
        took: Duration,
    ) {
        let Delivery { trace_id, rule, action, actionner, target, notifiers, traceparent, .. } = delivery;
        self.0.listeners.tell(&Ended {
            stage: Stage::Output(target),
            trace_id,
            answered_by: None,
            about: About { rule, dry_run: false, action, actionner, notifiers },
            status,
            message,
            objects,
            of: &delivery.objects,
            details: None,
            uid: None,
            traceparent: traceparent.as_deref(),
            took,
        });
    }

    fn count(&self, change: impl FnOnce(&AtomicUsize) -> usize) {
        self.0.reporting.metrics.deliveries_due(change(&self.0.count));
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Destination, (Line, Arc<Notify>)>> {
        // Each change is complete before anything could panic.
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
