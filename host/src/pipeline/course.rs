//! How far the answer to one event has come, in this life of the process and in those before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use policy::Uids;
use rules::{Action, Rule};

use super::ended::Status;
use super::plan::{Next, hash, next_of};
use crate::generation::Generation;
use crate::store::{Outcome, Progress, StepHash};
use crate::telemetry::Calls;

/// How far the answer to one event has come.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The steps that have ended, in the order of their numbers.
    ended: Vec<Ended>,
    /// The step that was begun and has not ended.
    current: Option<Current>,
    /// Rules of which nothing more comes.
    closed: BTreeSet<String>,
    /// Rules whose match was reported.
    matched: BTreeSet<String>,
    /// Why a person may want to know of it.
    reason: Option<String>,
    /// Whether it is its turn to try a server that is away.
    has_turn: bool,
}

#[derive(Debug)]
struct Ended {
    rule: String,
    hash: StepHash,
    succeeded: bool,
}

/// A step between its first attempt and its end.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) rule: String,
    pub(super) action: String,
    pub(super) hash: StepHash,
    /// Attempts that were begun.
    pub(super) attempts: u32,
    /// For how long it was tried, without the time in which the other side was away.
    pub(super) tried: Duration,
    /// What its attempts have learnt of its target.
    pub(super) learnt: Uids,
    /// How long to wait before the next one, where the process ended meanwhile.
    pub(super) rest: Duration,
    /// Whether nobody knows what became of one of its attempts.
    pub(super) was_unknown: bool,
    /// Whether the process ended during the last one.
    pub(super) is_interrupted: bool,
    pub(super) is_repeatable: bool,
    /// What its attempts in this life of the process have asked of the host.
    pub(super) calls: Calls,
}

/// What is to be done now.
pub(super) enum Turn {
    /// This action of this rule, by its place among those of the rule.
    Act(Arc<Rule>, usize, StepHash),
    /// Nothing more of the rule of this name, which does not ask any more for what was begun for it.
    Supersede(String),
    /// Nothing.
    End,
}

impl Course {
    /// What was done until the process last ended.
    pub(super) fn of(progress: &[Progress]) -> Self {
        let mut course = Self::default();
        for Progress { step, attempts, is_running, tried, learnt, was_unknown, rest, status, is_last } in progress {
            course.matched.insert(step.rule.clone());
            let Some(status) = status else {
                course.current = Some(Current {
                    rule: step.rule.clone(),
                    action: step.action.clone(),
                    hash: step.hash,
                    attempts: *attempts,
                    tried: *tried,
                    learnt: learnt.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default(),
                    was_unknown: *was_unknown || *is_running,
                    rest: *rest,
                    is_interrupted: *is_running,
                    is_repeatable: step.is_repeatable,
                    calls: Calls::default(),
                });
                continue;
            };
            let succeeded = [Status::Success, Status::Ignored].iter().any(|success| success.as_str() == status);
            if !succeeded {
                course.note(&format!("{}: {status}", step.action));
            }
            course.ended.push(Ended { rule: step.rule.clone(), hash: step.hash, succeeded });
            if *is_last {
                course.closed.insert(step.rule.clone());
            }
        }
        course
    }

    /// What comes next under these rules, which answer the event now.
    ///
    /// A rule that `is_new` begins nothing: it may be one of those before under another name.
    pub(super) fn next(
        &mut self,
        generation: &Generation,
        rules: &[Arc<Rule>],
        is_new: impl Fn(&Rule) -> bool,
    ) -> Turn {
        let rule = rules.iter().find_map(|rule| {
            let is_over = self.closed.contains(&rule.name) || is_new(rule);
            let next = if is_over { Next::Nothing } else { self.next_of(generation, rule) };
            match next {
                Next::Nothing => {
                    self.closed.insert(rule.name.clone());
                    None
                }
                next => Some((rule, next)),
            }
        });
        let begun = self.current.as_ref().map(|current| (&current.rule, current.hash));
        match rule {
            Some((rule, Next::Action(at))) => {
                let hash = hash(generation, rule, &rule.actions[at]);
                match begun {
                    Some((begun_for, begun)) if *begun_for != rule.name || begun != hash => {
                        Turn::Supersede(begun_for.clone())
                    }
                    _ => Turn::Act(Arc::clone(rule), at, hash),
                }
            }
            Some((rule, _)) => Turn::Supersede(rule.name.clone()),
            None => begun.map_or(Turn::End, |(rule, _)| Turn::Supersede(rule.clone())),
        }
    }

    fn next_of(&self, generation: &Generation, rule: &Rule) -> Next {
        let ended = self.ended.iter().filter(|ended| ended.rule == rule.name);
        next_of(&rule.actions, ended.map(|ended| (ended.hash, ended.succeeded)), |action| {
            hash(generation, rule, action)
        })
    }

    /// The number of the step that is begun, or comes next.
    pub(super) fn number(&self) -> u32 {
        u32::try_from(self.ended.len()).unwrap_or(u32::MAX)
    }

    /// The step that is begun, be it now.
    pub(super) fn begun(&mut self, rule: &Rule, action: &Action, hash: StepHash, is_repeatable: bool) -> &mut Current {
        self.current.get_or_insert_with(|| Current {
            rule: rule.name.clone(),
            action: action.name.clone(),
            hash,
            attempts: 0,
            tried: Duration::ZERO,
            learnt: Uids::default(),
            was_unknown: false,
            rest: Duration::ZERO,
            is_interrupted: false,
            is_repeatable,
            calls: Calls::default(),
        })
    }

    /// What was to begin does not, where no attempt of it was made.
    pub(super) fn withdraw(&mut self) {
        self.current.take_if(|current| current.attempts == 0);
    }

    /// How what was begun ends where no more of it is made: `status` for this `reason`, but what may have had its effect
    /// is more than that.
    pub(super) fn cut(begun: Option<&Current>, status: Status, reason: &str) -> (Status, String) {
        match begun {
            Some(begun) if begun.was_unknown => {
                (Status::Unknown, format!("{reason}; what was begun of it may have been carried out"))
            }
            _ => (status, reason.to_owned()),
        }
    }

    /// The step that is begun, if one is.
    pub(super) fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    /// The step that comes next or was begun has ended. `succeeded`: so that what the rule asks for next is done.
    /// `is_last`: nothing more comes of its rule.
    pub(super) fn end(&mut self, rule: &str, hash: StepHash, succeeded: bool, is_last: bool) {
        self.current = None;
        if is_last {
            self.closed.insert(rule.to_owned());
        }
        self.ended.push(Ended { rule: rule.to_owned(), hash, succeeded });
    }

    /// Nothing more comes of a rule. Whether a step of it was begun, which has ended with it.
    pub(super) fn close(&mut self, rule: &str) -> bool {
        self.closed.insert(rule.to_owned());
        let Some(current) = self.current.take_if(|current| current.rule == rule) else { return false };
        self.ended.push(Ended { rule: current.rule, hash: current.hash, succeeded: false });
        true
    }

    /// It is its turn to try a server that is away.
    pub(super) fn give_turn(&mut self) {
        self.has_turn = true;
    }

    /// Whether it is its turn, which is over with that.
    pub(super) fn take_turn(&mut self) -> bool {
        std::mem::take(&mut self.has_turn)
    }

    /// Whether nothing more comes of a rule.
    pub(super) fn is_closed(&self, rule: &str) -> bool {
        self.closed.contains(rule)
    }

    /// Whether nothing was done or reported of any rule.
    pub(super) fn is_untouched(&self) -> bool {
        self.matched.is_empty() && self.reason.is_none()
    }

    /// Whether this is the first that is done of a rule.
    pub(super) fn is_first(&mut self, rule: &str) -> bool {
        self.matched.insert(rule.to_owned())
    }

    /// A person may want to know of it, for this reason: the first one counts.
    pub(super) fn note(&mut self, reason: &str) {
        self.reason.get_or_insert_with(|| reason.to_owned());
    }

    /// How the entry ended, and why.
    pub(super) fn outcome(&self) -> (Outcome, &str) {
        match &self.reason {
            Some(reason) => (Outcome::Dead, reason),
            None => (Outcome::Done, ""),
        }
    }
}
