//! What is said of an event, and who hears of it: whoever wants to know of each end is a [`Listener`].

use std::sync::Arc;

use outputs::Target;
use rules::{Action, Event, Rule};

use super::details::DetailsError;
use super::ended::{About, Ended, Stage, Status};
use super::notifications::Notifications;

use crate::telemetry::Reporting;
use crate::telemetry::logs::{Level, Line, Logger};
use crate::telemetry::metrics::{ActionLabels, Metrics};

/// Who hears of everything that ends.
enum Listener {
    Log(Logger),
    Metrics(Metrics),
    Notifiers(Notifications),
}

/// All listeners, in the order in which they hear of it. Clones are the same.
#[derive(Clone)]
pub(super) struct Listeners(Arc<[Listener]>);

impl Listeners {
    pub(super) fn new(reporting: &Reporting, notifications: &Notifications) -> Self {
        let Reporting { logger, metrics, audit: _, health: _ } = reporting;
        Self(Arc::new([
            Listener::Log(logger.clone()),
            Listener::Metrics(metrics.clone()),
            Listener::Notifiers(notifications.clone()),
        ]))
    }

    pub(super) fn tell(&self, ended: &Ended<'_>) {
        for listener in &*self.0 {
            match listener {
                Listener::Log(logger) => log(logger, ended),
                Listener::Metrics(metrics) => count(metrics, ended),
                Listener::Notifiers(notifications) => notifications.tell(ended),
            }
        }
    }
}

fn log(logger: &Logger, ended: &Ended<'_>) {
    let Ended { stage, trace_id, answered_by, about, status, message, objects, details, .. } = ended;
    let tag = match stage {
        Stage::Action(_) => "action",
        Stage::Output(_) => "output",
    };
    let level = match status {
        Status::Failure | Status::Denied | Status::Unknown => Level::Error,
        Status::Dropped | Status::Superseded | Status::Expired | Status::Due => Level::Warn,
        Status::Success | Status::Ignored => Level::Info,
    };
    let rehearsed = ended.rehearsed();
    let line = logger.line(level, tag);
    let line = match status {
        status if !status.is_success() => line.error(message),
        _ if about.dry_run => line.field("output", &rehearsed),
        _ => line.field("output", message),
    };
    let line = line.field("action", about.action).field("actionner", about.actionner);
    let line = match answered_by {
        Some(trace_id) => line.field("answered_by", trace_id),
        None => line,
    };
    let line = match details {
        Some(details) => line.field("details", details),
        None => line,
    };
    let line = match stage {
        Stage::Action(event) => line.field("event", &event.output),
        Stage::Output(target) => {
            let category = Target::find(target).map_or("", Target::category);
            line.field("category", category).field("output_target", target)
        }
    };
    line.field("rule", about.rule)
        // A rehearsal has no status.
        .field("status", if about.dry_run { "" } else { status.as_str() })
        .field("trace_id", trace_id)
        .objects(objects)
        .write();
}

fn count(metrics: &Metrics, ended: &Ended<'_>) {
    let Ended { stage, answered_by, about, status, objects, took, .. } = ended;
    let About { rule, dry_run, action, actionner, notifiers: _ } = *about;
    // What is due has not ended.
    if dry_run || *status == Status::Due {
        return;
    }
    let event = match stage {
        Stage::Action(event) => event,
        Stage::Output(target) => return metrics.output(action, rule, target, status.as_str()),
    };
    let object = |kind: &str| objects.iter().find(|(key, _)| key == kind).map_or("", |(_, name)| name);
    metrics.action(&ActionLabels {
        action,
        actionner,
        event: &event.rule,
        rule,
        status: status.as_str(),
        namespace: object("namespace"),
        pod: object("pod"),
    });
    match (answered_by, status) {
        (Some(_), _) => metrics.coalesced(actionner),
        (None, status) if status.is_not_run() => {}
        (None, _) => metrics.action_took(actionner, *took),
    }
}

/// The line that says what came in: at reception where all events are printed, else with the
/// first match.
pub(crate) fn report_event(logger: &Logger, event: &Event, trace_id: &str) {
    of_event(logger.line(Level::Info, "event"), event, trace_id).write();
}

/// A rule matches an event.
pub(super) fn report_match(reporting: &Reporting, event: &Event, rule: &Rule, trace_id: &str) {
    reporting.metrics.matched(&event.rule, event.priority.name(), &event.source, &rule.name);
    of_event(reporting.logger.line(Level::Info, "match"), event, trace_id).field("rule", &rule.name).write();
}

fn of_event<'a>(line: Line<'a>, event: &'a Event, trace_id: &'a str) -> Line<'a> {
    line.field("event", &event.rule)
        .field("output", &event.output)
        .field("priority", event.priority.name())
        .field("source", &event.source)
        .field("trace_id", trace_id)
}

/// What an actionner has found out can't be kept.
pub(super) fn report_details(logger: &Logger, action: &Action, error: &DetailsError, trace_id: &str) {
    logger
        .line(Level::Warn, "action")
        .error(error)
        .field("action", &action.name)
        .field("actionner", &action.actionner)
        .field("trace_id", trace_id)
        .write();
}
