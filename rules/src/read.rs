//! From the tree of a file to blocks: which keys there are, and what types they have.

mod criteria;
mod fields;

use crate::block::{ActionBlock, Block, OutputBlock, RuleBlock, Text};
use crate::diagnostic::{Context, Findings};
use crate::yaml::{Content, Entry, Node};
use crate::{Retry, Rule, Source, yaml};

use fields::{Elsewhere, Fields, wrong_syntax};

const ACTION_KEYS: [&str; 9] = [
    "action",
    "description",
    "actionner",
    "parameters",
    "continue",
    "ignore_errors",
    "retry",
    "additional_contexts",
    "output",
];
const RETRY_KEYS: [&str; 2] = ["attempts", "within"];
const RETRY_OF_ACTION: Elsewhere = ("'retry' of an action", &RETRY_KEYS);
const OUTPUT_KEYS: [&str; 2] = ["target", "parameters"];
const RULE_KEYS: [&str; 8] = ["rule", "description", "continue", "dry_run", "max_age", "notifiers", "match", "actions"];

/// The blocks of a file in their order; nothing if the file is not YAML.
pub(crate) fn blocks(source: &Source, findings: &mut Findings) -> Option<Vec<Block>> {
    let (documents, errors) = yaml::documents(&source.path, &source.text);
    for error in errors {
        let message = wrong_syntax(&source.path, &error.message);
        findings.error(&Context::default(), Some(&error.at), message);
    }
    let mut blocks = Vec::new();
    for document in documents? {
        if document.is_null() {
            continue;
        }
        let Content::List(elements) = document.content else {
            let text = "a rule file is a list of blocks that begin with '- action:' or '- rule:'";
            let message = wrong_syntax(&document.at.file, text);
            findings.error(&Context::default(), Some(&document.at), message);
            continue;
        };
        blocks.extend(elements.into_iter().filter_map(|element| block(&element, findings)));
    }
    Some(blocks)
}

fn block(element: &Node, findings: &mut Findings) -> Option<Block> {
    let has = |key: &str| element.get(key).is_some();
    let text = match (&element.content, has("action"), has("rule")) {
        (Content::Map(_), _, false) if has("name") => {
            "a rule begins with 'rule:' and has a list of 'actions:'; 'name:' with one 'action:' is \
             the syntax of before 2024"
        }
        (Content::Map(entries), true, false) => {
            return action(entries, element, &Context::default(), findings).map(Block::Action);
        }
        (Content::Map(entries), false, true) => {
            return rule(entries, element, findings).map(Block::Rule);
        }
        (Content::Map(_), true, true) => "a block has either 'action:' or 'rule:', this one has both",
        (Content::Map(_), false, false) => "a block needs 'action:' or 'rule:', this one has neither",
        _ => "a block is a map with 'action:' or 'rule:'",
    };
    let message = wrong_syntax(&element.at.file, text);
    findings.error(&Context::default(), Some(&element.at), message);
    None
}

fn rule(entries: &[Entry], node: &Node, findings: &mut Findings) -> Option<RuleBlock> {
    let no_context = Context::default();
    let name = name("rule", node, "all rules must have a name", &no_context, findings)?;
    let context = Context::rule(name.as_str());
    let mut block = RuleBlock::named(name);
    for Entry { key, at, value } in entries {
        let mut fields = Fields::new(context.clone(), findings);
        match &**key {
            "rule" => {}
            "description" => block.description = fields.text(key, value),
            "continue" => block.continues = fields.flag(key, value),
            "dry_run" => block.dry_run = fields.flag(key, value),
            "max_age" => block.max_age = fields.duration(key, value, Rule::MAX_AGE_MIN..=Rule::MAX_AGE_MAX),
            "notifiers" => block.notifiers = fields.texts(key, value),
            "match" => block.criteria = criteria::read(value, &mut fields),
            "actions" => {
                let elements = fields.list(key, value);
                block.actions =
                    elements.iter().filter_map(|element| rule_action(element, &context, findings)).collect();
                let is_empty = value.is_null() || matches!(&value.content, Content::List(list) if list.is_empty());
                block.has_broken_actions = block.actions.is_empty() && !is_empty;
            }
            _ => {
                let others = [("'match'", &criteria::KEYS[..]), ("an action", &ACTION_KEYS), RETRY_OF_ACTION];
                fields.unknown(key, at, "a rule block", &RULE_KEYS, &others);
            }
        }
    }
    Some(block)
}

/// The name of a block. A missing one is reported, unless the name is of a wrong type, which has
/// been reported by then.
fn name(key: &str, node: &Node, missing: &str, context: &Context, findings: &mut Findings) -> Option<Text> {
    let written = node.get(key);
    let name = written.and_then(|name| Fields::new(context.clone(), findings).text(key, name));
    let is_scalar = written.is_none_or(|name| matches!(name.content, Content::Scalar(_)));
    if name.is_none() && is_scalar {
        findings.error(context, Some(&node.at), missing);
    }
    name
}

fn rule_action(node: &Node, context: &Context, findings: &mut Findings) -> Option<ActionBlock> {
    let Content::Map(entries) = &node.content else {
        Fields::new(context.clone(), findings).expected("actions", node, "a list of maps");
        return None;
    };
    action(entries, node, context, findings)
}

fn action(entries: &[Entry], node: &Node, context: &Context, findings: &mut Findings) -> Option<ActionBlock> {
    let name = name("action", node, "action without a name", context, findings)?;
    let mut context = context.action(name.as_str());
    let mut block = ActionBlock::named(name, node.at.clone());
    for Entry { key, at, value } in entries {
        context.actionner = block.actionner.as_ref().map(|name: &Text| name.as_str().to_owned());
        let mut fields = Fields::new(context.clone(), findings);
        match &**key {
            "action" => {}
            "description" => block.description = fields.text(key, value),
            "actionner" => block.actionner = fields.text(key, value),
            "parameters" => block.parameters = fields.map(key, value),
            "continue" => block.continues = fields.flag(key, value),
            "ignore_errors" => block.ignore_errors = fields.flag(key, value),
            "retry" => block.retry = retry(value, &mut fields),
            "additional_contexts" => block.additional_contexts = fields.texts(key, value),
            "output" => block.output = output(value, &mut fields),
            // A mapping of the rule in an action would otherwise turn an action on for everything.
            _ => {
                let others = [("a rule block", &RULE_KEYS[..]), ("a rule block", &criteria::KEYS), RETRY_OF_ACTION];
                fields.unknown(key, at, "an action block", &ACTION_KEYS, &others);
            }
        }
    }
    Some(block)
}

fn retry(node: &Node, fields: &mut Fields<'_>) -> Retry {
    let mut retry = Retry::default();
    let Some(Content::Map(entries)) = fields.map("retry", node).map(|node| node.content) else {
        return retry;
    };
    for Entry { key, at, value } in entries {
        match &*key {
            "attempts" => retry.attempts = fields.count(&key, &value, Retry::ATTEMPTS_MAX),
            "within" => retry.within = fields.duration(&key, &value, Retry::WITHIN_MIN..=Retry::WITHIN_MAX),
            _ => fields.unknown(&key, &at, "'retry'", &RETRY_KEYS, &[]),
        }
    }
    retry
}

fn output(node: &Node, fields: &mut Fields<'_>) -> Option<OutputBlock> {
    let Content::Map(entries) = &fields.map("output", node)?.content else {
        return None;
    };
    let mut block = OutputBlock { at: node.at.clone(), target: None, parameters: None };
    for Entry { key, at, value } in entries {
        match &**key {
            "target" => block.target = fields.text(key, value),
            "parameters" => block.parameters = fields.map(key, value),
            _ => fields.unknown(key, at, "'output'", &OUTPUT_KEYS, &[]),
        }
    }
    let is_empty = block.target.is_none() && block.parameters.is_none();
    (!is_empty).then_some(block)
}
