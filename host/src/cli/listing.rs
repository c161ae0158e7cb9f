//! Items of a list in the original's shape: a header, and a YAML map of what each says of itself.

use serde_json::Value;

/// Nested values stand so far to the right, as in the original's lists.
const INDENT: usize = 4;

/// One item: its name, and below it what it says, in this order but for what there is not.
pub(super) fn listed(name: &str, items: &[(&str, Value)]) -> String {
    format!("--- {name} ---\n\n{}", yaml(items))
}

/// The items in their own order, but for what there is not; below them, the serializer's.
pub(super) fn yaml(items: &[(&str, Value)]) -> String {
    let mut text = String::new();
    for (key, value) in items.iter().filter(|(_, value)| !value.is_null()) {
        let item = serde_json::Map::from_iter([((*key).to_owned(), value.clone())]);
        let options = serde_saphyr::ser_options! { indent_step: INDENT };
        // A JSON value with text keys always has a form in YAML.
        text += &serde_saphyr::to_string_with_options(&item, options).unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_is_listed_as_the_original_does() {
        let items = [
            ("name", json!("label")),
            ("source", Value::Null),
            ("parameters", json!({"labels (required)": {}, "level": "pod", "inner": {"b": 1, "a": "x"}})),
            ("example", json!("- a: b\n  c: d\n")),
        ];
        expect![[r#"
            --- kubernetes:label ---

            name: label
            parameters:
                inner:
                    a: x
                    b: 1
                labels (required): {}
                level: pod
            example: |
                - a: b
                  c: d
        "#]]
        .assert_eq(&listed("kubernetes:label", &items));
    }
}
