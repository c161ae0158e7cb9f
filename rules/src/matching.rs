//! Which rules answer an event.
//!
//! Rules that name Falco rules are found by that name, so that the number of the others costs
//! nothing.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::condition::Condition;
use crate::{ActionnerName, Event, Position, PriorityFilter};

/// A rule that can be carried out.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What its author says of it; may be empty.
    pub description: String,
    /// Whether later rules that match run after it.
    pub continues: bool,
    /// `continue` as written, if it was.
    pub continue_as_written: Option<bool>,
    /// Whether its actions only tell what they would do.
    pub dry_run: bool,
    /// `dry_run` as written, if it was.
    pub dry_run_as_written: Option<bool>,
    /// How long after its event was received an action of it may begin; `None`: as configured.
    pub max_age: Option<Duration>,
    /// The notifiers that it names, besides the default ones.
    pub notifiers: Vec<String>,
    /// What is done, in this order.
    pub actions: Vec<Action>,
    /// Where its name was first written.
    pub position: Position,
    pub(crate) criteria: Criteria,
}

/// A named use of an actionner.
#[derive(Debug)]
pub struct Action {
    /// Its name.
    pub name: String,
    /// What its author says of it; may be empty.
    pub description: String,
    /// Which actionner does it.
    pub actionner: ActionnerName,
    /// An object, valid for the actionner and with its defaults filled in.
    pub parameters: Value,
    /// Whether the next action runs after this one, the actionner's default applied.
    pub continues: bool,
    /// `continue` as written, if it was.
    pub continue_as_written: Option<bool>,
    /// Whether a failure counts as none.
    pub ignore_errors: bool,
    /// `ignore_errors` as written, if it was.
    pub ignore_errors_as_written: Option<bool>,
    /// When it is given up where its target is unavailable.
    pub retry: Retry,
    /// The contexts that are added to the event for it.
    pub additional_contexts: Vec<String>,
    /// Where its artifact goes.
    pub output: Option<OutputUseSite>,
    /// Where it was written.
    pub position: Position,
}

/// When an action whose target is unavailable is given up; what is `None` is as configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retry {
    /// Attempts at it, the first included.
    pub attempts: Option<NonZero<usize>>,
    /// From its first attempt to the begin of its last.
    pub within: Option<Duration>,
}

impl Retry {
    /// The most attempts that may be asked for.
    pub const ATTEMPTS_MAX: usize = 100;
    /// The shortest time to try in.
    pub const WITHIN_MIN: Duration = Duration::from_secs(1);
    /// The longest time to try in: a week.
    pub const WITHIN_MAX: Duration = Duration::from_hours(7 * 24);

    /// This where it says something, else `base`.
    pub(crate) fn or(self, base: Retry) -> Retry {
        Retry { attempts: self.attempts.or(base.attempts), within: self.within.or(base.within) }
    }
}

/// A use of an output.
#[derive(Debug)]
pub struct OutputUseSite {
    /// The name of the output, e.g. `aws:s3`.
    pub target: String,
    /// An object, valid for the output and with its defaults filled in.
    pub parameters: Value,
}

/// What an event must be for a rule to answer it. All of it must hold; what is empty always does.
#[derive(Debug, Default)]
pub(crate) struct Criteria {
    /// Names of Falco rules, one of which must be the event's.
    pub(crate) rules: BTreeSet<String>,
    /// Groups of conditions, all of one group must hold.
    pub(crate) output_fields: Vec<Vec<Condition>>,
    pub(crate) priority: Option<PriorityFilter>,
    pub(crate) source: Option<String>,
    /// Groups of tags, all of one group must be there.
    pub(crate) tags: Vec<BTreeSet<String>>,
}

impl Rule {
    /// The least `max_age`.
    pub const MAX_AGE_MIN: Duration = Duration::from_secs(1);
    /// The most that `max_age` may be: a year.
    pub const MAX_AGE_MAX: Duration = Duration::from_hours(365 * 24);

    /// Whether the rule answers the event.
    pub fn matches(&self, event: &Event) -> bool {
        let Criteria { rules, output_fields, priority, source, tags } = &self.criteria;
        let has = |tag: &String| event.tags.contains(tag);
        let holds = |group: &Vec<Condition>| group.iter().all(|condition| condition.matches(&event.output_fields));
        (rules.is_empty() || rules.contains(&event.rule))
            && priority.is_none_or(|priority| priority.matches(event.priority))
            && source.as_ref().is_none_or(|source| *source == event.source)
            && (tags.is_empty() || tags.iter().any(|group| group.iter().all(has)))
            && (output_fields.is_empty() || output_fields.iter().any(holds))
    }
}

impl Rule {
    /// Whether it could answer an event of this source that has this text in this field, whatever else that carries.
    ///
    /// Never too small: of rules of Falco, their tags and the other fields it is taken that they are as they must be.
    pub fn may_answer(&self, source: &str, field: &str, text: &str) -> bool {
        let Criteria { output_fields, source: asked, .. } = &self.criteria;
        let fields = Map::from_iter([(field.to_owned(), Value::from(text))]);
        let may_hold = |condition: &Condition| !condition.is_of(field) || condition.matches(&fields);
        asked.as_ref().is_none_or(|asked| asked == source)
            && (output_fields.is_empty() || output_fields.iter().any(|group| group.iter().all(may_hold)))
    }
}

/// All rules in their order.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    /// By the name of a Falco rule, the indexes of the rules that name it, rising.
    by_falco_rule: HashMap<String, Vec<usize>>,
    /// The indexes of the rules that name none, rising.
    others: Vec<usize>,
}

impl RuleSet {
    /// What these rules, in their order, answer to.
    pub fn new(rules: Vec<Rule>) -> RuleSet {
        let mut by_falco_rule = HashMap::<String, Vec<usize>>::new();
        let mut others = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            for name in &rule.criteria.rules {
                by_falco_rule.entry(name.clone()).or_default().push(index);
            }
            if rule.criteria.rules.is_empty() {
                others.push(index);
            }
        }
        RuleSet { rules: rules.into_iter().map(Arc::new).collect(), by_falco_rule, others }
    }

    /// The rules that answer the event, in their order.
    pub fn matching<'a>(&'a self, event: &Event) -> impl Iterator<Item = &'a Arc<Rule>> {
        let named = self.by_falco_rule.get(&event.rule).map_or(&[][..], Vec::as_slice);
        Merged { left: named, right: &self.others }.map(|index| &self.rules[index]).filter(|rule| rule.matches(event))
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// All rules in their order.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }
}

/// Two rising lists as one.
struct Merged<'a> {
    left: &'a [usize],
    right: &'a [usize],
}

impl Iterator for Merged<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let side = match (self.left.first(), self.right.first()) {
            (Some(left), Some(right)) if left < right => &mut self.left,
            (Some(_), None) => &mut self.left,
            _ => &mut self.right,
        };
        let (first, rest) = side.split_first()?;
        *side = rest;
        Some(*first)
    }
}
