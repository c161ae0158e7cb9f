//! Rules as YAML, with the keys in the order of the original's `rules print`.

mod emit;

use crate::Retry;
use crate::block::{ActionBlock, Flag, MatchBlock, OutputBlock, RuleBlock, Text};
use crate::quantity::duration_text;
use crate::yaml::{Content, Kind, Node, Scalar};

use emit::{Emitted, emit};

pub(crate) fn document(rules: &[RuleBlock]) -> String {
    let rules = rules.iter().map(rule).collect();
    format!("---\n{}", emit(&Emitted::List(rules)))
}

fn rule(rule: &RuleBlock) -> Emitted {
    let mut map = Map::default();
    map.text("rule", Some(&rule.name));
    map.text("description", rule.description.as_ref());
    map.flag("continue", rule.continues);
    map.flag("dry_run", rule.dry_run);
    map.plain("max_age", rule.max_age.map(duration_text));
    map.texts("notifiers", &rule.notifiers);
    map.add("actions", Emitted::List(rule.actions.iter().map(action).collect()));
    map.0.push(("match".to_owned(), criteria(&rule.criteria)));
    Emitted::Map(map.0)
}

fn action(action: &ActionBlock) -> Emitted {
    let mut map = Map::default();
    map.node("parameters", action.parameters.as_ref());
    map.add("output", action.output.as_ref().map_or(Emitted::Map(Vec::new()), output));
    map.text("action", Some(&action.name));
    map.text("description", action.description.as_ref());
    map.text("actionner", action.actionner.as_ref());
    map.flag("continue", action.continues);
    map.flag("ignore_errors", action.ignore_errors);
    map.add("retry", retry(action.retry));
    map.texts("additional_contexts", &action.additional_contexts);
    Emitted::Map(map.0)
}

fn retry(retry: Retry) -> Emitted {
    let mut map = Map::default();
    map.plain("attempts", retry.attempts);
    map.plain("within", retry.within.map(duration_text));
    Emitted::Map(map.0)
}

fn output(output: &OutputBlock) -> Emitted {
    let mut map = Map::default();
    map.node("parameters", output.parameters.as_ref());
    map.text("target", output.target.as_ref());
    Emitted::Map(map.0)
}

fn criteria(criteria: &MatchBlock) -> Emitted {
    let written = |texts: Vec<&Text>| Emitted::List(texts.into_iter().map(quoted).collect());
    let mut map = Map::default();
    map.add("output_fields", written(criteria.output_fields.iter().map(|group| &group.written).collect()));
    map.text("priority", criteria.priority.as_ref().map(|priority| &priority.written));
    map.text("source", criteria.source.as_ref());
    map.texts("rules", &criteria.rules);
    map.add("tags", written(criteria.tags.iter().map(|group| &group.written).collect()));
    Emitted::Map(map.0)
}

/// A map under construction, which leaves out what is empty.
#[derive(Default)]
struct Map(Vec<(String, Emitted)>);

impl Map {
    fn add(&mut self, key: &str, value: Emitted) {
        let is_empty = match &value {
            Emitted::List(items) => items.is_empty(),
            Emitted::Map(entries) => entries.is_empty(),
            Emitted::Text(text) => text.is_empty(),
            Emitted::Plain(_) => false,
        };
        if !is_empty {
            self.0.push((key.to_owned(), value));
        }
    }

    fn text(&mut self, key: &str, text: Option<&Text>) {
        self.add(key, text.map_or(Emitted::Text(String::new()), quoted));
    }

    fn texts(&mut self, key: &str, texts: &[Text]) {
        self.add(key, Emitted::List(texts.iter().map(quoted).collect()));
    }

    fn flag(&mut self, key: &str, flag: Option<Flag>) {
        self.add(key, Emitted::Text(flag.map(|flag| flag.0.to_string()).unwrap_or_default()));
    }

    fn plain(&mut self, key: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(key, Emitted::Plain(value.to_string()));
        }
    }

    fn node(&mut self, key: &str, node: Option<&Node>) {
        self.add(key, node.map_or(Emitted::Map(Vec::new()), from_node));
    }
}

fn quoted(text: &Text) -> Emitted {
    Emitted::Text(text.as_str().to_owned())
}

fn from_node(node: &Node) -> Emitted {
    match &node.content {
        Content::Scalar(Scalar { text, kind: Kind::Text, .. }) => Emitted::Text(text.to_string()),
        // Numbers, booleans and null stay as they were written.
        Content::Scalar(Scalar { kind: Kind::Null, .. }) => Emitted::Plain("null".to_owned()),
        Content::Scalar(Scalar { text, .. }) => Emitted::Plain(text.to_string()),
        Content::List(items) => Emitted::List(items.iter().map(from_node).collect()),
        Content::Map(entries) => {
            let mut entries: Vec<_> =
                entries.iter().map(|entry| (entry.key.to_string(), from_node(&entry.value))).collect();
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            Emitted::Map(entries)
        }
    }
}
