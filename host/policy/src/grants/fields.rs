//! What a grant says of fields: which a write may touch, and which values it may leave there.

use std::fmt;

use serde_json::{Number, Value};

use super::field::FieldPath;
use super::power::steps_to_write_out;
use super::write::scalar;

/// Longer texts are written as prefixes.
const TEXT_CHARS_MAX: usize = 512;

/// A field that a write may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldGrant {
    /// Which one, and all that lies in it but what gives power.
    pub path: FieldPath,
    /// What a write may leave there, of a list as each item; none named: anything.
    pub values: Vec<ValuePattern>,
}

/// A value that a write may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValuePattern {
    /// This truth value.
    Bool(bool),
    /// This number.
    Number(Number),
    /// This text.
    Text(String),
    /// Every text that goes on after this.
    Prefix(String),
}

impl FieldGrant {
    /// Whether it speaks of a field: names it or what it lies in, and writes out what gives power.
    pub fn reaches(&self, touched: &FieldPath) -> bool {
        self.path.covers(touched) && self.path.segments().len() >= steps_to_write_out(touched.segments())
    }

    /// Whether a value may be left there.
    pub fn allows(&self, value: &Value) -> bool {
        self.values.is_empty() || self.values.iter().any(|pattern| pattern.matches(value))
    }

    /// As the policy file writes it: the path alone where any value may be left.
    pub(super) fn to_yaml(&self) -> String {
        let path = scalar(&self.path.to_string());
        if self.values.is_empty() { path } else { format!("{{path: {path}, values: {}}}", self.values_yaml()) }
    }

    fn values_yaml(&self) -> String {
        let values: Vec<String> = self.values.iter().map(ToString::to_string).collect();
        format!("[{}]", values.join(", "))
    }
}

impl ValuePattern {
    /// Whether a value is meant. A path that climbs is not one that goes on after its beginning.
    pub fn matches(&self, value: &Value) -> bool {
        match self {
            ValuePattern::Bool(exact) => value.as_bool() == Some(*exact),
            ValuePattern::Number(exact) => value.as_number() == Some(exact),
            ValuePattern::Text(exact) => value.as_str() == Some(exact),
            ValuePattern::Prefix(prefix) => value
                .as_str()
                .and_then(|text| text.strip_prefix(prefix.as_str()))
                .is_some_and(|rest| !rest.is_empty() && rest.split('/').all(|step| step != "..")),
        }
    }

    /// The pattern of one value, if the policy can write it.
    pub(crate) fn exactly(value: &Value) -> Option<ValuePattern> {
        match value {
            Value::Bool(value) => Some(ValuePattern::Bool(*value)),
            Value::Number(value) if !value.is_f64() => Some(ValuePattern::Number(value.clone())),
            Value::String(text) => text.parse().ok().filter(|it| matches!(it, ValuePattern::Text(_))),
            Value::Number(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl From<FieldPath> for FieldGrant {
    fn from(path: FieldPath) -> Self {
        FieldGrant { path, values: Vec::new() }
    }
}

/// In a sentence: `spec.replicas`, or `spec.replicas: [0, 1]`.
impl fmt::Display for FieldGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.path)?;
        if self.values.is_empty() { Ok(()) } else { write!(formatter, ": {}", self.values_yaml()) }
    }
}

/// As YAML writes it.
impl fmt::Display for ValuePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValuePattern::Bool(value) => write!(formatter, "{value}"),
            ValuePattern::Number(number) => write!(formatter, "{number}"),
            ValuePattern::Text(text) => formatter.write_str(&scalar(text)),
            ValuePattern::Prefix(prefix) => formatter.write_str(&scalar(&format!("{prefix}*"))),
        }
    }
}

/// A text: exact, or with a star at its end.
impl std::str::FromStr for ValuePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.chars().count() > TEXT_CHARS_MAX {
            return Err(format!("a value of more than {TEXT_CHARS_MAX} characters: write its beginning as a prefix"));
        }
        if text == "*" {
            return Err("`*` is not a value: to mean all, leave `values` out".to_owned());
        }
        let prefix = text.strip_suffix('*');
        if prefix.unwrap_or(text).contains('*') {
            return Err(format!("`{text}`: a `*` stands at the end of a prefix, and nowhere else"));
        }
        match prefix {
            None => Ok(ValuePattern::Text(text.to_owned())),
            Some(prefix) if prefix.ends_with(char::is_alphanumeric) => {
                Err(format!("`{text}`: a prefix ends at a sign, such as `web-*` or `registry.example/*`"))
            }
            Some(prefix) => Ok(ValuePattern::Prefix(prefix.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "the rows of a table read more easily without references")]

    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, value: Value, expected: bool) {
        let pattern: ValuePattern = pattern.parse().unwrap();
        assert_eq!(pattern.matches(&value), expected, "{pattern} {value}");
    }

    #[test]
    fn a_text_is_exact_or_goes_on_after_a_sign() {
        check("web", json!("web"), true);
        check("web", json!("web-0"), false);
        check("web-*", json!("web-0"), true);
        check("web-*", json!("web-"), false);
        check("web-*", json!(["web-0"]), false);
        check("1", json!(1), false);
        check("/var/log/*", json!("/var/log/x"), true);
        check("/var/log/*", json!("/var/log/../x"), false);
        check("/var/log/*", json!("/var/log/x/.."), false);
        check("", json!(""), true);
        for wrong in ["*", "web*", "a*b", "**", "a-**", &"x".repeat(513)] {
            assert!(wrong.parse::<ValuePattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_and_truth_values_are_no_texts() {
        let number = ValuePattern::exactly(&json!(0)).unwrap();
        assert!(number.matches(&json!(0)) && !number.matches(&json!("0")) && !number.matches(&json!(0.0)));
        let truth = ValuePattern::exactly(&json!(false)).unwrap();
        assert!(truth.matches(&json!(false)) && !truth.matches(&json!("false")) && !truth.matches(&json!(null)));
        for unwritable in [json!(0.5), json!(null), json!([]), json!({}), json!("a*")] {
            assert_eq!(ValuePattern::exactly(&unwritable), None);
        }
    }

    #[test]
    fn a_parent_does_not_reach_what_gives_power() {
        let reaches = |grant: &str, touched: &str| {
            FieldGrant::from(grant.parse::<FieldPath>().unwrap()).reaches(&touched.parse().unwrap())
        };
        assert!(reaches("spec", "spec.replicas"));
        assert!(!reaches("spec", "spec.template.spec.hostPID"));
        assert!(reaches("spec.template.spec.hostPID", "spec.template.spec.hostPID"));
        assert!(reaches("spec.volumes[*].hostPath", "spec.volumes[*].hostPath.path"));
        assert!(!reaches("spec.image", "spec.image.privileged"));
    }
}
