//! What the rules in force would do about an event, without doing it.

use rules::Event;

use super::protocol::Planned;
use crate::generation::Generation;
use crate::pipeline::{answering, is_protected};

/// The rules that answer an event, in their order.
pub(crate) fn planned(generation: &Generation, event: &Event) -> Vec<Planned> {
    let rules = answering(generation, event);
    let planned = rules.iter().map(|rule| Planned {
        rule: rule.name.clone(),
        actions: rule.actions.iter().map(|action| (action.name.clone(), action.actionner.to_string())).collect(),
        dry_run: rule.dry_run,
        is_protected: is_protected(generation, rule, event),
    });
    planned.collect()
}
