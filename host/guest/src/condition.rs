//! What a wait waits for: a place of an object, and what must be so there.
//!
//! Small and closed, so that looking costs no more than reading the object once a condition: a path has at most
//! [`STEPS_MAX`] steps, and each step goes on from the items of one list at most once. Does not know who waits.

use serde_json::Value;

/// Enough for whoever waits for one of several ends.
const CONDITIONS_MAX: usize = 16;
/// As `wit/kubernetes-read.wit` says.
const PATH_BYTES_MAX: usize = 512;
const STEPS_MAX: usize = 32;

/// A condition, parsed.
#[derive(Debug)]
pub struct Condition {
    steps: Vec<Step>,
    expected: Expectation,
}

#[derive(Debug)]
enum Step {
    /// The value of a key.
    Key(String),
    /// Each item of a list.
    Items,
    /// Each item of a list in which a key has a value.
    ItemsWith(String, String),
}

/// What must be so at a place; of several, at one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// Anything is there.
    Exists,
    /// Nothing is at any of them.
    Absent,
    /// This is there: a text, a number or a boolean that is written so.
    Equals(String),
    /// Something else is there, or nothing is anywhere.
    Differs(String),
}

/// Why a wait can't begin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// There is nothing to wait for, or too much.
    #[error("a wait is for 1 to {CONDITIONS_MAX} conditions, and not for {0}")]
    Count(usize),
    /// A path is not one.
    #[error(
        "a path is written as `status.conditions[type=Ready].status`, with at most {PATH_BYTES_MAX} bytes and {STEPS_MAX} keys"
    )]
    Path,
}

impl Condition {
    /// The conditions that a guest has written, each as its path and what is expected there.
    ///
    /// # Errors
    ///
    /// Where there is none, more than 16, or one with a path that is not a path.
    pub fn parse_all(written: Vec<(String, Expectation)>) -> Result<Vec<Condition>, ConditionError> {
        if written.is_empty() || written.len() > CONDITIONS_MAX {
            return Err(ConditionError::Count(written.len()));
        }
        let parse = |(path, expected): (String, _)| Ok(Condition { steps: steps(&path)?, expected });
        written.into_iter().map(parse).collect()
    }

    /// Whether it is met by an object.
    pub fn is_met(&self, object: &Value) -> bool {
        let mut places = vec![object];
        for step in &self.steps {
            places = places.into_iter().flat_map(|value| step.from(value)).collect();
        }
        let mut values = places.into_iter().filter(|value| !value.is_null());
        match &self.expected {
            Expectation::Exists => values.next().is_some(),
            Expectation::Absent => values.next().is_none(),
            Expectation::Equals(text) => values.any(|value| is_written(value, text)),
            Expectation::Differs(text) => {
                let mut values = values.peekable();
                values.peek().is_none() || values.any(|value| !is_written(value, text))
            }
        }
    }
}

impl Step {
    fn from<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let items = || value.as_array().into_iter().flatten();
        match self {
            Step::Key(key) => value.get(key).into_iter().collect(),
            Step::Items => items().collect(),
            Step::ItemsWith(key, text) => {
                items().filter(|item| item.get(key).is_some_and(|it| is_written(it, text))).collect()
            }
        }
    }
}

/// Whether a value is a text, a number or a boolean that is written so.
fn is_written(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        Value::Number(value) => value.to_string() == text,
        Value::Bool(value) => value.to_string() == text,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

fn steps(path: &str) -> Result<Vec<Step>, ConditionError> {
    if path.len() > PATH_BYTES_MAX {
        return Err(ConditionError::Path);
    }
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return Err(ConditionError::Path);
        }
        steps.push(Step::Key(key.to_owned()));
        rest = after;
        while let Some(inner) = rest.strip_prefix('[') {
            let (inner, after) = inner.split_once(']').ok_or(ConditionError::Path)?;
            steps.push(bracketed(inner)?);
            rest = after;
        }
        if steps.len() > STEPS_MAX {
            return Err(ConditionError::Path);
        }
        match rest.strip_prefix('.') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Ok(steps),
            None => return Err(ConditionError::Path),
        }
    }
}

fn bracketed(inner: &str) -> Result<Step, ConditionError> {
    if inner == "*" {
        return Ok(Step::Items);
    }
    match inner.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok(Step::ItemsWith(key.to_owned(), value.to_owned())),
        None if !inner.is_empty() => Ok(Step::Key(inner.to_owned())),
        _ => Err(ConditionError::Path),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(path: &str, expected: Expectation) -> Result<Condition, ConditionError> {
        Condition::parse_all(vec![(path.to_owned(), expected)]).map(|mut conditions| conditions.remove(0))
    }

    fn pod() -> Value {
        json!({
            "metadata": {"labels": {"example.org/team": "red"}, "generation": 3},
            "spec": {"unschedulable": true, "nodeName": null},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "False"}, {"type": "Initialized", "status": "True"}],
                "containerStatuses": [{"name": "web", "state": {"running": {}}}, {"name": "log", "state": {}}],
            },
        })
    }

    #[test]
    fn a_place_is_there_or_not() {
        fn check(path: &str, expected: bool) {
            let exists = condition(path, Expectation::Exists).unwrap();
            assert_eq!(exists.is_met(&pod()), expected, "{path}");
            let absent = condition(path, Expectation::Absent).unwrap();
            assert_eq!(absent.is_met(&pod()), !expected, "{path}");
        }
        check("status", true);
        check("status.phase", true);
        check("status.reason", false);
        check("status.phase.more", false);
        check("spec.nodeName", false);
        check("metadata.labels[example.org/team]", true);
        check("metadata.labels[example.org/crew]", false);
        check("status.conditions[*]", true);
        check("status.conditions[*].reason", false);
        check("status.containerStatuses[name=web].state.running", true);
        check("status.containerStatuses[name=log].state.running", false);
        check("metadata[*]", false);
    }

    #[test]
    fn values_are_compared_as_they_are_written() {
        fn check(path: &str, value: &str, equals: bool, differs: bool) {
            let met = |expected| condition(path, expected).unwrap().is_met(&pod());
            assert_eq!(met(Expectation::Equals(value.to_owned())), equals, "{path}={value}");
            assert_eq!(met(Expectation::Differs(value.to_owned())), differs, "{path}!={value}");
        }
        check("status.phase", "Running", true, false);
        check("status.phase", "Pending", false, true);
        check("metadata.generation", "3", true, false);
        check("spec.unschedulable", "true", true, false);
        check("status.conditions[type=Ready].status", "False", true, false);
        // One of several is enough, for both.
        check("status.conditions[*].status", "True", true, true);
        check("status.missing", "x", false, true);
        check("status", "x", false, true);
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        fn check(path: &str, expected: bool) {
            assert_eq!(condition(path, Expectation::Exists).is_ok(), expected, "{path}");
        }
        check("a[b][c=d].e", true);
        check("a[=]", false);
        check("a[b=]", true);
        for path in ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a]b", "a[x]b", "a b", "$.a", "[*]"] {
            check(path, false);
        }
        check(&["a"; STEPS_MAX].join("."), true);
        check(&["a"; STEPS_MAX + 1].join("."), false);
        check(&"a".repeat(PATH_BYTES_MAX + 1), false);
        assert_eq!(Condition::parse_all(Vec::new()).unwrap_err(), ConditionError::Count(0));
        let condition = || ("a".to_owned(), Expectation::Exists);
        let many = std::iter::repeat_with(condition).take(CONDITIONS_MAX + 1).collect();
        assert_eq!(Condition::parse_all(many).unwrap_err(), ConditionError::Count(CONDITIONS_MAX + 1));
    }
}
