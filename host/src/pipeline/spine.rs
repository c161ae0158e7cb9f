//! The spine: from an event of the queue to the end of its last action. All branching lives here.
//!
//! Events are taken from the queue one after another, and those that nothing responds to end
//! here at once. The others go to a lane: the events of one target run in the order in which
//! they came, those of different targets side by side. The entry of an event is finished in the
//! store after its last action, and not before.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use backon::{ExponentialBuilder, Retryable};
use outputs::{Artifact, Room};
use policy::Facts;
use rules::{Action, Event, OutputUseSite, Rule};
use tokio::time::{Instant, sleep};

use super::contain::contain;
use super::context::{context, missing_fields};
use super::dedup::Dedup;
use super::deliver::{Delivered, deliver};
use super::details::details;
use super::lanes::Lanes;
use super::report::{Ended, Listeners, Stage, Status, report_details, report_event, report_match, report_store};
use crate::actionner::{Actionner, CallError, CallOutput, Failure, FailureKind, Invocation, Outcome, Report};
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
    /// For what actionners collect.
    pub room: Room,
    /// Whether the `event` line was written at reception already.
    pub print_all_events: bool,
}

/// One event on its way through the rules that match it.
struct Response {
    generation: Arc<Generation>,
    store: Store,
    reporting: Reporting,
    listeners: Arc<Listeners>,
    retry: Retry,
    room: Room,
    /// Finished in the store when the response is over.
    entry: Arc<Entry>,
    /// The event as the actionners get it.
    event_json: String,
    trace_id: String,
}

/// What came of the actionner of an action, its attempts taken together.
struct Answer {
    status: Status,
    message: String,
    objects: Vec<(String, String)>,
    /// What it has found out, as it has written it.
    details: Option<String>,
    artifacts: Vec<Artifact>,
}

impl Pipeline {
    /// Handle events until there will be no more, then wait for the lanes, but no longer than
    /// `drain_max`. What is cut off then is unfinished in the store.
    pub(crate) async fn run(mut self, queue: &Queue, drain_max: Duration) {
        let listeners = Arc::new(Listeners::new(&self.reporting));
        let mut lanes = Lanes::default();
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

    async fn handle(&mut self, entry: Arc<Entry>, listeners: &Arc<Listeners>, lanes: &mut Lanes) {
        self.reporting.metrics.queue_waited(entry.received.elapsed());
        let event = &entry.event;
        if self.dedup.is_duplicate(event, Instant::now()) {
            self.reporting.metrics.duplicate();
            return self.finish(&entry).await;
        }
        let generation = self.generation.load_full();
        let rules: Vec<Arc<Rule>> = generation.rules.matching(event).cloned().collect();
        if rules.is_empty() {
            return self.finish(&entry).await;
        }
        let trace_id = entry.trace_id.to_string();
        if !self.print_all_events {
            report_event(&self.reporting.logger, event, &trace_id);
        }
        let lane = event.pod().map(|pod| format!("{}/{}", pod.namespace, pod.name));
        let response = Response {
            generation,
            store: self.store.clone(),
            reporting: self.reporting.clone(),
            listeners: listeners.clone(),
            retry: self.retry,
            room: self.room.clone(),
            event_json: event.to_json(),
            entry,
            trace_id,
        };
        lanes.run(lane, async move { response.run(&rules).await });
    }

    async fn finish(&self, entry: &Entry) {
        if let Err(error) = self.store.finish(entry.id).await {
            report_store(&self.reporting, &error, &entry.trace_id.to_string());
        }
    }
}

impl Response {
    fn event(&self) -> &Event {
        &self.entry.event
    }

    /// Respond to its end or to a panic, and say in the store which of them it was.
    async fn run(&self, rules: &[Arc<Rule>]) {
        let stored = match contain(self.run_rules(rules)).await {
            Ok(()) => {
                self.reporting.metrics.event_took(self.entry.received.elapsed());
                self.store.finish(self.entry.id).await
            }
            Err(panic) => {
                let line = self.reporting.logger.line(Level::Error, "recovered from panic while processing event");
                line.error(&panic).field("trace_id", &self.trace_id).write();
                self.store.bury(self.entry.id, &panic).await
            }
        };
        self.note(stored);
    }

    /// All rules in order, until one says that it is the last.
    async fn run_rules(&self, rules: &[Arc<Rule>]) {
        for rule in rules {
            report_match(&self.reporting, self.event(), rule, &self.trace_id);
            self.run_actions(rule).await;
            if !rule.continues {
                break;
            }
        }
    }

    /// The actions of a rule in order, until one fails or says that it is the last.
    async fn run_actions(&self, rule: &Rule) {
        for action in &rule.actions {
            let step = Step { rule: rule.name.clone(), action: action.name.clone() };
            self.note(self.store.begin(self.entry.id, step).await);
            let began = Instant::now();
            let mut answer = self.run_action(rule, action).await;
            let details = details(answer.details.as_deref()).unwrap_or_else(|error| {
                report_details(&self.reporting.logger, action, &error, &self.trace_id);
                None
            });
            self.note(self.store.end(self.entry.id, answer.status.as_str()).await);
            self.listeners.tell(&Ended {
                stage: Stage::Action,
                event: self.event(),
                trace_id: &self.trace_id,
                rule,
                action,
                status: answer.status,
                message: &answer.message,
                objects: &answer.objects,
                details: details.as_deref(),
                took: began.elapsed(),
            });
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

    async fn run_action(&self, rule: &Rule, action: &Action) -> Answer {
        let Some(actionner) = self.generation.actionners.get(&action.actionner) else {
            return Answer::failure(format!("unknown actionner '{}'", action.actionner));
        };
        if let Some(missing) = missing_fields(self.event(), &actionner.description.required_fields) {
            return Answer::failure(missing);
        }
        let invocation = Invocation {
            event: self.event_json.clone(),
            parameters: action.parameters.to_string(),
            context: context(rule, action, actionner.grants().own_namespace.as_deref()).to_string(),
            trace_id: self.trace_id.clone(),
        };
        let attempt = || self.attempt(actionner, &invocation, rule.dry_run);
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.retry.backoff_min)
            .with_max_delay(self.retry.backoff_max)
            .with_max_times(self.retry.attempts_max - 1)
            .with_jitter();
        let result = attempt
            .retry(backoff)
            .when(|error| error.may_be_tried_again(actionner.description.repeatable))
            .notify(|_, _| self.reporting.metrics.retried(&action.actionner))
            .await;
        Answer::of(result)
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
        let CallOutput { result, has_unknown_end, artifacts } = actionner.call(invocation, call).await?;
        // What the client knows of the writes counts more than what the actionner makes of it.
        let failed = |mut failure: Failure| {
            if has_unknown_end && failure.kind == FailureKind::Unavailable {
                failure.kind = FailureKind::Unknown;
            }
            AttemptError::Failed(failure)
        };
        Ok((result.map_err(failed)?, artifacts))
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

/// Why one attempt at an action did not succeed.
#[derive(Debug)]
enum AttemptError {
    /// The actionner says so.
    Failed(Failure),
    /// The actionner itself failed.
    Broken(CallError),
}

impl AttemptError {
    /// What was not carried out may be tried again; what may have been, only where twice does no more than once.
    fn may_be_tried_again(&self, repeatable: bool) -> bool {
        match self {
            Self::Failed(Failure { kind, .. }) => match kind {
                FailureKind::Unavailable => true,
                FailureKind::Unknown => repeatable,
                FailureKind::Rejected | FailureKind::Other => false,
            },
            Self::Broken(_) => false,
        }
    }
}

impl From<CallError> for AttemptError {
    fn from(error: CallError) -> Self {
        Self::Broken(error)
    }
}

impl Answer {
    fn of(result: Result<(Outcome, Vec<Artifact>), AttemptError>) -> Self {
        let of = |status, Report { message, objects, details }, artifacts| Self {
            status,
            message,
            objects,
            details,
            artifacts,
        };
        match result {
            Ok((Outcome::Done(report), artifacts)) => of(Status::Success, report, artifacts),
            Ok((Outcome::Ignored(report), _)) => of(Status::Ignored, report, Vec::new()),
            Err(AttemptError::Failed(Failure { message, objects, details, .. })) => {
                of(Status::Failure, Report { message, objects, details }, Vec::new())
            }
            Err(AttemptError::Broken(error)) => Self::failure(error.to_string()),
        }
    }

    fn failure(message: String) -> Self {
        Self { status: Status::Failure, message, objects: Vec::new(), details: None, artifacts: Vec::new() }
    }
}
