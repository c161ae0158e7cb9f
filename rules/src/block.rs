//! The blocks of rule files, as they were written and with their places.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::condition::Condition;
use crate::yaml::Node;
use crate::{Position, PriorityFilter, Retry};

/// A text and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) value: Arc<str>,
    pub(crate) at: Position,
    /// See [`crate::yaml::Scalar::inset`].
    pub(crate) inset: Option<u32>,
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        &self.value
    }

    /// The position of a character of the text, as near as it is known.
    pub(crate) fn position_of(&self, char: usize) -> Position {
        let char = u32::try_from(char).unwrap_or(0);
        let column = self.at.column + self.inset.map_or(0, |inset| inset + char);
        Position { column, ..self.at.clone() }
    }
}

/// A switch that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag(pub(crate) bool);

#[derive(Clone, Debug)]
pub(crate) enum Block {
    Action(ActionBlock),
    Rule(RuleBlock),
}

/// An action block, or one entry of a rule's `actions`.
#[derive(Clone, Debug)]
pub(crate) struct ActionBlock {
    pub(crate) at: Position,
    pub(crate) name: Text,
    pub(crate) description: Option<Text>,
    pub(crate) actionner: Option<Text>,
    /// Always a map.
    pub(crate) parameters: Option<Node>,
    pub(crate) continues: Option<Flag>,
    pub(crate) ignore_errors: Option<Flag>,
    pub(crate) retry: Retry,
    pub(crate) additional_contexts: Vec<Text>,
    pub(crate) output: Option<OutputBlock>,
}

#[derive(Clone, Debug)]
pub(crate) struct OutputBlock {
    pub(crate) at: Position,
    pub(crate) target: Option<Text>,
    /// Always a map.
    pub(crate) parameters: Option<Node>,
}

#[derive(Clone, Debug)]
pub(crate) struct RuleBlock {
    pub(crate) name: Text,
    pub(crate) description: Option<Text>,
    pub(crate) continues: Option<Flag>,
    pub(crate) dry_run: Option<Flag>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) notifiers: Vec<Text>,
    pub(crate) criteria: MatchBlock,
    pub(crate) actions: Vec<ActionBlock>,
    /// Whether `actions` was written but could not be read, which has been reported.
    pub(crate) has_broken_actions: bool,
}

impl ActionBlock {
    /// A block that says nothing but its name.
    pub(crate) fn named(name: Text, at: Position) -> ActionBlock {
        ActionBlock {
            at,
            name,
            description: None,
            actionner: None,
            parameters: None,
            continues: None,
            ignore_errors: None,
            retry: Retry::default(),
            additional_contexts: Vec::new(),
            output: None,
        }
    }
}

impl RuleBlock {
    /// A block that says nothing but its name.
    pub(crate) fn named(name: Text) -> RuleBlock {
        RuleBlock {
            name,
            description: None,
            continues: None,
            dry_run: None,
            max_age: None,
            notifiers: Vec::new(),
            criteria: MatchBlock::default(),
            actions: Vec::new(),
            has_broken_actions: false,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct MatchBlock {
    pub(crate) rules: Vec<Text>,
    pub(crate) output_fields: Vec<ConditionGroup>,
    pub(crate) priority: Option<WrittenPriority>,
    pub(crate) source: Option<Text>,
    pub(crate) tags: Vec<TagGroup>,
}

impl MatchBlock {
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
            && self.output_fields.is_empty()
            && self.priority.is_none()
            && self.source.is_none()
            && self.tags.is_empty()
    }
}

/// Conditions that must all hold, and how they were written.
#[derive(Clone, Debug)]
pub(crate) struct ConditionGroup {
    pub(crate) written: Text,
    pub(crate) conditions: Vec<Condition>,
}

/// Tags that must all be there, and how they were written.
#[derive(Clone, Debug)]
pub(crate) struct TagGroup {
    pub(crate) written: Text,
    pub(crate) tags: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct WrittenPriority {
    pub(crate) written: Text,
    pub(crate) filter: PriorityFilter,
}
