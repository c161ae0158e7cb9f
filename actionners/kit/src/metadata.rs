//! Labels and annotations: what the actionners that change them have in common.
//!
//! Both are maps of texts in the metadata of a pod, or of the node that it runs on. One merge
//! patch changes them: it sets what is there, removes what is null, and does not mind what is
//! absent. Does not know what the entries are for, nor the syntax of their values.

use falco_talon_sdk::kubernetes::{self, PatchType};
use falco_talon_sdk::{Failure, Node, Outcome, Pod};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const PREFIX_BYTES_MAX: usize = 253;
const NAME_BYTES_MAX: usize = 63;

/// Whose metadata is changed: the parameter `level`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The pod of the event.
    #[default]
    Pod,
    /// The node that it runs on.
    Node,
}

/// One of the maps, and the words for it.
#[derive(Debug, Clone, Copy)]
pub struct Texts {
    /// Its key, which is also the name of the parameter: `labels`.
    pub key: &'static str,
    /// What one entry is called: `label`.
    pub entry: &'static str,
    /// What is done, as in "can't `verb` the pod".
    pub verb: &'static str,
    /// What was done, as in "has been `done`".
    pub done: &'static str,
    /// What is wrong with a key and its value, if anything.
    pub check: fn(&str, &str) -> Result<(), String>,
}

impl Texts {
    /// Makes the entries as a rule says, of the pod or of its node.
    pub fn change(&self, pod: Pod<'_>, level: Level, entries: &Map<String, Value>) -> Result<Outcome, Failure> {
        let body = self.plan(entries).map_err(|failure| pod.concerned(failure))?;
        let done = format!("has been {}", self.done);
        let patch = |object| kubernetes::patch(object, PatchType::Merge, &body);
        match level {
            Level::Pod => {
                patch(&pod.object()).map_err(|error| pod.failure(self.verb, &error))?;
                Ok(Outcome::Done(pod.report(&done)))
            }
            Level::Node => {
                let object = pod.read()?;
                let node = Node::of(pod, &object)?;
                patch(&node.object()).map_err(|error| node.failure(self.verb, &error))?;
                Ok(Outcome::Done(node.report(&done)))
            }
        }
    }

    /// The merge patch that makes the entries as a rule says. Values are as people write them
    /// in YAML, so that `suspicious: true` means the text; an empty one removes the entry.
    pub fn plan(&self, entries: &Map<String, Value>) -> Result<Value, Failure> {
        let Self { key, entry, .. } = self;
        if entries.is_empty() {
            return Err(Failure::rejected(format!("parameter '{key}' should have at least one {entry}")));
        }
        let mut texts = Map::new();
        for (name, value) in entries {
            let text = self.text_of(name, value);
            let text = text.map_err(|reason| Failure::rejected(format!("wrong {entry} '{name}': {reason}")))?;
            texts.insert(name.clone(), if text.is_empty() { Value::Null } else { Value::String(text) });
        }
        Ok(json!({ "metadata": { *key: texts } }))
    }

    fn text_of(&self, name: &str, value: &Value) -> Result<String, String> {
        let text = match value {
            Value::Null => String::new(),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::String(value) => value.clone(),
            Value::Array(_) | Value::Object(_) => return Err("the value is not a text".to_owned()),
        };
        (self.check)(name, &text)?;
        Ok(text)
    }
}

/// Whether `key` is a key as the Kubernetes API wants it: `name`, or `a.domain/name`.
pub fn check_key(key: &str) -> Result<(), String> {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            check_prefix(prefix)?;
            name
        }
        None => key,
    };
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    check_word("name", name)
}

/// Whether `word` can be the name in a key, or the value of a label; `what` says which.
pub fn check_word(what: &str, word: &str) -> Result<(), String> {
    if word.len() > NAME_BYTES_MAX {
        return Err(format!("the {what} '{word}' is longer than {NAME_BYTES_MAX} characters"));
    }
    let valid = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(wrong) = word.chars().find(|c| !valid(c)) {
        let valid = "only letters, digits, '-', '_' and '.' are valid";
        return Err(format!("the {what} '{word}' has a '{wrong}', and {valid}"));
    }
    let ends = [word.chars().next(), word.chars().next_back()];
    if !ends.iter().flatten().all(char::is_ascii_alphanumeric) {
        return Err(format!("the {what} '{word}' must begin and end with a letter or a digit"));
    }
    Ok(())
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    let valid = prefix.len() <= PREFIX_BYTES_MAX && prefix.split('.').all(is_part_of_domain);
    if valid {
        return Ok(());
    }
    Err(format!("'{prefix}' before the '/' is not a domain name in lower case"))
}

fn is_part_of_domain(part: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !part.is_empty() && part.bytes().all(valid) && !part.starts_with('-') && !part.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Texts =
        Texts { key: "marks", entry: "mark", verb: "mark", done: "marked", check: |key, _| check_key(key) };

    fn plan(entries: &Value) -> Result<Value, Failure> {
        MARKS.plan(entries.as_object().unwrap())
    }

    #[test]
    fn entries_become_a_merge_patch() {
        fn check(entries: &Value, expected: &Value) {
            assert_eq!(plan(entries).unwrap(), json!({ "metadata": { "marks": expected } }));
        }
        check(&json!({"suspicious": true}), &json!({"suspicious": "true"}));
        check(&json!({"suspicious": "true"}), &json!({"suspicious": "true"}));
        check(&json!({"count": 3}), &json!({"count": "3"}));
        check(&json!({"gone": "", "gone-too": null}), &json!({"gone": null, "gone-too": null}));
        check(&json!({"pod": "x", "a.example/b": "c"}), &json!({"pod": "x", "a.example/b": "c"}));
    }

    #[test]
    fn wrong_entries_are_rejected() {
        fn check(entries: &Value, expected: &str) {
            assert_eq!(plan(entries).unwrap_err(), Failure::rejected(expected));
        }
        check(&json!({"a": ["b"]}), "wrong mark 'a': the value is not a text");
        check(&json!({"a": {"b": "c"}}), "wrong mark 'a': the value is not a text");
        check(&json!({}), "parameter 'marks' should have at least one mark");
        check(
            &json!({"a b": "c"}),
            "wrong mark 'a b': the name 'a b' has a ' ', and only letters, digits, '-', '_' and '.' are valid",
        );
    }

    #[test]
    fn keys() {
        fn check(key: &str, expected: Result<(), &str>) {
            assert_eq!(check_key(key), expected.map_err(str::to_owned), "{key}");
        }
        check("suspicious", Ok(()));
        check("app.kubernetes.io/name", Ok(()));
        check("A_b.c-9", Ok(()));
        check(&"a".repeat(63), Ok(()));
        check("", Err("the name is empty"));
        check("a.example/", Err("the name is empty"));
        check("/a", Err("'' before the '/' is not a domain name in lower case"));
        check("A.example/a", Err("'A.example' before the '/' is not a domain name in lower case"));
        check("a/b/c", Err("the name 'b/c' has a '/', and only letters, digits, '-', '_' and '.' are valid"));
        check("-a", Err("the name '-a' must begin and end with a letter or a digit"));
        let long = "a".repeat(64);
        check(&long, Err(&format!("the name '{long}' is longer than 63 characters")));
    }
}
