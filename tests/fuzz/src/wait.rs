//! The path of a wait's condition, and what it finds in an object.

use guest::{Condition, Expectation};
use serde_json::Value;

/// What one condition says of an object fits what the others say, and what looking for it another way finds.
///
/// The first line is the path, the second a text to compare with, what follows the object.
pub fn wait(data: &[u8]) {
    let Some([path, text, object]) = crate::lines(data) else { return };
    let Ok(object) = serde_json::from_str::<Value>(object) else { return };
    let expected = [
        Expectation::Exists,
        Expectation::Absent,
        Expectation::Equals(text.to_owned()),
        Expectation::Differs(text.to_owned()),
    ];
    let written = expected.map(|expected| (path.to_owned(), expected));
    let Ok(conditions) = Condition::parse_all(written.into()) else { return };
    let met: Vec<bool> = conditions.iter().map(|condition| condition.is_met(&object)).collect();
    let [exists, absent, equals, differs] = met[..] else { panic!("four were asked") };
    assert!(path.len() <= 512, "{path}");
    assert_ne!(exists, absent);
    assert!(!equals || exists);
    assert!(differs || exists && equals);
    let found = places(path, &object);
    assert_eq!(exists, !found.is_empty(), "{path} in {object}");
    assert_eq!(equals, found.iter().any(|found| text_of(found).as_deref() == Some(text)), "{path} in {object}");
}

/// Each place on its own, by one step after the other from the left.
fn places<'a>(path: &str, value: &'a Value) -> Vec<&'a Value> {
    if path.is_empty() {
        return if value.is_null() { Vec::new() } else { vec![value] };
    }
    if let Some((inner, rest)) = path.strip_prefix('[').and_then(|path| path.split_once(']')) {
        let items: Vec<&Value> = match (inner.split_once('='), value) {
            (Some((key, text)), Value::Array(items)) => {
                items.iter().filter(|item| item.get(key).and_then(text_of).as_deref() == Some(text)).collect()
            }
            (None, Value::Array(items)) if inner == "*" => items.iter().collect(),
            (None, Value::Object(map)) if inner != "*" => map.get(inner).into_iter().collect(),
            _ => Vec::new(),
        };
        return items.into_iter().flat_map(|item| places(rest, item)).collect();
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    let (key, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
    value.get(key).map(|value| places(rest, value)).unwrap_or_default()
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
