//! The spans of one event, under the original's names, and what they say.
//!
//! `match`, `checks` and `context` are over as soon as they are made; an action's is open for one attempt. What is sent
//! afterwards, be it by the next process, is below the text that [`Trace::traceparent`] says then.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use outputs::Target;
use rules::{Action, Event, Rule};

use super::answer::Answer;
use super::ended::Status;
use crate::telemetry::{Description, Kind, Parent, Span, TraceId};

/// The spans of one event; nothing where no traces are made. The event's own ends with this value.
#[derive(Debug)]
pub(super) struct Trace {
    trace_id: TraceId,
    event: Span,
    // A blocking mutex, because nothing waits while it is held.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By the names of the rules.
    matches: BTreeMap<String, Parent>,
    /// The attempt that is under way.
    action: Option<Span>,
    /// The last one that was begun.
    latest: Option<Parent>,
}

impl Trace {
    /// What is done for an event begins.
    pub(super) fn begin(event: &Event, trace_id: TraceId, parent: Option<Parent>) -> Self {
        let span = Span::new("event", Kind::Internal, trace_id, parent);
        span.describe(|span| {
            span.text("event.rule", &event.rule);
            span.text("event.source", &event.source);
            span.text("event.priority", event.priority.name());
            span.text("event.output", &event.output);
            if !event.tags.is_empty() {
                span.texts("event.tags", &event.tags);
            }
            span.fields(event.output_fields.iter().map(|(name, value)| {
                let text = value.as_str().map_or_else(|| value.to_string().into(), Cow::Borrowed);
                (format!("event.output_fields[\"{name}\"]"), text)
            }));
            span.text("event.traceid", &trace_id.to_string());
            span.event(&event.to_json(), time_of(event));
            span.ok();
        });
        Self { trace_id, event: span, state: Mutex::default() }
    }

    /// A rule matches the event.
    pub(super) fn matched(&self, event: &Event, rule: &Rule) {
        let Some(span) = self.below(self.event.parent(), "match") else { return };
        span.describe(|span| {
            span.text("event.rule", &event.rule);
            span.text("event.output", &event.output);
            span.text("event.source", &event.source);
            span.text("event.trace_id", &self.trace_id.to_string());
            span.text("rule.name", &rule.name);
            span.text("rule.description", &rule.description);
            span.event(&event.output, time_of(event));
            span.ok();
        });
        if let Some(parent) = span.parent() {
            self.state().matches.insert(rule.name.clone(), parent);
        }
    }

    /// It was looked at whether an action of this rule can be done; `problem` says why not.
    pub(super) fn checked(&self, rule: &Rule, problem: Option<&str>) {
        let Some(span) = self.below(self.of_match(rule), "checks") else { return };
        span.describe(|span| match problem {
            Some(problem) => span.failed(problem),
            None => span.succeeded("all checks passed"),
        });
    }

    /// What is known besides of what the event is about was asked for, of this source.
    pub(super) fn added(&self, rule: &Rule, source: &str, found: Result<&BTreeMap<&'static str, String>, &str>) {
        let Some(span) = self.below(self.of_match(rule), "context") else { return };
        span.describe(|span| {
            span.text("context.source", source);
            match found {
                Ok(found) => {
                    span.fields(found.iter().map(|(key, value)| (key.to_lowercase(), value.into())));
                    span.ok();
                }
                Err(error) => span.failed(&format!("failed to add context: {error}")),
            }
        });
    }

    /// An attempt at an action begins. What is asked of the host meanwhile is below it.
    pub(super) fn acts(&self, rule: &Rule, action: &Action) -> Option<Parent> {
        let span = self.action(rule, action)?;
        let parent = span.parent();
        let mut state = self.state();
        (state.action, state.latest) = (Some(span), parent);
        parent
    }

    /// The attempt failed, and another one may follow.
    pub(super) fn failed(&self, message: &str) {
        if let Some(span) = self.state().action.take() {
            span.describe(|span| span.failed(message));
        }
    }

    /// An action has ended like this: in a run for the event with the trace id `run`, which may be another one.
    pub(super) fn acted(&self, rule: &Rule, action: &Action, answer: &Answer, run: &str) {
        let begun = self.state().action.take();
        let is_another = || self.trace_id.to_string() != run;
        let span = match begun {
            None if self.event.is_made() && is_another() => self.action(rule, action),
            begun => begun,
        };
        let Some(span) = span else { return };
        let Answer { status, message, objects, .. } = answer;
        span.describe(|span| {
            span.text("action.result", status.as_str());
            span.text("action.output", message);
            let object =
                |(kind, name): &'_ (String, String)| (format!("object.{}", kind.to_lowercase()), name.clone().into());
            span.fields(objects.iter().map(object));
            if is_another() {
                span.text("action.answered_by", run);
            }
            ended(span, *status, message);
        });
        let parent = span.parent();
        self.state().latest = parent;
    }

    /// What outputs and notifications of the last action that was begun are below.
    pub(super) fn traceparent(&self) -> Option<String> {
        self.state().latest.map(|parent| parent.to_string())
    }

    fn action(&self, rule: &Rule, action: &Action) -> Option<Span> {
        let span = self.below(self.of_match(rule), "action")?;
        span.describe(|span| {
            let actionner = action.actionner.as_str();
            let (category, name) = actionner.split_once(':').unwrap_or(("", actionner));
            span.text("action.name", &action.name);
            span.text("action.actionner", actionner);
            span.text("action.description", &action.description);
            span.flag("action.continue", action.continues);
            span.flag("action.ignore_errors", action.ignore_errors);
            if rule.dry_run {
                span.flag("action.dry_run", true);
            }
            // As the original writes it.
            span.text("actionner.Information().Category", category);
            span.text("actionner.name", name);
        });
        Some(span)
    }

    /// Below the match of a rule; below the event where the process before this one has reported that.
    fn of_match(&self, rule: &Rule) -> Option<Parent> {
        let event = self.event.parent()?;
        Some(self.state().matches.get(&rule.name).copied().unwrap_or(event))
    }

    fn below(&self, parent: Option<Parent>, name: &str) -> Option<Span> {
        parent.map(|parent| Span::new(name, Kind::Internal, self.trace_id, Some(parent)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt to send an artifact begins, below the action that made it.
pub(super) fn output(traceparent: Option<&str>, target: &str) -> Span {
    let span = Span::below(traceparent, "output");
    span.describe(|span| {
        span.text("output.name", target.split_once(':').map_or(target, |(_, name)| name));
        span.text("output.category", Target::find(target).map_or("", Target::category));
        span.text("output.target", target);
    });
    span
}

/// It ended like this.
pub(super) fn put_out(span: Span, status: Status, message: &str) {
    span.describe(|span| {
        span.text("output.status", status.as_str());
        span.text("output.message", message);
        ended(span, status, message);
    });
}

/// An attempt to tell people begins, below the action or the output that they are told of.
pub(super) fn notification(traceparent: Option<&str>, notifier: &str) -> Span {
    let span = Span::below(traceparent, "notification");
    span.describe(|span| span.text("notifier.name", notifier));
    span
}

/// It ended like this; `problem` says why they do not know.
pub(super) fn notified(span: Span, problem: Option<&str>) {
    span.describe(|span| match problem {
        Some(problem) => span.failed(problem),
        None => span.ok(),
    });
}

/// All spans of an event that one action answers with one call of the host, for benchmarks: what they cost alone.
pub fn spans_of_an_event(event: &Event, rule: &Rule, trace_id: TraceId) {
    let request = Span::new("/", Kind::Server, trace_id, None);
    let trace = Trace::begin(event, trace_id, request.parent());
    trace.matched(event, rule);
    for action in &rule.actions {
        trace.checked(rule, None);
        let call = Span::new("kubernetes-write.patch", Kind::Internal, trace_id, trace.acts(rule, action));
        call.describe(|span| span.flag("call.dry_run", false));
        trace.failed("it was tried");
    }
}

fn ended(span: &Description<'_>, status: Status, message: &str) {
    match status.is_success() {
        true => span.succeeded(message),
        false => span.failed(message),
    }
}

fn time_of(event: &Event) -> SystemTime {
    event.time.parse::<Timestamp>().map_or_else(|_| SystemTime::now(), SystemTime::from)
}
