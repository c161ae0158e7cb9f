//! The spine: from a queued event to the end of its last action. All branching lives here.
//!
//! Events are taken from the queue one after another, and those that nothing responds to end
//! here at once. The others go to a lane: the events of one target run in the order in which
//! they came, those of different targets side by side. An event is acknowledged to the queue
//! after its last action, and not before.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use backon::{ExponentialBuilder, Retryable};
use outputs::Artifact;
use rules::{Action, Event, OutputUseSite, Rule};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::actionner::{Actionner, CallError, Called, Failure, FailureKind, Invocation, Outcome, Report};
use crate::capability::{Call, Reporting};
use crate::config::Retry;
use crate::decide::Targets;
use crate::dedup::Dedup;
use crate::generation::Generation;
use crate::lanes::{Lanes, Unfinished};
use crate::output::{self, Delivered};
use crate::queue::{Delivery, Queue};
use crate::telemetry::logs::{Level, Logger};
use crate::telemetry::metrics::ActionLabels;

/// What the spine needs, built once by the caller.
pub struct Pipeline {
    /// The rules in force and what they need; replaced whole on reload.
    pub generation: Arc<ArcSwap<Generation>>,
    /// Which events were seen lately.
    pub dedup: Dedup,
    /// Where events that something responds to run.
    pub lanes: Lanes<String, String>,
    /// Where it reports to.
    pub reporting: Reporting,
    /// How what was unavailable is tried again.
    pub retry: Retry,
    /// Whether the `event` line was written at reception already.
    pub print_all_events: bool,
}

/// One event on its way through the rules that match it.
struct Response {
    generation: Arc<Generation>,
    reporting: Reporting,
    retry: Retry,
    /// Acknowledged when the response is over.
    delivery: Delivery,
    /// The event as the actionners get it.
    event_json: String,
    trace_id: String,
}

/// How an action ended, as logs, metrics and the next action see it.
struct Ended {
    status: Status,
    message: String,
    objects: Vec<(String, String)>,
    artifacts: Vec<Artifact>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Success,
    Ignored,
    Failure,
}

impl Pipeline {
    /// Handle events until the queue is closed and empty, then wait for the lanes, but no
    /// longer than `drain_max`. Returns the trace ids of the events that were cut off.
    pub async fn run(mut self, queue: &Queue, drain_max: Duration) -> Unfinished<String> {
        while let Some(delivery) = queue.next().await {
            self.handle(delivery);
        }
        self.lanes.drain(Instant::now() + drain_max).await
    }

    fn handle(&mut self, delivery: Delivery) {
        self.reporting.metrics.queue_waited(delivery.received.elapsed());
        let event = &delivery.queued.event;
        if self.dedup.is_duplicate(event, Instant::now()) {
            self.reporting.metrics.duplicate();
            return delivery.ack();
        }
        let generation = self.generation.load_full();
        let rules: Vec<Arc<Rule>> = generation.rules.matching(event).cloned().collect();
        if rules.is_empty() {
            return delivery.ack();
        }
        let trace_id = delivery.queued.trace_id.to_string();
        if !self.print_all_events {
            report_event(&self.reporting.logger, event, &trace_id);
        }
        let lane = event.pod().map(|pod| format!("{}/{}", pod.namespace, pod.name));
        let response = Response {
            generation,
            reporting: self.reporting.clone(),
            retry: self.retry,
            event_json: event.to_json(),
            delivery,
            trace_id,
        };
        self.lanes.run(lane, response.trace_id.clone(), async move {
            response.run(&rules).await;
            response.reporting.metrics.event_took(response.delivery.received.elapsed());
            response.delivery.ack();
        });
    }
}

/// The line that says what came in: at reception where all events are printed, else with the
/// first match.
pub(crate) fn report_event(logger: &Logger, event: &Event, trace_id: &str) {
    logger
        .line(Level::Info, "event")
        .field("event", &event.rule)
        .field("output", &event.output)
        .field("priority", event.priority.name())
        .field("source", &event.source)
        .field("trace_id", trace_id)
        .write();
}

impl Response {
    fn event(&self) -> &Event {
        &self.delivery.queued.event
    }

    /// All rules in order, until one says that it is the last.
    async fn run(&self, rules: &[Arc<Rule>]) {
        for rule in rules {
            self.report_match(rule);
            self.run_actions(rule).await;
            if !rule.continues {
                break;
            }
        }
    }

    /// The actions of a rule in order, until one fails or says that it is the last.
    async fn run_actions(&self, rule: &Rule) {
        for action in &rule.actions {
            let began = Instant::now();
            let mut ended = self.run_action(rule, action).await;
            self.report(rule, action, &ended, began.elapsed());
            let mut succeeded = ended.status != Status::Failure;
            if let Some(output) = &action.output
                && ended.status == Status::Success
                && !rule.dry_run
            {
                succeeded = self.deliver(rule, action, output, &mut ended).await;
            }
            if !(succeeded || action.ignore_errors) || !action.continues {
                break;
            }
        }
    }

    async fn run_action(&self, rule: &Rule, action: &Action) -> Ended {
        let Some(actionner) = self.generation.actionners.get(&action.actionner) else {
            return Ended::failure(format!("unknown actionner '{}'", action.actionner));
        };
        if let Some(missing) = missing_fields(self.event(), &actionner.description.required_fields) {
            return Ended::failure(missing);
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
            .when(|error| matches!(error, AttemptError::Failed(Failure { kind: FailureKind::Unavailable, .. })))
            .notify(|_, _| self.reporting.metrics.retried(&action.actionner))
            .await;
        Ended::of(result)
    }

    /// Send what an action has collected to where the rule says; whether all of it arrived.
    async fn deliver(&self, rule: &Rule, action: &Action, output: &OutputUseSite, ended: &mut Ended) -> bool {
        let delivered = output::deliver(output, &ended.objects, std::mem::take(&mut ended.artifacts)).await;
        for one in &delivered {
            self.report_output(rule, action, output, one);
        }
        delivered.iter().all(|one| one.result.is_ok())
    }

    async fn attempt(
        &self,
        actionner: &Actionner,
        invocation: &Invocation,
        dry_run: bool,
    ) -> Result<(Outcome, Vec<Artifact>), AttemptError> {
        let call = Call::new(
            actionner.grants().clone(),
            Targets::of(self.event()),
            dry_run,
            self.trace_id.clone(),
            self.generation.clients.clone(),
            self.reporting.clone(),
        );
        let Called { result, artifacts } = actionner.call(invocation, call).await?;
        Ok((result.map_err(AttemptError::Failed)?, artifacts))
    }

    fn report_match(&self, rule: &Rule) {
        let event = self.event();
        self.reporting.metrics.matched(&event.rule, event.priority.name(), &event.source, &rule.name);
        self.reporting
            .logger
            .line(Level::Info, "match")
            .field("event", &event.rule)
            .field("output", &event.output)
            .field("priority", event.priority.name())
            .field("rule", &rule.name)
            .field("source", &event.source)
            .field("trace_id", &self.trace_id)
            .write();
    }

    fn report(&self, rule: &Rule, action: &Action, ended: &Ended, took: Duration) {
        let Ended { status, message, objects, artifacts: _ } = ended;
        let rehearsed = format!("no action, dry-run is enabled: {message}");
        let line = match status {
            Status::Failure => self.reporting.logger.line(Level::Error, "action").error(message),
            _ => {
                let output = if rule.dry_run { &rehearsed } else { message };
                self.reporting.logger.line(Level::Info, "action").field("output", output)
            }
        };
        line.field("action", &action.name)
            .field("actionner", &action.actionner)
            .field("event", &self.event().output)
            .field("rule", &rule.name)
            .field("status", if rule.dry_run { "" } else { status.as_str() })
            .field("trace_id", &self.trace_id)
            .objects(objects)
            .write();
        if rule.dry_run {
            return;
        }
        let object = |kind: &str| objects.iter().find(|(key, _)| key == kind).map_or("", |(_, name)| name);
        self.reporting.metrics.action(&ActionLabels {
            action: &action.name,
            actionner: &action.actionner,
            event: &self.event().rule,
            rule: &rule.name,
            status: status.as_str(),
            namespace: object("namespace"),
            pod: object("pod"),
        });
        self.reporting.metrics.action_took(&action.actionner, took);
    }

    fn report_output(&self, rule: &Rule, action: &Action, output: &OutputUseSite, delivered: &Delivered) {
        let Delivered { target, objects, result } = delivered;
        let (level, status) = match result {
            Ok(_) => (Level::Info, Status::Success),
            Err(_) => (Level::Error, Status::Failure),
        };
        let line = self.reporting.logger.line(level, "output");
        let line = match result {
            Ok(message) => line.field("output", message),
            Err(error) => line.error(error),
        };
        line.field("action", &action.name)
            .field("actionner", &action.actionner)
            .field("category", target.map_or("", outputs::Target::category))
            .field("output_target", &output.target)
            .field("rule", &rule.name)
            .field("status", status.as_str())
            .field("trace_id", &self.trace_id)
            .objects(objects)
            .write();
        self.reporting.metrics.output(&action.name, &rule.name, &output.target, status.as_str());
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

impl From<CallError> for AttemptError {
    fn from(error: CallError) -> Self {
        Self::Broken(error)
    }
}

impl Ended {
    fn of(result: Result<(Outcome, Vec<Artifact>), AttemptError>) -> Self {
        let (status, message, objects, artifacts) = match result {
            Ok((Outcome::Done(Report { message, objects }), artifacts)) => {
                (Status::Success, message, objects, artifacts)
            }
            Ok((Outcome::Ignored(Report { message, objects }), _)) => (Status::Ignored, message, objects, Vec::new()),
            Err(AttemptError::Failed(Failure { message, objects, .. })) => {
                (Status::Failure, message, objects, Vec::new())
            }
            Err(AttemptError::Broken(error)) => return Self::failure(error.to_string()),
        };
        Self { status, message, objects, artifacts }
    }

    fn failure(message: String) -> Self {
        Self { status: Status::Failure, message, objects: Vec::new(), artifacts: Vec::new() }
    }
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Ignored => "ignored",
            Self::Failure => "failure",
        }
    }
}

/// Says what is missing, unless the event carries one of the sets whole.
fn missing_fields(event: &Event, sets: &[Vec<String>]) -> Option<String> {
    let carried = |set: &Vec<String>| set.iter().all(|field| event.text(field).is_some());
    if sets.is_empty() || sets.iter().any(carried) {
        return None;
    }
    let sets: Vec<String> = sets.iter().map(|set| set.join(" and ")).collect();
    Some(format!("missing output fields: the event must carry {}", sets.join(", or ")))
}

/// The context that every action gets, under the keys of Falco Talon.
fn context(rule: &Rule, action: &Action, own_namespace: Option<&str>) -> Value {
    let mut context = Map::new();
    let mut add = |key: &str, value: String| {
        context.insert(format!("falco-talon.{key}"), value.into());
    };
    add("rule", rule.name.clone());
    add("action", action.name.clone());
    add("actionner", action.actionner.clone());
    add("action.parameters", action.parameters.to_string());
    if let Some(continues) = rule.continue_as_written {
        add("rule.continue", continues.to_string());
    }
    if let Some(dry_run) = rule.dry_run_as_written {
        add("rule.dry_run", dry_run.to_string());
    }
    if let Some(continues) = action.continue_as_written {
        add("action.continue", continues.to_string());
    }
    if let Some(ignore_errors) = action.ignore_errors_as_written {
        add("action.ignore_errors", ignore_errors.to_string());
    }
    if let Some(output) = &action.output {
        add("action.output", output.target.clone());
    }
    if let Some(own_namespace) = own_namespace {
        add("namespace", own_namespace.to_owned());
    }
    json!(context)
}
