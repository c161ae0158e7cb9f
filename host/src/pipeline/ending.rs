//! How a step or a whole response ends: what the store is told of it, and all who listen.

use std::time::Duration;

use rules::{Action, Rule};

use super::answer::Answer;
use super::course::Course;
use super::details::details;
use super::dispatch::Origin;
use super::ended::{About, Ended, Stage, Status};
use super::plan::goes_on;
use super::report::{report_details, report_match};
use super::response::{Response, Task};
use crate::store::{Outcome, StepEnd};

impl Response {
    /// Nothing more comes of a rule.
    pub(super) fn leave_out(&self, course: &mut Course, rule: &str, status: Status, message: &str) {
        let number = course.number();
        let begun = course.current().filter(|current| current.rule == rule);
        let calls = begun.map(|begun| begun.calls.text()).unwrap_or_default();
        let (status, message) = Course::cut(begun, status, message);
        let notifiers = self.rules.iter().find(|known| known.name == rule).map_or(&[] as &[_], |rule| &rule.notifiers);
        let about = About { rule, action: begun.map_or("", |begun| &begun.action), notifiers, ..About::default() };
        for response in self.answered() {
            let traceparent = response.trace.traceparent();
            let (traceparent, of) = (traceparent.as_deref(), &response.pod());
            let ended = Ended { status, message: &message, traceparent, of, ..response.ended(about) };
            self.shared.listeners.tell(&ended);
        }
        course.note(&format!("{}: {rule}: {message}", status.as_str()));
        if course.close(rule) {
            self.end_step(number, &StepEnd { status: status.as_str(), message, calls, is_last: true });
        }
    }

    /// The step has ended: what it collected is on its way, and all who listen hear of it.
    pub(super) async fn end(&self, course: &mut Course, task: &Task<'_>, answer: Answer, took: Duration) {
        let Task { rule, action, hash, .. } = *task;
        let number = course.number();
        self.tell(rule, action, &answer, took);
        let Answer { status, message, objects, artifacts, .. } = answer;
        let mut succeeded = status.is_success();
        let has_next = rule.actions.last().is_some_and(|last| !std::ptr::eq(last, action));
        let is_last = |succeeded: bool| !(has_next && goes_on(action, succeeded));
        match &action.output {
            Some(site) if status == Status::Success && !rule.dry_run => {
                let traceparent = self.trace.traceparent();
                let (trace_id, traceparent) = (&*self.trace_id, traceparent.as_deref());
                let origin = Origin { trace_id, traceparent, rule, action, site, objects: &objects };
                let end = |deliveries| {
                    let end =
                        StepEnd { status: status.as_str(), message, calls: String::new(), is_last: is_last(true) };
                    for response in &self.others {
                        self.shared.store.end(response.entry.id, number, end.clone());
                    }
                    self.shared.store.end_with(self.entry.id, number, end, deliveries)
                };
                if let Err(error) = self.shared.deliveries.deliver(&origin, artifacts, end).await {
                    course.note(&format!("{}: {}", action.name, error));
                    let calls = course.current().map(|current| current.calls.text());
                    let calls = calls.unwrap_or_default();
                    let status = Status::Failure.as_str();
                    self.end_step(number, &StepEnd { status, message: error, calls, is_last: is_last(false) });
                    succeeded = false;
                }
            }
            _ => {
                if !succeeded {
                    course.note(&format!("{}: {}: {message}", action.name, status.as_str()));
                }
                // What went well needs no explanation.
                let calls = course.current().filter(|_| !succeeded).map(|current| current.calls.text());
                let (status, calls) = (status.as_str(), calls.unwrap_or_default());
                self.end_step(number, &StepEnd { status, message, calls, is_last: is_last(succeeded) });
            }
        }
        course.end(&rule.name, hash, succeeded, is_last(succeeded));
    }

    fn end_step(&self, number: u32, end: &StepEnd) {
        for response in self.answered() {
            self.shared.store.end(response.entry.id, number, end.clone());
        }
    }

    /// Report how an action ended, once for each event that its run answers.
    fn tell(&self, rule: &Rule, action: &Action, answer: &Answer, took: Duration) {
        let details = details(answer.details.as_deref()).unwrap_or_else(|error| {
            report_details(&self.shared.reporting.logger, action, &error, &self.trace_id);
            None
        });
        for response in self.answered() {
            response.trace.acted(rule, action, answer, &self.trace_id);
            let traceparent = response.trace.traceparent();
            let pod = if answer.objects.is_empty() { response.pod() } else { Vec::new() };
            self.shared.listeners.tell(&Ended {
                of: &pod,
                answered_by: Some(&*self.trace_id).filter(|id| *id != response.trace_id),
                status: answer.status,
                message: &answer.message,
                objects: &answer.objects,
                details: details.as_deref(),
                uid: answer.uid.as_deref(),
                traceparent: traceparent.as_deref(),
                took,
                ..response.ended(About::new(rule, Some(action)))
            });
        }
    }

    /// The pod of its event, as (kind, name), for who is told of an end that names nothing.
    fn pod(&self) -> Vec<(String, String)> {
        let pod = self.event().pod().into_iter();
        let objects = pod.flat_map(|pod| [("namespace", pod.namespace), ("pod", pod.name)]);
        objects.map(|(kind, name)| (kind.to_owned(), name.to_owned())).collect()
    }

    /// What there is to say of a stage of it, but for how it ended.
    fn ended<'a>(&'a self, about: About<'a>) -> Ended<'a> {
        Ended {
            stage: Stage::Action(self.event()),
            trace_id: &self.trace_id,
            answered_by: None,
            about,
            status: Status::Failure,
            message: "",
            objects: &[],
            of: &[],
            details: None,
            uid: None,
            traceparent: None,
            took: Duration::ZERO,
        }
    }

    /// End without having run, since more than `waiting_max` wait for the same target.
    pub(super) fn drop_out(&self, waiting_max: usize) {
        if !self.start() {
            return;
        }
        let message = format!("{waiting_max} newer events wait for the same target, which is as many as may");
        let course = Course::of(&self.entry.progress);
        let (status, message) = Course::cut(course.current(), Status::Dropped, &message);
        if course.current().is_some() {
            let (status, message, calls) = (status.as_str(), message.clone(), String::new());
            self.end_step(course.number(), &StepEnd { status, message, calls, is_last: true });
        }
        let objects = self.pod();
        for rule in &self.rules {
            report_match(&self.shared.reporting, self.event(), rule, &self.trace_id);
            self.trace.matched(self.event(), rule);
            let about = About::new(rule, rule.actions.first());
            self.shared.listeners.tell(&Ended { status, message: &message, objects: &objects, ..self.ended(about) });
        }
        self.shared.reporting.metrics.dropped();
        if let Some(fingerprint) = self.entry.fingerprint {
            self.shared.store.forget(fingerprint);
        }
        self.shared.store.finish(&self.entry, Outcome::Dead, &format!("{}: {message}", status.as_str()));
    }
}
