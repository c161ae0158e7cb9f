//! Label and field selectors, with the grammar and the errors of the real API server. They know no store.

use std::collections::BTreeSet;

use serde_json::Value;

use super::names::{label_key, label_value};
use super::resource::Resource;
use super::status::Refusal;

/// A label selector, from a query or from an object.
#[derive(Debug, Default, PartialEq)]
pub(super) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, PartialEq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Clone, Copy)]
enum Operator {
    Exists,
    Absent,
    In,
    NotIn,
    Greater,
    Less,
}

impl LabelSelector {
    /// Read `app in (web, db), !old`.
    pub(super) fn parse(text: &str) -> Result<LabelSelector, Refusal> {
        Parser { rest: text }.selector().map_err(Refusal::bad_request)
    }

    /// Read the `matchLabels` and `matchExpressions` of an object.
    pub(super) fn of(selector: &Value) -> LabelSelector {
        let mut requirements = Vec::new();
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            let values = value.as_str().map(str::to_owned).into_iter().collect();
            requirements.push(Requirement { key: key.clone(), operator: Operator::In, values });
        }
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let operator = match expression["operator"].as_str().unwrap_or_default() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                _ => Operator::Absent,
            };
            let values = expression["values"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|value| value.as_str().map(str::to_owned));
            let key = expression["key"].as_str().unwrap_or_default().to_owned();
            requirements.push(Requirement { key, operator, values: values.collect() });
        }
        LabelSelector(requirements)
    }

    /// Whether these labels meet every requirement.
    pub(super) fn matches(&self, labels: &Value) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key).and_then(Value::as_str);
            let number = |text: &str| text.parse::<i64>().ok();
            let bound = requirement.values.first().and_then(|value| number(value));
            match requirement.operator {
                Operator::Exists => value.is_some(),
                Operator::Absent => value.is_none(),
                Operator::In => value.is_some_and(|value| requirement.values.contains(value)),
                Operator::NotIn => value.is_none_or(|value| !requirement.values.contains(value)),
                Operator::Greater => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value > bound),
                Operator::Less => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value < bound),
            }
        })
    }
}

struct Parser<'a> {
    rest: &'a str,
}

/// What ends a word.
const SPECIAL: [char; 7] = ['=', '!', '(', ')', ',', '>', '<'];

impl<'a> Parser<'a> {
    /// The next word or sign, without taking it. Empty at the end.
    fn peek(&self) -> &'a str {
        let rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if let Some(sign) =
            ["==", "!=", "=", "!", "(", ")", ",", ">", "<"].into_iter().find(|sign| rest.starts_with(sign))
        {
            return &rest[..sign.len()];
        }
        let end = rest.find(|c| SPECIAL.contains(&c) || " \t\r\n".contains(c)).unwrap_or(rest.len());
        &rest[..end]
    }

    fn take(&mut self) -> &'a str {
        let token = self.peek();
        self.rest = &self.rest.trim_start_matches([' ', '\t', '\r', '\n'])[token.len()..];
        token
    }

    fn is_word(token: &str) -> bool {
        !token.is_empty() && !token.starts_with(SPECIAL)
    }

    fn selector(&mut self) -> Result<LabelSelector, String> {
        let mut requirements = Vec::new();
        loop {
            let next = self.peek();
            if next.is_empty() {
                return Ok(LabelSelector(requirements));
            }
            if !Self::is_word(next) && next != "!" {
                return Err(format!("found '{next}', expected: !, identifier, or 'end of string'"));
            }
            requirements.push(self.requirement().map_err(|error| format!("unable to parse requirement: {error}"))?);
            match self.take() {
                "" => return Ok(LabelSelector(requirements)),
                "," => {
                    let next = self.peek();
                    if !Self::is_word(next) && next != "!" {
                        return Err(format!("found '{next}', expected: identifier after ','"));
                    }
                }
                other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == "!";
        if absent {
            self.take();
        }
        let key = self.take();
        if !Self::is_word(key) {
            return Err(format!("found '{key}', expected: identifier"));
        }
        if let Some(text) = label_key(key).into_iter().next() {
            return Err(format!("key: Invalid value: {key:?}: {text}"));
        }
        let key = key.to_owned();
        if absent {
            return Ok(Requirement { key, operator: Operator::Absent, values: BTreeSet::new() });
        }
        if matches!(self.peek(), "" | ",") {
            return Ok(Requirement { key, operator: Operator::Exists, values: BTreeSet::new() });
        }
        let (operator, values) = match self.take() {
            "in" => (Operator::In, self.set()?),
            "notin" => (Operator::NotIn, self.set()?),
            "=" | "==" => (Operator::In, self.one()?),
            "!=" => (Operator::NotIn, self.one()?),
            ">" => (Operator::Greater, self.one()?),
            "<" => (Operator::Less, self.one()?),
            other => {
                return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt"));
            }
        };
        for (index, value) in values.iter().enumerate() {
            if let Some(text) = label_value(value).into_iter().next() {
                return Err(format!("values[{index}][{key}]: Invalid value: {value:?}: {text}"));
            }
        }
        Ok(Requirement { key, operator, values })
    }

    fn one(&mut self) -> Result<BTreeSet<String>, String> {
        if matches!(self.peek(), "" | ",") {
            return Ok(BTreeSet::from([String::new()]));
        }
        let value = self.take();
        if Self::is_word(value) {
            Ok(BTreeSet::from([value.to_owned()]))
        } else {
            Err(format!("found '{value}', expected: identifier"))
        }
    }

    fn set(&mut self) -> Result<BTreeSet<String>, String> {
        let open = self.take();
        if open != "(" {
            return Err(format!("found '{open}' expected: '('"));
        }
        let mut values = BTreeSet::new();
        let mut expects_value = true;
        loop {
            match self.take() {
                ")" => {
                    if expects_value {
                        values.insert(String::new());
                    }
                    return Ok(values);
                }
                "," => {
                    if expects_value {
                        values.insert(String::new());
                    }
                    expects_value = true;
                }
                value if Self::is_word(value) && expects_value => {
                    values.insert(value.to_owned());
                    expects_value = false;
                }
                other => return Err(format!("found '{other}', expected: ',' or ')'")),
            }
        }
    }
}

/// A field selector.
#[derive(Debug, Default)]
pub(super) struct FieldSelector(Vec<(String, bool, String)>);

impl FieldSelector {
    /// Read `metadata.name=web,spec.nodeName!=node-1`.
    pub(super) fn parse(text: &str, resource: &Resource) -> Result<FieldSelector, Refusal> {
        let mut terms = Vec::new();
        for term in text.split(',').filter(|term| !term.is_empty()) {
            let parts = term.split_once("!=").map(|(field, value)| (field, false, value));
            let parts = parts.or_else(|| {
                term.split_once("==").or_else(|| term.split_once('=')).map(|(field, value)| (field, true, value))
            });
            let Some((field, equal, value)) = parts else {
                return Err(Refusal::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'")));
            };
            let known =
                field == "metadata.name" || (field == "metadata.namespace") || resource.selectable.contains(&field);
            if !known {
                return Err(Refusal::bad_request(unknown_field(field, resource)));
            }
            terms.push((field.to_owned(), equal, value.to_owned()));
        }
        Ok(FieldSelector(terms))
    }

    /// Whether the object's fields meet every term.
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, equal, expected)| {
            let text = match field.split('.').fold(object, |value, part| &value[part]) {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            // An absent boolean is false.
            let text = if text.is_empty() && matches!(field.as_str(), "spec.unschedulable" | "spec.hostNetwork") {
                "false".to_owned()
            } else {
                text
            };
            (text == *expected) == *equal
        })
    }
}

fn unknown_field(field: &str, resource: &Resource) -> String {
    if resource.selectable.is_empty() && !resource.custom {
        format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    } else {
        format!("field label not supported: {field}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(selector: &str, expected: Result<bool, &str>) {
        let labels = json!({"app": "web", "tier": "front", "count": "7", "example.org/x": ""});
        let matches = LabelSelector::parse(selector).map(|selector| selector.matches(&labels));
        assert_eq!(matches.map_err(|refusal| refusal.message), expected.map_err(str::to_owned), "{selector}");
    }

    #[test]
    fn label_selectors_match() {
        check("", Ok(true));
        check("app=web,tier==front", Ok(true));
        check("app!=web", Ok(false));
        check("absent!=x", Ok(true));
        check("app in (db, web)", Ok(true));
        check("app notin (web)", Ok(false));
        check("!absent, app", Ok(true));
        check("!app", Ok(false));
        check("example.org/x=", Ok(true));
        check("count>6,count<8", Ok(true));
    }

    #[test]
    fn label_selectors_that_are_none_are_refused() {
        check("app===web", Err("unable to parse requirement: found '=', expected: identifier"));
        check("app in web", Err("unable to parse requirement: found 'web' expected: '('"));
        check("app web", Err("unable to parse requirement: found 'web', expected: in, notin, =, ==, !=, gt, lt"));
        check("app,", Err("found '', expected: identifier after ','"));
    }

    #[test]
    fn selectors_of_objects_match() {
        let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}]});
        assert!(LabelSelector::of(&selector).matches(&json!({"app": "web", "tier": "front"})));
        assert!(!LabelSelector::of(&selector).matches(&json!({"app": "web"})));
    }
}
