//! One attempt at an action: a call of its actionner.

use std::sync::Arc;

use outputs::Artifact;
use policy::Facts;
use rules::{Action, Rule};

use super::answer::{AttemptError, no_longer_there};
use super::context::{context, missing_fields, refused_target};
use super::shared::Shared;
use crate::actionner::{CallOutput, Failure, FailureKind, Invocation, Outcome, Report};
use crate::capability::Call;
use crate::generation::Generation;
use crate::store::Entry;

/// Have an action done for an event, in the instance of a component that lives for this attempt.
pub(super) async fn attempt(
    shared: &Shared,
    entry: &Entry,
    trace_id: &str,
    generation: &Arc<Generation>,
    rule: &Rule,
    action: &Action,
) -> Result<(Outcome, Vec<Artifact>), AttemptError> {
    let event = &entry.event;
    let Some(actionner) = generation.actionners.get(&action.actionner) else {
        return Err(AttemptError::failed(format!("unknown actionner '{}'", action.actionner)));
    };
    let required = &actionner.description.required_fields;
    if let Some(message) = refused_target(event, required) {
        return Ok((Outcome::Ignored(Report { message, objects: Vec::new(), details: None }), Vec::new()));
    }
    if let Some(missing) = missing_fields(event, required) {
        return Err(AttemptError::failed(missing));
    }
    let invocation = Invocation {
        event: event.to_json(),
        parameters: action.parameters.to_string(),
        context: context(rule, action, entry.uid, actionner.grants().own_namespace.as_deref()).to_string(),
        trace_id: trace_id.to_owned(),
    };
    let call = Call::new(
        actionner.grants().clone(),
        Facts::of(event),
        rule.dry_run,
        trace_id.to_owned(),
        generation.clients.clone(),
        shared.room.clone(),
        shared.reporting.clone(),
    );
    let CallOutput { result, has_unknown_end, artifacts, replaced } = actionner.call(&invocation, call).await?;
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
