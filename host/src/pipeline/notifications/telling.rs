//! One notifier's queue, told one after the other.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use notifiers::{Group, Notice};
use tokio::time::{Instant, sleep};

use super::super::contain::contain;
use super::super::ended::Status;
use super::super::pause::{given_up_after, pause};
use super::super::trace::{notification, notified};
use super::{Notifications, Queue, labels};
use crate::clients::SendError;
use crate::config::notifiers::Group as Grouping;
use crate::health::Check;
use crate::store::{Closed, Notification, Told, Waiting};
use crate::telemetry::logs::Level;
use crate::telemetry::metrics::NotificationLabels;

/// How many are read at once of those that wait.
const READ_AT_ONCE: usize = 32;

/// How long what is being told may take when the host ends, where the next process would tell it again.
const CUT_AFTER: Duration = Duration::from_secs(1);

/// What comes next for a notifier.
enum Turn {
    /// The next one that waits.
    Next,
    /// The same again, or the next one, after a pause.
    After(Duration),
    /// Nothing waits.
    Idle,
}

/// How it goes with a notifier.
#[derive(Default)]
struct Course {
    /// How often it has refused in a row,
    refusals: u32,
    /// and what it said.
    said: String,
    /// What was told and is still to be forgotten by the store, with how many that are.
    settling: Vec<(BoxFuture<'static, Result<(), Closed>>, usize)>,
}

/// What is told at once.
struct Message {
    notice: Notice,
    traceparent: Option<String>,
    told: Told,
    /// How many it stands for.
    count: usize,
    age: Duration,
}

impl Notifications {
    /// Tell what waits for a notifier, until nothing more is told.
    pub(super) async fn serve(&self, queue: &Queue) {
        let mut stop = self.0.stop.subscribe();
        let mut course = Course::default();
        while !self.is_over(queue) {
            match self.turn(queue, &mut course).await {
                Turn::Next => {}
                Turn::Idle => tokio::select! {
                    () = queue.changed.notified() => {}
                    _ = stop.changed() => {}
                },
                Turn::After(pause) => tokio::select! {
                    () = sleep(pause) => {}
                    _ = stop.changed() => {}
                },
            }
        }
        self.is_settled(queue, &mut course).await;
    }

    /// Whether nothing more is told: what is held in memory alone would be lost.
    fn is_over(&self, queue: &Queue) -> bool {
        *self.0.stop.borrow() && (self.0.store.is_lasting() || queue.waiting.load(Ordering::Relaxed) == 0)
    }

    async fn turn(&self, queue: &Queue, course: &mut Course) -> Turn {
        // What the store has not forgotten yet would be read, and told, once more.
        if !self.is_settled(queue, course).await {
            return Turn::Idle;
        }
        // What is told as one takes others with it that were read.
        let count = if queue.grouping.is_some() { 1 } else { READ_AT_ONCE };
        // The store itself says what is wrong with it.
        let Ok(waiting) = self.0.store.first_notifications(queue.notifier.name(), count).await else {
            return Turn::After(pause(self.0.settings.retry, 1));
        };
        if waiting.is_empty() {
            // What was let in may not be written yet.
            let is_unwritten = queue.waiting.load(Ordering::Relaxed) > 0;
            return if is_unwritten { Turn::After(pause(self.0.settings.retry, 1)) } else { Turn::Idle };
        }
        for waiting in waiting {
            if self.is_over(queue) {
                break;
            }
            match self.attempt(queue, waiting, course).await {
                Turn::Next => {}
                other => return other,
            }
        }
        Turn::Next
    }

    async fn attempt(&self, queue: &Queue, waiting: Waiting, course: &mut Course) -> Turn {
        let message = match self.message(queue, waiting, course).await {
            Ok(message) => message,
            Err(turn) => return turn,
        };
        let within = self.0.settings.within;
        if course.refusals > 0 && message.age > within {
            let error = given_up_after(&course.said, within);
            self.give_up(queue, course, &message, &error);
            return Turn::Next;
        }
        let span = notification(message.traceparent.as_deref(), queue.notifier.name());
        let Some(sent) = self.send(queue, &message.notice).await else { return Turn::Next };
        notified(span, sent.as_ref().err().map(|error| &*error.message));
        match sent {
            Ok(()) => {
                course.refusals = 0;
                self.report(queue, None);
                self.say(Level::Info, queue, &message, Status::Success, "");
                self.settle(queue, course, &message, Status::Success);
                Turn::Next
            }
            Err(SendError { message: error, is_temporary: true, retry_after }) => {
                self.report(queue, Some("it does not take a notification, which is sent again"));
                course.refusals += 1;
                let pause = pause(self.0.settings.retry, course.refusals).max(retry_after.unwrap_or_default());
                // The last attempt comes when the time is over.
                let pause = pause.min(within.saturating_sub(message.age));
                if pause.is_zero() {
                    self.give_up(queue, course, &message, &given_up_after(&error, within));
                } else if course.refusals == 1 {
                    self.say(Level::Warn, queue, &message, Status::Due, &error);
                }
                course.said = error;
                Turn::After(pause)
            }
            Err(SendError { message: error, .. }) => {
                course.refusals = 0;
                self.give_up(queue, course, &message, &error);
                Turn::Next
            }
        }
    }

    /// What is told for this one, and for those that are told with it.
    ///
    /// # Errors
    ///
    /// What comes next where nothing is.
    async fn message(&self, queue: &Queue, waiting: Waiting, course: &mut Course) -> Result<Message, Turn> {
        let Waiting { id, age, notification: Notification { key, notice, traceparent, .. } } = waiting;
        let Ok(notice) = serde_json::from_str(&notice) else {
            let error = "a notification in the store can't be read, and nobody is told of it";
            self.0.reporting.logger.line(Level::Error, "notification").error(&error).write();
            self.0.reporting.metrics.notification_given_up(queue.notifier.name());
            let nothing =
                NotificationLabels { notifier: queue.notifier.name(), status: "failure", ..Default::default() };
            self.0.reporting.metrics.notified(&nothing, 1);
            self.forget(course, Told::One(id), 1);
            return Err(Turn::Next);
        };
        let message = Message { notice, traceparent, told: Told::One(id), count: 1, age };
        let (Some(Grouping { within, .. }), Some(key)) = (&queue.grouping, key) else { return Ok(message) };
        if age < *within && !*self.0.stop.borrow() {
            return Err(Turn::After(*within - age));
        }
        let notifier = queue.notifier.name();
        let Ok(equal) = self.0.store.equal_notifications(notifier, key.clone()).await else {
            return Err(Turn::After(pause(self.0.settings.retry, 1)));
        };
        if equal.count < 2 {
            return Ok(message);
        }
        let group = Group { count: equal.count, last: equal.last, targets: equal.subjects };
        let count = usize::try_from(equal.count).unwrap_or(usize::MAX);
        let told = Told::Equal { notifier: notifier.to_owned(), key, last_id: equal.last_id };
        Ok(Message { notice: Notice { group: Some(group), ..message.notice }, told, count, ..message })
    }

    /// One attempt; none where the host ends meanwhile, and the next process tries again.
    async fn send(&self, queue: &Queue, notice: &Notice) -> Option<Result<(), SendError>> {
        let kubernetes = self.0.generation.load().clients.kubernetes.clone();
        let sending = contain(self.0.clients.send(queue.notifier, notice, kubernetes.as_ref()));
        let began = Instant::now();
        tokio::select! {
            sent = sending => {
                self.0.reporting.metrics.notification_took(queue.notifier.name(), began.elapsed());
                let panicked = |message| Err(SendError { message, is_temporary: false, retry_after: None });
                Some(sent.unwrap_or_else(panicked).map(drop))
            }
            () = self.is_cut_off() => None,
        }
    }

    /// Ready once the host ends, and what is under way had its time: the next process goes on with it.
    async fn is_cut_off(&self) {
        let mut stop = self.0.stop.subscribe();
        // Nobody is left to say so once the pipeline is gone, and this with it.
        let _ = stop.wait_for(|is_stopping| *is_stopping && self.0.store.is_lasting()).await;
        sleep(CUT_AFTER).await;
    }

    fn give_up(&self, queue: &Queue, course: &mut Course, message: &Message, error: &str) {
        let problem = self.0.clients.problem(queue.notifier);
        self.report(queue, Some(problem.unwrap_or("a notification was given up, and none was taken since")));
        self.say(Level::Error, queue, message, Status::Failure, error);
        self.0.reporting.metrics.notification_given_up(queue.notifier.name());
        self.settle(queue, course, message, Status::Failure);
    }

    /// It need not be kept any longer.
    fn settle(&self, queue: &Queue, course: &mut Course, message: &Message, status: Status) {
        self.0.reporting.metrics.notified(&labels(queue, &message.notice, status), message.count);
        self.forget(course, message.told.clone(), message.count);
    }

    fn forget(&self, course: &mut Course, told: Told, count: usize) {
        course.settling.push((self.0.store.told(told).boxed(), count));
    }

    /// Wait until the store has forgotten what was told; not where the host ends meanwhile.
    async fn is_settled(&self, queue: &Queue, course: &mut Course) -> bool {
        while let Some((forgotten, count)) = course.settling.last_mut() {
            let (is_forgotten, count) = tokio::select! {
                forgotten = forgotten => (forgotten.is_ok(), *count),
                () = self.is_cut_off() => return false,
            };
            course.settling.pop();
            if !is_forgotten {
                // The store has ended.
                return false;
            }
            let waiting = queue.waiting.fetch_sub(count, Ordering::Relaxed).saturating_sub(count);
            self.0.reporting.metrics.notifications_waiting(queue.notifier.name(), waiting);
        }
        true
    }

    /// Whether the notifier takes what it is told now, and why not: in words of the host's own, since anybody may ask.
    fn report(&self, queue: &Queue, why: Option<&str>) {
        self.0.reporting.health.trouble(Check::Notifiers, queue.notifier.name(), why);
    }

    /// One line says how it went.
    fn say(&self, level: Level, queue: &Queue, message: &Message, status: Status, error: &str) {
        let Notice { stage, action, actionner, rule, output_target, trace_id, .. } = &message.notice;
        let count = if message.count > 1 { message.count.to_string() } else { String::new() };
        self.0
            .reporting
            .logger
            .line(level, "notification")
            .error(&error)
            .field("action", action)
            .field("actionner", actionner)
            .field("count", &count)
            .field("notifier", queue.notifier.name())
            .field("output_target", output_target)
            .field("rule", rule)
            .field("stage", stage.name())
            .field("status", status.as_str())
            .field("trace_id", trace_id)
            .write();
    }
}
