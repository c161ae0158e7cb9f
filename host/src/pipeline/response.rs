//! The response to one event: what comes next is asked of the rules in force before each attempt.
//!
//! An action begins under the rules and the policy of that moment, or not at all; and once it may have had its effect,
//! the store knows it first where twice would be once too often.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use policy::{ObjectId, Uids};
use rules::{Action, Event, ObjectName, Rule};
use tokio::time::{Instant, sleep};

use super::answer::Answer;
use super::attempt::{Attempt, Tried};
use super::away::away_from;
use super::coalesce::one_run_answers;
use super::contain::contain;
use super::course::{Course, Current, Turn};
use super::ended::Status;
use super::lanes::Work;
use super::pause::pause;
use super::plan::{answering, is_live, is_protected};
use super::report::report_match;
use super::shared::Shared;
use super::trace::Trace;
use crate::clients::Circuit;
use crate::generation::Generation;
use crate::store::{Attempted, Closed, Entry, Outcome, Step, StepHash, WHICHEVER};
use crate::telemetry::logs::Level;

/// One event on its way through the rules that match it.
pub(super) struct Response {
    pub(super) shared: Arc<Shared>,
    /// The rules when it was taken, for what waits with it.
    pub(super) generation: Arc<Generation>,
    /// Those that answered it then.
    pub(super) rules: Vec<Arc<Rule>>,
    /// Finished in the store when the response is over.
    pub(super) entry: Arc<Entry>,
    pub(super) trace_id: String,
    /// Its spans.
    pub(super) trace: Trace,
    /// What its run answers besides, once it runs.
    pub(super) others: Vec<Response>,
}

/// What is to be done now.
pub(super) struct Task<'a> {
    pub(super) generation: &'a Arc<Generation>,
    pub(super) rule: &'a Rule,
    pub(super) action: &'a Action,
    pub(super) hash: StepHash,
}

/// Why a response did not come to its end: what is left of it stays stored.
enum Left {
    /// Nothing more is begun.
    Stopped,
    /// This server is away, and as many wait for it as may.
    Away(Circuit),
}

impl From<Closed> for Left {
    fn from(_: Closed) -> Self {
        Self::Stopped
    }
}

impl Work for Response {
    fn is_answered_with(&self, before: &Self) -> bool {
        Arc::ptr_eq(&self.generation, &before.generation)
            && self.rules.iter().map(Arc::as_ptr).eq(before.rules.iter().map(Arc::as_ptr))
            && self.entry.rules == before.entry.rules
            && [self, before].iter().all(|response| response.entry.progress.is_empty() && response.entry.crashes == 0)
            && one_run_answers(&self.generation, &self.rules, before.event(), self.event())
    }

    /// Respond to its end or to a panic, and say in the store which of them it was.
    async fn run(self, others: Vec<Self>) {
        // Until now each of them could be removed.
        let mut started = iter::once(self).chain(others).filter(Self::start);
        let Some(mut first) = started.next() else { return };
        first.others = started.collect();
        first.finish(contain(first.follow()).await);
    }
}

impl Response {
    pub(super) fn start(&self) -> bool {
        self.shared.store.start(self.entry.id)
    }

    fn finish(&self, end: Result<Result<Course, Left>, String>) {
        if let Err(panic) = &end {
            let line = self.shared.reporting.logger.line(Level::Error, "recovered from panic while processing event");
            line.error(panic).field("trace_id", &self.trace_id).write();
        }
        for Response { shared, entry, .. } in self.answered() {
            match &end {
                Ok(Ok(course)) => {
                    shared.reporting.metrics.event_took(entry.received.elapsed());
                    let (outcome, reason) = course.outcome();
                    shared.store.finish(entry, outcome, reason);
                }
                Ok(Err(Left::Stopped)) => shared.store.leave(entry.id),
                Ok(Err(Left::Away(_))) => shared.store.postpone(entry.id),
                Err(panic) => shared.store.finish(entry, Outcome::Dead, &format!("panic: {panic}")),
            }
        }
        if let Ok(Err(Left::Away(circuit))) = end {
            self.shared.away.watch(circuit);
        }
    }

    pub(super) fn event(&self) -> &Event {
        &self.entry.event
    }

    /// Whatever its run answers: itself first.
    pub(super) fn answered(&self) -> impl Iterator<Item = &Response> {
        iter::once(self).chain(&self.others)
    }

    /// One attempt after the other, each under the rules in force when it begins.
    async fn follow(&self) -> Result<Course, Left> {
        let mut course = Course::of(&self.entry.progress);
        let (mut generation, mut rules) = (Arc::clone(&self.generation), self.rules.clone());
        loop {
            if *self.shared.stopping.borrow() {
                return Err(Left::Stopped);
            }
            let in_force = self.shared.generation.load();
            if !Arc::ptr_eq(&in_force, &generation) {
                rules = answering(&in_force, self.event());
                generation = Arc::clone(&in_force);
            }
            drop(in_force);
            match course.next(&generation, &rules, |rule| self.is_new(&generation, rule)) {
                Turn::Act(rule, at, hash) => {
                    let task = Task { generation: &generation, rule: &rule, action: &rule.actions[at], hash };
                    self.turn(&mut course, &task).await?;
                }
                Turn::Supersede(rule) => {
                    self.leave_out(
                        &mut course,
                        &rule,
                        Status::Superseded,
                        "what was begun is not what the rule says now",
                    );
                }
                Turn::End => break,
            }
        }
        let known = self.entry.rules.iter().filter(|rule| *rule != WHICHEVER);
        for rule in known.filter(|rule| !course.is_closed(rule)).cloned().collect::<Vec<_>>() {
            self.leave_out(&mut course, &rule, Status::Superseded, "the rule does not answer the event any more");
        }
        if course.is_untouched() {
            let message = "the rules that answer the event by now are others than those that it was accepted for";
            self.leave_out(&mut course, "", Status::Superseded, message);
        }
        Ok(course)
    }

    /// Begin what comes next, or say why not.
    async fn turn(&self, course: &mut Course, task: &Task<'_>) -> Result<(), Left> {
        let Task { generation, rule, action, .. } = *task;
        let actionner = generation.actionners.get(&action.actionner);
        if !course.take_turn()
            && let Some(away) = actionner.and_then(|actionner| away_from(generation, actionner, action))
        {
            self.wait_for(away).await?;
            course.give_turn();
            // The rules may have changed meanwhile.
            return Ok(());
        }
        if course.is_first(&rule.name) {
            for response in self.answered() {
                report_match(&self.shared.reporting, response.event(), rule, &response.trace_id);
                response.trace.matched(response.event(), rule);
            }
        }
        let was_live = self.entry.rules.contains(&rule.name);
        let left_out = if was_live && rule.dry_run {
            Some((Status::Superseded, "the rule only rehearses by now".to_owned()))
        } else if was_live && is_protected(generation, rule, self.event()) {
            Some((Status::Superseded, "the policy protects the namespace by now".to_owned()))
        } else {
            self.too_old(rule).map(|message| (Status::Expired, message))
        };
        match left_out {
            Some((status, message)) => {
                self.leave_out(course, &rule.name, status, &message);
                Ok(())
            }
            None => self.attempt(course, task).await,
        }
    }

    /// Whether a rule that changes something did not answer the event when it was accepted.
    fn is_new(&self, generation: &Generation, rule: &Rule) -> bool {
        let is_known = self.entry.rules.iter().any(|known| *known == rule.name || known == WHICHEVER);
        !is_known && is_live(generation, rule, self.event())
    }

    fn too_old(&self, rule: &Rule) -> Option<String> {
        let (age, most) = (self.entry.received.elapsed(), rule.max_age.or(self.shared.max_age)?);
        let (age_s, most_s) = (age.as_secs(), most.as_secs());
        (age > most)
            .then(|| format!("the event came {age_s} s ago, and an action of the rule may begin within {most_s} s"))
    }

    /// One attempt, which may end the step.
    async fn attempt(&self, course: &mut Course, task: &Task<'_>) -> Result<(), Left> {
        let Task { generation, rule, action, hash } = *task;
        let number = course.number();
        let actionner = generation.actionners.get(&action.actionner);
        let is_repeatable = actionner.is_some_and(|actionner| actionner.description.repeatable);
        let current = course.begun(rule, action, hash, is_repeatable);
        if std::mem::take(&mut current.is_interrupted) && !current.is_repeatable {
            let message = "the process ended while the action ran; it may have been carried out".to_owned();
            self.end(course, task, Answer::without_report(Status::Unknown, message), Duration::ZERO).await;
            return Ok(());
        }
        let rest = std::mem::take(&mut current.rest);
        if !rest.is_zero() {
            // The rules may change meanwhile.
            return self.rest(rest).await;
        }
        // Before the store hears that it runs: one that waits is not what ends the process.
        let _alone = match self.entry.crashes {
            0 => None,
            _ => self.shared.suspects.acquire().await.ok(),
        };
        // Nor does one that waits for a place, which can take long.
        let entered = match actionner {
            Some(actionner) => Some(actionner.enter().await),
            None => None,
        };
        if self.is_other_by_now(generation, rule) {
            course.withdraw();
            return Ok(());
        }
        current.attempts += 1;
        let step = Step { rule: rule.name.clone(), action: action.name.clone(), hash, is_repeatable };
        let (attempts, learnt) = (current.attempts, std::mem::take(&mut current.learnt));
        self.begin(number, &step, attempts).await?;
        // It may have taken long to write that.
        if self.is_other_by_now(generation, rule) {
            current.attempts -= 1;
            current.learnt = learnt;
            self.attempted(number, current, String::new());
            return Ok(());
        }
        let began = Instant::now();
        let (entry, trace_id, calls) = (&*self.entry, &*self.trace_id, &current.calls.clone());
        let attempt = Attempt { entry, trace_id, trace: &self.trace, generation, rule, action, learnt: &learnt, calls };
        let Tried { result, learnt, away, asked_to_wait } = attempt.run(&self.shared, entered).await;
        let took = began.elapsed();
        current.learnt = learnt;
        let Some(result) = result else {
            // It did not begin at all.
            current.attempts -= 1;
            self.attempted(number, current, String::new());
            return Ok(());
        };
        if let Err(error) = &result
            && error.may_be_tried_again(is_repeatable)
        {
            current.was_unknown |= error.is_unknown();
            let message = error.to_string();
            self.trace.failed(&message);
            // While the other side is away, neither time nor attempts count.
            if away.is_some_and(|away| away.is_open()) {
                current.attempts -= 1;
                self.attempted(number, current, message);
                self.shared.reporting.metrics.retried(&action.actionner);
                return Ok(());
            }
            let pause = pause(self.shared.retry, attempts).max(asked_to_wait);
            current.tried += took + pause;
            if self.may_go_on(&action.retry, attempts, current.tried) {
                current.rest = pause;
                self.attempted(number, current, message);
                current.rest = Duration::ZERO;
                self.shared.reporting.metrics.retried(&action.actionner);
                return self.rest(pause).await;
            }
        }
        let answer = Answer::of(result);
        // What nothing was left to be done of may be what the attempt before has done.
        let answer = if current.was_unknown { answer.after_unknown() } else { answer };
        let answer = Answer { uid: uid_of_pod(&self.entry.event, &current.learnt), ..answer };
        self.end(course, task, answer, took).await;
        Ok(())
    }

    /// Wait until a server that is away may be tried, where there is a place to wait in.
    async fn wait_for(&self, away: Circuit) -> Result<(), Left> {
        let Some(_place) = self.shared.away.place(&away) else { return Err(Left::Away(away)) };
        let mut stopping = self.shared.stopping.clone();
        tokio::select! {
            () = away.ready() => Ok(()),
            _ = stopping.wait_for(|is_stopping| *is_stopping) => Err(Left::Stopped),
        }
    }

    /// Whether it has to be asked anew what may begin.
    fn is_other_by_now(&self, generation: &Arc<Generation>, rule: &Rule) -> bool {
        let is_in_force = Arc::ptr_eq(&self.shared.generation.load(), generation);
        !is_in_force || *self.shared.stopping.borrow() || self.too_old(rule).is_some()
    }

    /// Say in the store how far a step came that may be tried again.
    fn attempted(&self, number: u32, current: &Current, message: String) {
        let Current { attempts, tried, learnt, rest, was_unknown, .. } = current;
        let learnt = (*learnt != Uids::default()).then(|| learnt.to_string());
        let (attempts, tried, rest, was_unknown) = (*attempts, *tried, *rest, *was_unknown);
        let attempted = Attempted { attempts, tried, rest, message, learnt, was_unknown };
        for response in self.answered() {
            self.shared.store.attempted(response.entry.id, number, attempted.clone());
        }
    }

    /// Say in the store that an attempt begins, and wait until that is synced where it must not be made twice; or where
    /// it may be what ends the process.
    async fn begin(&self, number: u32, step: &Step, attempts: u32) -> Result<(), Closed> {
        let store = &self.shared.store;
        for response in self.others.iter().chain(iter::once(self)) {
            let id = response.entry.id;
            // The last of them is synced with those before.
            let is_last = std::ptr::eq(response, self);
            if is_last && (!step.is_repeatable || self.entry.crashes > 0 || self.entry.is_again) {
                store.begin_synced(id, number, step, attempts).await?;
            } else {
                store.begin(id, number, step, attempts);
            }
        }
        Ok(())
    }

    fn may_go_on(&self, retry: &rules::Retry, attempts: u32, tried: Duration) -> bool {
        let attempts_max = retry.attempts.map_or(self.shared.retry.attempts_max, usize::from);
        let is_one_left = usize::try_from(attempts).is_ok_and(|attempts| attempts < attempts_max);
        is_one_left && tried <= retry.within.unwrap_or(self.shared.retry.within)
    }

    /// Wait, unless nothing is begun any more.
    async fn rest(&self, pause: Duration) -> Result<(), Left> {
        let mut stopping = self.shared.stopping.clone();
        tokio::select! {
            () = sleep(pause) => Ok(()),
            // Nobody is left to say so once the pipeline is gone, and this with it.
            _ = stopping.wait_for(|is_stopping| *is_stopping) => Err(Left::Stopped),
        }
    }
}

/// The uid of the pod that an event names, where an attempt has found it.
fn uid_of_pod(event: &Event, learnt: &Uids) -> Option<String> {
    let ObjectName { namespace, name } = event.pod()?;
    let (namespace, name) = (Some(namespace.to_owned()), name.to_owned());
    let pod = ObjectId { group: String::new(), resource: "pods".to_owned(), namespace, name };
    learnt.get(&pod).map(str::to_owned)
}
