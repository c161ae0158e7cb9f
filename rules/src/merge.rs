//! Folds blocks of one name together, lets rules inherit from action blocks, and checks each rule
//! as far as that is possible without knowing what there is to use.
//!
//! The first block of a name keeps its place. A later one overrides its texts and switches, adds to
//! its lists, and overrides the actions that it names again. An entry of a rule's `actions` stands
//! to the action block of its name as a later block to an earlier one; only its contexts, where it
//! has any, replace those of the block.

use std::collections::HashMap;
use std::sync::Arc;

use crate::block::{ActionBlock, Block, MatchBlock, OutputBlock, RuleBlock, Text};
use crate::diagnostic::{Context, Findings};
use crate::yaml::{Content, Entry, Node};
use crate::{ActionnerName, nearest};

/// The rules of all blocks, in the order in which their names came up first.
pub(crate) fn merge(blocks: impl Iterator<Item = Block>, findings: &mut Findings) -> Vec<RuleBlock> {
    let mut actions = Named::<ActionBlock>::default();
    let mut rules = Named::<RuleBlock>::default();
    for block in blocks {
        match block {
            Block::Action(block) => {
                let context = Context::default().action(block.name.as_str());
                actions.fold(block.name.value.clone(), block, |base, later| {
                    override_action(base, later, &context, findings);
                });
            }
            Block::Rule(block) => {
                let context = Context::rule(block.name.as_str());
                rules.fold(block.name.value.clone(), block, |base, later| {
                    override_rule(base, later, &context, findings);
                });
            }
        }
    }
    for rule in &mut rules.list {
        let context = Context::rule(rule.name.as_str());
        for action in &mut rule.actions {
            if let Some(block) = actions.get(&action.name.value) {
                inherit(action, block, &context.action(action.name.as_str()), findings);
            }
        }
        check_rule(rule, &actions, &context, findings);
    }
    rules.list
}

/// Blocks by name, in the order of their first appearance.
struct Named<T> {
    list: Vec<T>,
    by_name: HashMap<Arc<str>, usize>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named { list: Vec::new(), by_name: HashMap::new() }
    }
}

impl<T> Named<T> {
    fn fold(&mut self, name: Arc<str>, block: T, fold: impl FnOnce(&mut T, T)) {
        if let Some(index) = self.by_name.get(&name) {
            fold(&mut self.list[*index], block);
        } else {
            self.by_name.insert(name, self.list.len());
            self.list.push(block);
        }
    }

    fn get(&self, name: &str) -> Option<&T> {
        self.by_name.get(name).map(|index| &self.list[*index])
    }
}

fn override_rule(base: &mut RuleBlock, later: RuleBlock, context: &Context, findings: &mut Findings) {
    base.description = later.description.or(base.description.take());
    base.continues = later.continues.or(base.continues);
    base.dry_run = later.dry_run.or(base.dry_run);
    base.max_age = later.max_age.or(base.max_age);
    extend_texts(&mut base.notifiers, later.notifiers);
    override_criteria(&mut base.criteria, later.criteria);
    base.has_broken_actions |= later.has_broken_actions;

    // Within one block a name may stand twice, which is two runs. A later block that names it
    // overrides the runs one by one, and adds those that it has more of.
    let mut seen = HashMap::<Arc<str>, usize>::new();
    for action in later.actions {
        let nth = seen.entry(Arc::clone(&action.name.value)).or_default();
        let mut same = base.actions.iter_mut().filter(|known| known.name.value == action.name.value);
        let known = same.nth(*nth);
        *nth += 1;
        match known {
            Some(known) => override_action(known, action.clone(), &context.action(action.name.as_str()), findings),
            None => base.actions.push(action),
        }
    }
}

fn override_criteria(base: &mut MatchBlock, later: MatchBlock) {
    extend_texts(&mut base.rules, later.rules);
    base.output_fields.extend(later.output_fields);
    base.tags.extend(later.tags);
    // A later block that says nothing of these must not turn a filter off.
    base.priority = later.priority.or(base.priority.take());
    base.source = later.source.or(base.source.take());
}

fn override_action(base: &mut ActionBlock, mut later: ActionBlock, context: &Context, findings: &mut Findings) {
    let mut contexts = std::mem::take(&mut base.additional_contexts);
    extend_texts(&mut contexts, std::mem::take(&mut later.additional_contexts));
    later.additional_contexts = contexts;
    let at = base.at.clone();
    inherit(&mut later, base, context, findings);
    *base = ActionBlock { at, ..later };
}

/// Fills in what an entry leaves open from the block of its name.
fn inherit(entry: &mut ActionBlock, block: &ActionBlock, context: &Context, findings: &mut Findings) {
    entry.description = entry.description.take().or_else(|| block.description.clone());
    entry.actionner = entry.actionner.take().or_else(|| block.actionner.clone());
    entry.continues = entry.continues.or(block.continues);
    entry.ignore_errors = entry.ignore_errors.or(block.ignore_errors);
    entry.retry = entry.retry.or(block.retry);
    if entry.additional_contexts.is_empty() {
        entry.additional_contexts.clone_from(&block.additional_contexts);
    }
    let own = entry.parameters.take();
    entry.parameters = overlay(block.parameters.clone(), own, context, findings);
    entry.output = match (entry.output.take(), block.output.clone()) {
        (Some(own), Some(block)) => Some(inherit_output(own, block, context, findings)),
        (own, block) => own.or(block),
    };
}

fn inherit_output(own: OutputBlock, block: OutputBlock, context: &Context, findings: &mut Findings) -> OutputBlock {
    // Parameters for one target mean nothing to another, so they go where the new one has its own.
    let name = |output: &OutputBlock| output.target.as_ref().map(|target| target.value.clone());
    let is_other = own.target.is_some() && name(&own) != name(&block);
    let inherited = block.parameters.filter(|_| !is_other || own.parameters.is_none());
    let target = own.target.or(block.target);
    let context = target.as_ref().map_or(context.clone(), |target| context.output(target.as_str()));
    OutputBlock { at: own.at, target, parameters: overlay(inherited, own.parameters, &context, findings) }
}

/// Lays the parameters of one block over those of another.
fn overlay(base: Option<Node>, over: Option<Node>, context: &Context, findings: &mut Findings) -> Option<Node> {
    match (base, over) {
        (Some(base), Some(over)) => Some(overlay_node(base, over, true, context, findings)),
        (base, over) => over.or(base),
    }
}

/// A scalar replaces a scalar, a list is added to a list, a map is laid over a map, null changes
/// nothing. Where the kinds differ the upper one wins, and that is reported.
fn overlay_node(base: Node, over: Node, is_top: bool, context: &Context, findings: &mut Findings) -> Node {
    if over.is_null() {
        return base;
    }
    let base_is_null = base.is_null();
    match (base.content, over.content) {
        (Content::List(mut items), Content::List(added)) => {
            items.extend(added);
            Node { at: over.at, content: Content::List(items) }
        }
        (Content::Map(mut entries), Content::Map(added)) => {
            for entry in added {
                // Parameters are found in any letter case; names of labels are not.
                let is_same =
                    |known: &&mut Entry| known.key == entry.key || is_top && known.key.eq_ignore_ascii_case(&entry.key);
                match entries.iter_mut().find(is_same) {
                    Some(known) => {
                        let base = known.value.clone();
                        known.value = overlay_node(base, entry.value, false, context, findings);
                        known.at = entry.at;
                    }
                    None => entries.push(entry),
                }
            }
            Node { at: over.at, content: Content::Map(entries) }
        }
        (base, content) => {
            let over = Node { at: over.at, content };
            let is_scalar = |content: &Content| matches!(content, Content::Scalar(_));
            let replaces = base_is_null || is_scalar(&base) && is_scalar(&over.content);
            if !replaces {
                let message = "mismatch of type for a parameter; this value replaces that of the block";
                findings.warn(context, Some(&over.at), message);
            }
            over
        }
    }
}

fn extend_texts(base: &mut Vec<Text>, later: Vec<Text>) {
    for text in later {
        if !base.iter().any(|known| known.value == text.value) {
            base.push(text);
        }
    }
}

fn check_rule(rule: &RuleBlock, blocks: &Named<ActionBlock>, context: &Context, findings: &mut Findings) {
    if rule.actions.is_empty() && !rule.has_broken_actions {
        findings.error(context, Some(&rule.name.at), "no action specified");
    }
    for action in &rule.actions {
        let context = context.action(action.name.as_str());
        let Some(actionner) = &action.actionner else {
            let hint = missing_actionner_hint(action.name.as_str(), blocks);
            let message = format!("missing actionner{hint}");
            findings.error(&context, Some(&action.name.at), message);
            continue;
        };
        let context = context.actionner(actionner.as_str());
        if let Err(error) = actionner.as_str().parse::<ActionnerName>() {
            findings.error(&context, Some(&actionner.at), format!("incorrect actionner; {error}"));
        }
        check_output(action, &context, findings);
    }
}

fn missing_actionner_hint(action: &str, blocks: &Named<ActionBlock>) -> String {
    if blocks.get(action).is_some() {
        return "; the action block of this name has none either".to_owned();
    }
    let names = blocks.list.iter().map(|block| block.name.as_str());
    format!("; no action block has this name{}", nearest::suggestion(action, names))
}

fn check_output(action: &ActionBlock, context: &Context, findings: &mut Findings) {
    let Some(output) = &action.output else {
        return;
    };
    let Some(target) = &output.target else {
        findings.error(context, Some(&output.at), "missing 'target' for the output");
        return;
    };
    let has_parameters = output
        .parameters
        .as_ref()
        .is_some_and(|node| matches!(&node.content, Content::Map(entries) if !entries.is_empty()));
    if !has_parameters {
        let context = Context { output_target: Some(target.as_str().to_owned()), ..context.clone() };
        findings.error(&context, Some(&target.at), "missing 'parameters' for the output");
    }
}
