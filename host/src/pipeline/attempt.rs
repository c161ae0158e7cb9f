//! One attempt at an action: a call of its actionner.

use std::sync::Arc;
use std::time::Duration;

use outputs::Artifact;
use policy::{Facts, Uids};
use rules::{Action, Rule};

use super::answer::{AttemptError, no_longer_there};
use super::context::{context, missing_fields, refused_target};
use super::shared::Shared;
use super::surroundings::{Asks, surroundings};
use super::trace::Trace;
use crate::actionner::{Actionner, CallError, CallOutput, Entered, Failure, FailureKind, Invocation, Outcome, Report};
use crate::capability::Call;
use crate::clients::Circuit;
use crate::contexts::Values;
use crate::generation::{Generation, contexts_of};
use crate::store::Entry;
use crate::telemetry::Calls;

/// What is tried, for which event, and under which rules.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) entry: &'a Entry,
    pub(super) trace_id: &'a str,
    pub(super) trace: &'a Trace,
    pub(super) generation: &'a Arc<Generation>,
    pub(super) rule: &'a Rule,
    pub(super) action: &'a Action,
    /// The objects that the attempts before have found.
    pub(super) learnt: &'a Uids,
    /// Where it is noted what is asked of the host.
    pub(super) calls: &'a Calls,
}

/// What came of an attempt.
pub(super) struct Tried {
    /// None where nothing was done, and the rules have changed meanwhile.
    pub(super) result: Option<Result<(Outcome, Vec<Artifact>), AttemptError>>,
    /// The objects that were found by now.
    pub(super) learnt: Uids,
    /// A server that could not be reached.
    pub(super) away: Option<Circuit>,
    /// How long a server has asked to wait.
    pub(super) asked_to_wait: Duration,
}

impl Tried {
    /// Where no server had a part in it.
    fn without_server(result: Option<Result<(Outcome, Vec<Artifact>), AttemptError>>, learnt: Uids) -> Self {
        Self { result, learnt, away: None, asked_to_wait: Duration::ZERO }
    }
}

impl Attempt<'_> {
    /// Have an action done for an event, in the instance of a component that lives for this attempt, and in the place
    /// that was waited for.
    pub(super) async fn run(self, shared: &Shared, entered: Option<Result<Entered, CallError>>) -> Tried {
        let Self { entry, trace, generation, rule, action, learnt, .. } = self;
        let without_call = |result| Tried::without_server(Some(result), learnt.clone());
        let Some(actionner) = generation.actionners.get(&action.actionner) else {
            let message = format!("unknown actionner '{}'", action.actionner);
            trace.checked(rule, Some(&message));
            return without_call(Err(AttemptError::failed(message)));
        };
        let required = &actionner.description.required_fields;
        if let Some(message) = refused_target(&entry.event, required) {
            trace.checked(rule, Some(&message));
            let report = Report { message, objects: Vec::new(), details: None };
            return without_call(Ok((Outcome::Ignored(report), Vec::new())));
        }
        if let Some(missing) = missing_fields(&entry.event, required) {
            trace.checked(rule, Some(&missing));
            return without_call(Err(AttemptError::failed(missing)));
        }
        trace.checked(rule, None);
        let Self { trace_id, .. } = self;
        let (contexts, clients) = (contexts_of(action, actionner), &generation.clients);
        let asks = Asks { event: &entry.event, rule, action, trace_id, trace };
        match surroundings(shared, clients, contexts, asks).await {
            Ok(asked) => self.call(shared, actionner, entered, &asked).await,
            Err(lack) => Tried { away: lack.away, ..without_call(Err(AttemptError::Failed(*lack.failure))) },
        }
    }

    /// Call the actionner, anew where another changes the same object: then nothing was done yet.
    async fn call(
        self,
        shared: &Shared,
        actionner: &Actionner,
        mut entered: Option<Result<Entered, CallError>>,
        asked: &[Arc<Values>],
    ) -> Tried {
        let Self { entry, trace_id, trace, generation, rule, action, learnt, calls } = self;
        let parent = trace.acts(rule, action);
        let invocation = Invocation {
            event: entry.event.to_json(),
            parameters: action.parameters.to_string(),
            context: context(rule, action, entry.uid, actionner.grants().own_namespace.as_deref(), asked).to_string(),
            trace_id: trace_id.to_owned(),
        };
        let mut learnt = learnt.clone();
        let mut flight = shared.flights.begin();
        loop {
            let call = Call::new(
                actionner.grants().clone(),
                Facts::of(&entry.event).expecting(&learnt),
                rule.dry_run,
                trace_id.to_owned(),
                generation.clients.clone(),
                shared.room.clone(),
                shared.reporting.clone(),
            );
            let entered = match entered.take() {
                Some(entered) => entered,
                None => actionner.enter().await,
            };
            let end = match entered {
                Ok(entered) => {
                    actionner.call_in(entered, &invocation, call.noted_in(calls).below(parent).on(flight)).await
                }
                Err(error) => Err(error),
            };
            match end {
                Err(CallError::Busy { busy, learnt: so_far }) => {
                    learnt = so_far;
                    flight = busy.free().await;
                    // An action begins under the rules of that moment.
                    if !Arc::ptr_eq(generation, &shared.generation.load()) {
                        return Tried::without_server(None, learnt);
                    }
                }
                Ok(output) => {
                    let (learnt, away, asked_to_wait) =
                        (output.learnt.clone(), output.away.clone(), output.asked_to_wait);
                    return Tried { result: Some(result_of(output)), learnt, away, asked_to_wait };
                }
                Err(error) => return Tried::without_server(Some(Err(error.into())), learnt),
            }
        }
    }
}

fn result_of(output: CallOutput) -> Result<(Outcome, Vec<Artifact>), AttemptError> {
    let CallOutput { result, has_unknown_end, was_denied, artifacts, replaced, .. } = output;
    match (result, replaced) {
        (Ok(outcome), _) => Ok((outcome, artifacts)),
        // Where nobody knows what a write did, that is what has to be said.
        (Err(failure), Some(object)) if !has_unknown_end => Ok((no_longer_there(&object, failure), Vec::new())),
        // What the client knows of the writes counts more than what the actionner makes of it.
        (Err(failure), _) if has_unknown_end && failure.kind == FailureKind::Unavailable => {
            Err(AttemptError::Failed(Failure { kind: FailureKind::Unknown, ..failure }))
        }
        (Err(failure), _) if was_denied && failure.kind != FailureKind::Unknown => Err(AttemptError::Denied(failure)),
        (Err(failure), _) => Err(AttemptError::Failed(failure)),
    }
}
