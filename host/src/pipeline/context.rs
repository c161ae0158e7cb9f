//! What an action is called with besides its event.

use std::sync::Arc;

use rules::{Action, Event, Rule};
use serde_json::{Map, Value, json};

use crate::contexts::Values;

/// The fields by which an audit event names the object of its request.
const AUDIT_TARGET: &str = "ka.target.";

/// Says what is missing, unless the event carries one of the sets whole.
pub(super) fn missing_fields(event: &Event, sets: &[Vec<String>]) -> Option<String> {
    let carried = |set: &Vec<String>| set.iter().all(|field| event.text(field).is_some());
    if sets.is_empty() || sets.iter().any(carried) {
        return None;
    }
    let sets: Vec<String> = sets.iter().map(|set| set.join(" and ")).collect();
    Some(format!("missing output fields: the event must carry {}", sets.join(", or ")))
}

/// Says why there is nothing to respond to: what the event names is the object of a request that the API server
/// refused, so that nothing was done to it. An action that asks for no fields, or finds others, is not concerned.
pub(super) fn refused_target(event: &Event, sets: &[Vec<String>]) -> Option<String> {
    let refused = event.refused_request()?;
    let is_otherwise =
        |set: &Vec<String>| set.iter().all(|field| !field.starts_with(AUDIT_TARGET) && event.text(field).is_some());
    if sets.is_empty() || sets.iter().any(is_otherwise) {
        return None;
    }
    Some(format!("the API server refused the request ({refused}): what it names is no target"))
}

/// The context that every action gets, under the keys of Falco Talon, beside what its rule asks for.
pub(super) fn context(
    rule: &Rule,
    action: &Action,
    uid: u128,
    own_namespace: Option<&str>,
    asked: &[Arc<Values>],
) -> Value {
    let asked = asked.iter().flat_map(|values| values.iter());
    let mut context: Map<String, Value> = asked.map(|(key, value)| ((*key).to_owned(), value.clone().into())).collect();
    let mut add = |key: &str, value: String| {
        context.insert(format!("falco-talon.{key}"), value.into());
    };
    add("event.uid", format!("{uid:032x}"));
    add("rule", rule.name.clone());
    add("action", action.name.clone());
    add("actionner", action.actionner.to_string());
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
