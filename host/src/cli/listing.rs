//! How lists of the command line show an item: a head, and below it what it is, as YAML.

use serde_json::Value;

/// An item, in the original's shape.
pub(super) fn listed(name: &str, items: &[(&str, Value)]) -> String {
    format!("--- {name} ---\n\n{}", yaml(items))
}

/// The items in their own order, but for what there is not; below them, the serializer's.
pub(super) fn yaml(items: &[(&str, Value)]) -> String {
    let mut text = String::new();
    for (key, value) in items.iter().filter(|(_, value)| !value.is_null()) {
        let item = serde_json::Map::from_iter([((*key).to_owned(), value.clone())]);
        // A JSON value with text keys always has a form in YAML.
        text += &serde_saphyr::to_string(&item).unwrap_or_default();
    }
    text
}
