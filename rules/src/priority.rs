//! Falco's priorities, and the filter on them that a rule may have.

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};

/// How severe an event is, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// `Debug`
    Debug,
    /// `Informational`; senders also write `Info`.
    Informational,
    /// `Notice`
    Notice,
    /// `Warning`
    Warning,
    /// `Error`
    Error,
    /// `Critical`
    Critical,
    /// `Alert`
    Alert,
    /// `Emergency`
    Emergency,
}

impl Priority {
    /// All of them, from the least to the most.
    pub const ALL: [Priority; 8] = [
        Priority::Debug,
        Priority::Informational,
        Priority::Notice,
        Priority::Warning,
        Priority::Error,
        Priority::Critical,
        Priority::Alert,
        Priority::Emergency,
    ];

    /// The priority of this name, in any letter case. `Info` is short for `Informational`.
    pub fn parse(name: &str) -> Option<Priority> {
        if name.eq_ignore_ascii_case("info") {
            return Some(Priority::Informational);
        }
        Priority::ALL.into_iter().find(|priority| name.eq_ignore_ascii_case(priority.name()))
    }

    /// The name in Falco's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Priority::Debug => "Debug",
            Priority::Informational => "Informational",
            Priority::Notice => "Notice",
            Priority::Warning => "Warning",
            Priority::Error => "Error",
            Priority::Critical => "Critical",
            Priority::Alert => "Alert",
            Priority::Emergency => "Emergency",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What a rule demands of the priority, e.g. `>=Warning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorityFilter {
    comparator: Comparator,
    priority: Priority,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparator {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
}

/// Longest first, so that `>=` is not read as `>`.
const COMPARATORS: [(&str, Comparator); 5] = [
    ("<=", Comparator::AtMost),
    (">=", Comparator::AtLeast),
    ("<", Comparator::Less),
    (">", Comparator::Greater),
    ("=", Comparator::Equal),
];

impl PriorityFilter {
    /// Reads an optional comparator and a name. A comparator alone is not a filter: it would match
    /// every event.
    pub fn parse(text: &str) -> Option<PriorityFilter> {
        let (comparator, name) = COMPARATORS
            .iter()
            .find_map(|(sign, comparator)| Some((*comparator, text.strip_prefix(sign)?)))
            .unwrap_or((Comparator::Equal, text));
        let priority = Priority::parse(name.trim())?;
        Some(PriorityFilter { comparator, priority })
    }

    /// Whether a priority passes.
    pub fn matches(self, priority: Priority) -> bool {
        let order = priority.cmp(&self.priority);
        match self.comparator {
            Comparator::Less => order == Ordering::Less,
            Comparator::AtMost => order != Ordering::Greater,
            Comparator::Equal => order == Ordering::Equal,
            Comparator::AtLeast => order != Ordering::Less,
            Comparator::Greater => order == Ordering::Greater,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &str, expected: Option<&[Priority]>) {
        let passed = PriorityFilter::parse(filter)
            .map(|filter| Priority::ALL.into_iter().filter(|priority| filter.matches(*priority)).collect::<Vec<_>>());
        assert_eq!(passed.as_deref(), expected, "{filter:?}");
    }

    #[test]
    fn a_filter_compares_severity() {
        use Priority::*;
        check("Critical", Some(&[Critical]));
        check("=critical", Some(&[Critical]));
        check(">=Critical", Some(&[Critical, Alert, Emergency]));
        check(">ALERT", Some(&[Emergency]));
        check("<Notice", Some(&[Debug, Informational]));
        check("<=Debug", Some(&[Debug]));
    }

    #[test]
    fn a_space_and_the_short_info_are_harmless() {
        use Priority::*;
        check(">= Alert", Some(&[Alert, Emergency]));
        check("Info", Some(&[Informational]));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in ["", ">", ">=", "=>Debug", "Critical!", "High", "> = Debug", "<>Debug"] {
            check(text, None);
        }
    }
}
