//! The spine: from an event of the queue to the end of its last action. All branching lives here.
//!
//! Events are taken from the queue one after another, and those that nothing responds to end
//! here at once. The others go to a lane: the events of one target run in the order in which
//! they came, those of different targets side by side. The entry of an event is finished in the
//! store after its last action, and not before; or when newer ones took its place in the lane.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use backon::{ExponentialBuilder, Retryable};
use outputs::{Artifact, Room};
use policy::Facts;
use rules::{Action, AuditTarget, Event, ObjectName, OutputUseSite, Rule};
use tokio::time::{Instant, sleep};

use super::answer::{Answer, AttemptError, no_longer_there};
use super::coalesce::one_run_answers;
use super::contain::contain;
use super::context::{context, missing_fields, refused_target};
use super::dedup::Dedup;
use super::deliver::{Delivered, deliver};
use super::details::details;
use super::lanes::{Lanes, Work};
use super::report::{Ended, Listeners, Stage, Status, report_details, report_event, report_match, report_store};
use crate::actionner::{Actionner, CallOutput, Failure, FailureKind, Invocation, Outcome};
use crate::capability::Call;
use crate::config::Retry;
use crate::generation::Generation;
use crate::queue::Queue;
use crate::store::{Entry, Step, Store, StoreError};
use crate::telemetry::Reporting;
use crate::telemetry::logs::Level;

/// Between two questions to a queue that does not answer.
const QUEUE_PAUSE: Duration = Duration::from_secs(1);

/// What the spine needs, built once by the caller.
pub(crate) struct Pipeline {
    /// The rules in force and what they need; replaced whole on reload.
    pub generation: Arc<ArcSwap<Generation>>,
    /// Which events were seen lately.
    pub dedup: Dedup,
    /// Where the progress of events is kept.
    pub store: Store,
    /// Where it reports to.
    pub reporting: Reporting,
    /// How what was unavailable is tried again.
    pub retry: Retry,
    /// How many events wait behind one another for their target.
    pub target_events_max: usize,
    /// For what actionners collect.
    pub room: Room,
    /// Whether the `event` line was written at reception already.
    pub print_all_events: bool,
}

/// One event on its way through the rules that match it.
struct Response {
    generation: Arc<Generation>,
    /// Up to the one that says that it is the last.
    rules: Vec<Arc<Rule>>,
    store: Store,
    reporting: Reporting,
    listeners: Arc<Listeners>,
    retry: Retry,
    room: Room,
    /// Finished in the store when the response is over.
    entry: Arc<Entry>,
    trace_id: String,
    /// What its run answers besides, once it runs.
    others: Vec<Response>,
}

impl Pipeline {
    /// Handle events until there will be no more, then wait for the lanes, but no longer than
    /// `drain_max`. What is cut off then is unfinished in the store.
    pub(crate) async fn run(mut self, queue: &Queue, drain_max: Duration) {
        let listeners = Arc::new(Listeners::new(&self.reporting));
        let mut lanes = Lanes::new(self.target_events_max);
        loop {
            match queue.next().await {
                Ok(Some(entry)) => self.handle(entry, &listeners, &mut lanes).await,
                Ok(None) => break,
                Err(error) => {
                    report_store(&self.reporting, &error, "");
                    sleep(QUEUE_PAUSE).await;
                }
            }
        }
        lanes.drain(Instant::now() + drain_max).await;
    }

    async fn handle(&mut self, entry: Arc<Entry>, listeners: &Arc<Listeners>, lanes: &mut Lanes<Response>) {
        self.reporting.metrics.queue_waited(entry.received.elapsed());
        let event = &entry.event;
        if self.dedup.is_duplicate(event, Instant::now()) {
            self.reporting.metrics.duplicate();
            return self.finish(&entry).await;
        }
        let generation = self.generation.load_full();
        let mut rules = Vec::new();
        for rule in generation.rules.matching(event) {
            rules.push(Arc::clone(rule));
            if !rule.continues {
                break;
            }
        }
        if rules.is_empty() {
            return self.finish(&entry).await;
        }
        let trace_id = entry.trace_id.to_string();
        if !self.print_all_events {
            report_event(&self.reporting.logger, event, &trace_id);
        }
        let lane = lane(event);
        let response = Response {
            generation,
            rules,
            store: self.store.clone(),
            reporting: self.reporting.clone(),
            listeners: listeners.clone(),
            retry: self.retry,
            room: self.room.clone(),
            entry,
            trace_id,
            others: Vec::new(),
        };
        if let Some(oldest) = lanes.run(lane, response) {
            self.dedup.forget(oldest.event());
            oldest.drop_out(self.target_events_max).await;
        }
    }

    async fn finish(&self, entry: &Entry) {
        if let Err(error) = self.store.finish(entry.id).await {
            report_store(&self.reporting, &error, &entry.trace_id.to_string());
        }
    }
}

/// What must not be responded to twice at once: the pod that the event is about, else the object of its audit record.
fn lane(event: &Event) -> Option<String> {
    if let Some(ObjectName { namespace, name }) = event.pod() {
        return Some(format!("{namespace}/{name}"));
    }
    let AuditTarget { resource, name, namespace } = event.audit_target()?;
    Some(format!("{resource}/{}/{name}", namespace.unwrap_or_default()))
}

impl Work for Response {
    fn is_answered_with(&self, before: &Self) -> bool {
        Arc::ptr_eq(&self.generation, &before.generation)
            && self.rules.iter().map(Arc::as_ptr).eq(before.rules.iter().map(Arc::as_ptr))
            && one_run_answers(&self.generation, &self.rules, before.event(), self.event())
    }

    /// Respond to its end or to a panic, and say in the store which of them it was.
    async fn run(mut self, others: Vec<Self>) {
        self.others = others;
        let end = contain(self.run_rules()).await;
        if let Err(panic) = &end {
            let line = self.reporting.logger.line(Level::Error, "recovered from panic while processing event");
            line.error(panic).field("trace_id", &self.trace_id).write();
        }
        for response in self.answered() {
            let (id, took) = (response.entry.id, response.entry.received.elapsed());
            response.note(match &end {
                Ok(()) => {
                    self.reporting.metrics.event_took(took);
                    self.store.finish(id).await
                }
                Err(panic) => self.store.bury(id, panic).await,
            });
        }
    }
}

impl Response {
    fn event(&self) -> &Event {
        &self.entry.event
    }

    /// Whatever its run answers: itself first.
    fn answered(&self) -> impl Iterator<Item = &Response> {
        iter::once(self).chain(&self.others)
    }

    /// All rules in order.
    async fn run_rules(&self) {
        for rule in &self.rules {
            for response in self.answered() {
                report_match(&self.reporting, response.event(), rule, &response.trace_id);
            }
            self.run_actions(rule).await;
        }
    }

    /// The actions of a rule in order, until one fails or says that it is the last.
    async fn run_actions(&self, rule: &Rule) {
        for action in &rule.actions {
            for response in self.answered() {
                let step = Step { rule: rule.name.clone(), action: action.name.clone() };
                response.note(self.store.begin(response.entry.id, step).await);
            }
            let began = Instant::now();
            let mut answer = self.run_action(rule, action).await;
            self.tell(rule, action, &answer, began.elapsed()).await;
            let mut succeeded = answer.status != Status::Failure;
            if let Some(output) = &action.output
                && answer.status == Status::Success
                && !rule.dry_run
            {
                succeeded = self.deliver(rule, action, output, &mut answer).await;
            }
            if !(succeeded || action.ignore_errors) || !action.continues {
                break;
            }
        }
    }

    /// Report how an action ended, once for each event that its run answers.
    async fn tell(&self, rule: &Rule, action: &Action, answer: &Answer, took: Duration) {
        let details = details(answer.details.as_deref()).unwrap_or_else(|error| {
            report_details(&self.reporting.logger, action, &error, &self.trace_id);
            None
        });
        for response in self.answered() {
            response.note(self.store.end(response.entry.id, answer.status.as_str()).await);
            self.listeners.tell(&Ended {
                stage: Stage::Action,
                event: response.event(),
                trace_id: &response.trace_id,
                answered_by: Some(&*self.trace_id).filter(|id| *id != response.trace_id),
                rule,
                action,
                status: answer.status,
                message: &answer.message,
                objects: &answer.objects,
                details: details.as_deref(),
                took,
            });
        }
    }

    /// End without having run, since more than `waiting_max` wait for the same target.
    async fn drop_out(&self, waiting_max: usize) {
        let message = format!("{waiting_max} newer events wait for the same target, which is as many as may");
        let pod = self.event().pod();
        let objects = pod.map(|pod| {
            [("namespace", pod.namespace), ("pod", pod.name)].map(|(kind, name)| (kind.to_owned(), name.to_owned()))
        });
        for rule in &self.rules {
            report_match(&self.reporting, self.event(), rule, &self.trace_id);
            let Some(action) = rule.actions.first() else { continue };
            self.listeners.tell(&Ended {
                stage: Stage::Action,
                event: self.event(),
                trace_id: &self.trace_id,
                answered_by: None,
                rule,
                action,
                status: Status::Dropped,
                message: &message,
                objects: objects.as_ref().map_or(&[], |objects| objects),
                details: None,
                took: Duration::ZERO,
            });
        }
        self.reporting.metrics.dropped();
        self.note(self.store.finish(self.entry.id).await);
    }

    async fn run_action(&self, rule: &Rule, action: &Action) -> Answer {
        let Some(actionner) = self.generation.actionners.get(&action.actionner) else {
            return Answer::failure(format!("unknown actionner '{}'", action.actionner));
        };
        if let Some(refused) = refused_target(self.event(), &actionner.description.required_fields) {
            return Answer::ignored(refused);
        }
        if let Some(missing) = missing_fields(self.event(), &actionner.description.required_fields) {
            return Answer::failure(missing);
        }
        let invocation = Invocation {
            event: self.event().to_json(),
            parameters: action.parameters.to_string(),
            context: context(rule, action, self.entry.uid, actionner.grants().own_namespace.as_deref()).to_string(),
            trace_id: self.trace_id.clone(),
        };
        let attempt = || self.attempt(actionner, &invocation, rule.dry_run);
        let had_unknown_end = AtomicBool::new(false);
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.retry.backoff_min)
            .with_max_delay(self.retry.backoff_max)
            .with_max_times(self.retry.attempts_max - 1)
            .with_jitter();
        let result = attempt
            .retry(backoff)
            .when(|error| error.may_be_tried_again(actionner.description.repeatable))
            .notify(|error, _| {
                had_unknown_end.fetch_or(error.is_unknown(), Ordering::Relaxed);
                self.reporting.metrics.retried(&action.actionner);
            })
            .await;
        let answer = Answer::of(result);
        // What nothing was left to be done of may be what the attempt before has done.
        if had_unknown_end.into_inner() { answer.after_unknown() } else { answer }
    }

    async fn attempt(
        &self,
        actionner: &Actionner,
        invocation: &Invocation,
        dry_run: bool,
    ) -> Result<(Outcome, Vec<Artifact>), AttemptError> {
        let call = Call::new(
            actionner.grants().clone(),
            Facts::of(self.event()),
            dry_run,
            self.trace_id.clone(),
            self.generation.clients.clone(),
            self.room.clone(),
            self.reporting.clone(),
        );
        let CallOutput { result, has_unknown_end, artifacts, replaced, .. } = actionner.call(invocation, call).await?;
        match (result, replaced) {
            (Ok(outcome), _) => Ok((outcome, artifacts)),
            // Where nobody knows what a write did, that is what has to be said.
            (Err(failure), Some(object)) if !has_unknown_end => Ok((no_longer_there(&object, failure), Vec::new())),
            // What the client knows of the writes counts more than what the actionner makes of it.
            (Err(failure), _) if has_unknown_end && failure.kind == FailureKind::Unavailable => {
                Err(AttemptError::Failed(Failure { kind: FailureKind::Unknown, ..failure }))
            }
            (Err(failure), _) => Err(AttemptError::Failed(failure)),
        }
    }

    /// Send what an action has collected to where the rule says; whether all of it arrived.
    async fn deliver(&self, rule: &Rule, action: &Action, site: &OutputUseSite, answer: &mut Answer) -> bool {
        let artifacts = std::mem::take(&mut answer.artifacts);
        let mut succeeded = true;
        for Delivered { target, objects, result, took } in
            deliver(&self.store, self.entry.id, site, &answer.objects, artifacts).await
        {
            let (status, message) = match result {
                Ok(message) => (Status::Success, message),
                Err(error) => (Status::Failure, error.to_string()),
            };
            succeeded &= status == Status::Success;
            self.listeners.tell(&Ended {
                stage: Stage::Output { site, target },
                event: self.event(),
                trace_id: &self.trace_id,
                answered_by: None,
                rule,
                action,
                status,
                message: &message,
                objects: &objects,
                details: None,
                took,
            });
        }
        succeeded
    }

    /// What the store could not keep is said, and hinders no response.
    fn note(&self, stored: Result<(), StoreError>) {
        if let Err(error) = stored {
            report_store(&self.reporting, &error, &self.trace_id);
        }
    }
}
