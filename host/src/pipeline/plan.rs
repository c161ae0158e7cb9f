//! What the rules in force ask for in answer to an event, and what of it comes next.
//!
//! Rules can change while an event waits, and between two of its actions. So what comes next is asked anew each time,
//! of the rules that are in force then and what was done until then; and what was done is known by its hash, so that it
//! is the same only where its parameters and its component are.

use std::sync::Arc;

use ring::digest;
use rules::{Action, Event, Rule};

use crate::generation::Generation;
use crate::store::StepHash;

/// The rules of `generation` that answer an event, up to the one that says that it is the last.
pub(crate) fn answering(generation: &Generation, event: &Event) -> Vec<Arc<Rule>> {
    let mut rules = Vec::new();
    for rule in generation.rules.matching(event) {
        rules.push(Arc::clone(rule));
        if !rule.continues {
            break;
        }
    }
    rules
}

/// Whether the policy in force refuses all writes of a rule, since the event is about a protected namespace.
pub(crate) fn is_protected(generation: &Generation, rule: &Rule, event: &Event) -> bool {
    let Some(namespace) = event.pod().map(|pod| pod.namespace) else { return false };
    let actionners = rule.actions.iter().filter_map(|action| generation.actionners.get(&action.actionner));
    let mut protected = actionners.flat_map(|actionner| actionner.grants().protected_namespaces.iter());
    protected.any(|pattern| pattern.matches(namespace))
}

/// Whether a rule may change something in answer to an event.
pub(crate) fn is_live(generation: &Generation, rule: &Rule, event: &Event) -> bool {
    !rule.dry_run && !is_protected(generation, rule, event)
}

/// What an action does: equal where its rule, its parameters and its component are.
pub(super) fn hash(generation: &Generation, rule: &Rule, action: &Action) -> StepHash {
    let mut context = digest::Context::new(&digest::SHA256);
    let component = generation.actionners.get(&action.actionner).map(|actionner| actionner.digest.as_str());
    let parameters = action.parameters.to_string();
    let texts = [&rule.name, &action.name, action.actionner.as_str(), &*parameters, component.unwrap_or_default()];
    for text in texts {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    context.update(&[u8::from(rule.dry_run)]);
    let mut hash = StepHash::default();
    hash.copy_from_slice(&context.finish().as_ref()[..16]);
    hash
}

/// What comes next for a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This action of it, counted from 0.
    Action(usize),
    /// Nothing more.
    Nothing,
    /// What was done is not what it says.
    Changed,
}

/// Whether a rule goes on after an action that ended like this, where it has another one.
pub(super) fn goes_on(action: &Action, succeeded: bool) -> bool {
    (succeeded || action.ignore_errors) && action.continues
}

/// What comes next for a rule after these steps of its, where `hash` tells what each of its actions does.
pub(super) fn next_of(
    actions: &[Action],
    ended: impl IntoIterator<Item = (StepHash, bool)>,
    hash: impl Fn(&Action) -> StepHash,
) -> Next {
    let mut ended = ended.into_iter();
    for (at, action) in actions.iter().enumerate() {
        let Some((done, succeeded)) = ended.next() else { return Next::Action(at) };
        if done != hash(action) {
            return Next::Changed;
        }
        if !goes_on(action, succeeded) {
            return Next::Nothing;
        }
    }
    if ended.next().is_some() { Next::Changed } else { Next::Nothing }
}
