//! The `match` of a rule: what an event must be for the rule to answer it.

use std::collections::BTreeSet;

use super::fields::Fields;
use crate::block::{ConditionGroup, MatchBlock, TagGroup, Text, WrittenPriority};
use crate::condition::Condition;
use crate::yaml::{Content, Entry, Node};
use crate::{Priority, PriorityFilter};

pub(super) const KEYS: [&str; 5] = ["rules", "output_fields", "priority", "source", "tags"];

pub(super) fn read(node: &Node, fields: &mut Fields<'_>) -> MatchBlock {
    let mut criteria = MatchBlock::default();
    let map = fields.map("match", node);
    let Some(Content::Map(entries)) = map.as_ref().map(|map| &map.content) else {
        return criteria;
    };
    for Entry { key, at, value } in entries {
        match &**key {
            "rules" => criteria.rules = fields.texts(key, value),
            "output_fields" => {
                let texts = fields.texts(key, value);
                criteria.output_fields = texts.into_iter().filter_map(|text| conditions(text, fields)).collect();
            }
            "priority" => {
                let text = fields.text(key, value);
                criteria.priority = text.and_then(|text| priority(text, fields));
            }
            "source" => criteria.source = fields.text(key, value),
            "tags" => {
                let texts = fields.texts(key, value);
                criteria.tags = texts.into_iter().filter_map(|text| tags(text, fields)).collect();
            }
            _ => fields.unknown(key, at, "'match'", &KEYS, &[]),
        }
    }
    criteria
}

fn conditions(written: Text, fields: &mut Fields<'_>) -> Option<ConditionGroup> {
    match Condition::parse_group(written.as_str()) {
        Ok(conditions) => Some(ConditionGroup { written, conditions }),
        Err(error) => {
            fields.error(&written.position_of(error.chars_before()), error.to_string());
            None
        }
    }
}

fn priority(written: Text, fields: &mut Fields<'_>) -> Option<WrittenPriority> {
    let filter = PriorityFilter::parse(written.as_str());
    if filter.is_none() {
        let names: Vec<&str> = Priority::ALL.into_iter().map(Priority::name).collect();
        let names = names.join(", ");
        let message = format!(
            "incorrect priority '{written}'; it is one of {names}, with <, <=, > or >= before it or not",
            written = written.as_str()
        );
        fields.error(&written.at, message);
    }
    Some(WrittenPriority { written, filter: filter? })
}

fn tags(written: Text, fields: &mut Fields<'_>) -> Option<TagGroup> {
    // Spaces never counted in this list, not even within a tag.
    let plain: String = written.as_str().chars().filter(|char| !char.is_whitespace()).collect();
    let tags: BTreeSet<String> = plain.split(',').map(str::to_owned).collect();
    let is_tag = |tag: &str| !tag.is_empty() && tag.chars().all(|char| char.is_alphanumeric() || "_.-/".contains(char));
    let mut wrong = tags.iter().filter(|tag| !is_tag(tag)).peekable();
    let is_right = wrong.peek().is_none();
    for tag in wrong {
        let message = format!("incorrect tag '{tag}'; a tag is made of letters, digits, '_', '.', '-' and '/'");
        fields.error(&written.at, message);
    }
    is_right.then_some(TagGroup { written, tags })
}
