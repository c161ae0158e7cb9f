//! The contexts that an action's rule asks for, looked up before the action begins.
//!
//! An action does not run without what its rule asks for: it is tried again where that may be there later, and fails
//! where it will not be. With `ignore_errors` it runs all the same, without.

use std::sync::Arc;

use rules::{Action, Event, Rule};

use super::shared::Shared;
use super::trace::Trace;
use crate::actionner::{Failure, FailureKind};
use crate::clients::{Circuit, Clients};
use crate::contexts::{ContextError, ContextName, Found, Values};
use crate::telemetry::logs::Level;

/// A context that is not there.
pub(super) struct Lack {
    pub(super) failure: Box<Failure>,
    /// A server that could not be reached.
    pub(super) away: Option<Circuit>,
}

/// What asks for contexts.
#[derive(Clone, Copy)]
pub(super) struct Asks<'a> {
    pub(super) event: &'a Event,
    pub(super) rule: &'a Rule,
    pub(super) action: &'a Action,
    pub(super) trace_id: &'a str,
    pub(super) trace: &'a Trace,
}

/// What is known of these contexts, in their order.
pub(super) async fn surroundings(
    shared: &Shared,
    clients: &Clients,
    contexts: impl Iterator<Item = ContextName>,
    asks: Asks<'_>,
) -> Result<Vec<Arc<Values>>, Lack> {
    let Asks { event, rule, action, trace, .. } = asks;
    let mut known = Vec::new();
    for context in contexts {
        let Found { result, away } = shared.contexts.find(context, event, clients).await;
        match result {
            Ok(values) => {
                trace.added(rule, context.as_str(), Ok(&values));
                known.push(values);
            }
            Err(error) => {
                trace.added(rule, context.as_str(), Err(&error.to_string()));
                report(shared, context, &error, asks);
                if !action.ignore_errors {
                    let kind = if error.is_temporary() { FailureKind::Unavailable } else { FailureKind::Other };
                    let message = format!("no context '{}': {error}", context.as_str());
                    return Err(Lack {
                        failure: Box::new(Failure { kind, message, objects: Vec::new(), details: None }),
                        away,
                    });
                }
            }
        }
    }
    Ok(known)
}

fn report(shared: &Shared, context: ContextName, error: &ContextError, asks: Asks<'_>) {
    let Asks { event, action, trace_id, .. } = asks;
    let Some(others) = shared.contexts.admit() else { return };
    let error = error.in_full();
    shared
        .reporting
        .logger
        .line(Level::Error, "context")
        .error(&error)
        .field("context", context.as_str())
        .field("action", &action.name)
        .field("actionner", &action.actionner)
        // That of Falco, as the original has it.
        .field("rule", &event.rule)
        .field("result", &others)
        .field("trace_id", trace_id)
        .write();
}
