//! What is said of an event, and who hears of it.
//!
//! Each thing that ends is one [`Ended`], made once; whoever wants to know of it is a [`Listener`].

use std::time::Duration;

use outputs::Target;
use rules::{Action, Event, Rule};

use super::details::DetailsError;

use crate::telemetry::Reporting;
use crate::telemetry::logs::{Level, Line, Logger};
use crate::telemetry::metrics::{ActionLabels, Metrics};

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Success,
    Ignored,
    Failure,
    /// It did not run, since newer events took its place.
    Dropped,
    /// It did not run, since the rules or the policy in force do not ask for it any more.
    Superseded,
    /// It did not run, since its event is too old.
    Expired,
    /// It has not arrived yet, and is sent again.
    Due,
    /// The process ended meanwhile, and nobody knows whether it was carried out.
    Unknown,
}

impl Status {
    /// As logs and metrics have it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Ignored => "ignored",
            Self::Failure => "failure",
            Self::Dropped => "dropped",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Due => "due",
            Self::Unknown => "unknown",
        }
    }

    /// Whether what the rule asks for next is done all the same.
    pub(super) fn is_success(self) -> bool {
        matches!(self, Self::Success | Self::Ignored)
    }

    /// Whether nothing was tried.
    fn is_not_run(self) -> bool {
        matches!(self, Self::Dropped | Self::Superseded | Self::Expired)
    }
}

/// The end of one stage of an action: everything that may be said of it.
pub(super) struct Ended<'a> {
    pub(super) stage: Stage<'a>,
    pub(super) trace_id: &'a str,
    /// The trace id of the event whose run answered this one, where it was another's.
    pub(super) answered_by: Option<&'a str>,
    pub(super) about: About<'a>,
    pub(super) status: Status,
    /// One sentence for a person: what was done, or why it was not.
    pub(super) message: &'a str,
    /// What it is about, as (kind, name).
    pub(super) objects: &'a [(String, String)],
    /// What was found out, as a JSON object.
    pub(super) details: Option<&'a str>,
    pub(super) took: Duration,
}

/// Which action of which rule, by their names: the rule may not be in force any more.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About<'a> {
    pub(super) rule: &'a str,
    /// Whether it only rehearses.
    pub(super) dry_run: bool,
    pub(super) action: &'a str,
    pub(super) actionner: &'a str,
}

impl<'a> About<'a> {
    pub(super) fn new(rule: &'a Rule, action: Option<&'a Action>) -> Self {
        let Rule { name, dry_run, .. } = rule;
        let (action, actionner) = action.map_or(("", ""), |action| (&*action.name, action.actionner.as_str()));
        Self { rule: name, dry_run: *dry_run, action, actionner }
    }
}

/// What has ended.
#[derive(Clone, Copy)]
pub(super) enum Stage<'a> {
    /// The actionner, which ran for this event.
    Action(&'a Event),
    /// The way of one artifact to where the rule says: to a target of this name.
    Output(&'a str),
}

/// Who hears of everything that ends.
enum Listener {
    Log(Logger),
    Metrics(Metrics),
}

/// All listeners, in the order in which they hear of it.
pub(super) struct Listeners(Vec<Listener>);

impl Listeners {
    pub(super) fn new(reporting: &Reporting) -> Self {
        let Reporting { logger, metrics, audit: _, health: _ } = reporting;
        Self(vec![Listener::Log(logger.clone()), Listener::Metrics(metrics.clone())])
    }

    pub(super) fn tell(&self, ended: &Ended<'_>) {
        for listener in &self.0 {
            match listener {
                Listener::Log(logger) => log(logger, ended),
                Listener::Metrics(metrics) => count(metrics, ended),
            }
        }
    }
}

fn log(logger: &Logger, ended: &Ended<'_>) {
    let Ended { stage, trace_id, answered_by, about, status, message, objects, details, took: _ } = ended;
    let tag = match stage {
        Stage::Action(_) => "action",
        Stage::Output(_) => "output",
    };
    let level = match status {
        Status::Failure | Status::Unknown => Level::Error,
        Status::Dropped | Status::Superseded | Status::Expired | Status::Due => Level::Warn,
        Status::Success | Status::Ignored => Level::Info,
    };
    let rehearsed = format!("no action, dry-run is enabled: {message}");
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
    let About { rule, dry_run, action, actionner } = *about;
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
