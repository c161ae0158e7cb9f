//! The reference: each key of the language stands in one of its examples.

use policy::Policy;

const REFERENCE: &str = include_str!("../../README.md");

/// The keys that can stand where `text` has one that can't, as its error lists them.
fn keys(text: &str) -> Vec<String> {
    let errors = Policy::parse("policy.yaml", text).unwrap_err();
    let error = errors.iter().map(ToString::to_string).find(|error| error.contains("`no-key` is not a key here"));
    let error = error.unwrap_or_else(|| panic!("{text}: {errors:?}"));
    let (_, valid) = error.split_once("valid are ").unwrap();
    valid.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
}

fn examples() -> Vec<&'static str> {
    let blocks = REFERENCE.split("```yaml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn each_key_stands_in_an_example() {
    let in_entry = |text: &str| format!("actionners: {{acme:x: {text}}}");
    let places = [
        "no-key: 1".to_owned(),
        "protected: {no-key: 1}".to_owned(),
        "unprotected: {no-key: 1}".to_owned(),
        "limits: {no-key: 1}".to_owned(),
        in_entry("{no-key: 1}"),
        in_entry("{kubernetes: [{no-key: 1}]}"),
        in_entry("{kubernetes: [{fields: [{no-key: 1}]}]}"),
        in_entry("{functions: [{no-key: 1}]}"),
        in_entry("{http: [{no-key: 1}]}"),
        in_entry("{http: [{headers: {A: {no-key: 1}}}]}"),
        in_entry("{objects: [{no-key: 1}]}"),
    ];
    let examples = examples().concat();
    let words: Vec<&str> = examples.split([' ', '{', '\n']).collect();
    for place in places {
        for key in keys(&place) {
            assert!(words.contains(&format!("{key}:").as_str()), "`{key}` of `{place}` has no example");
        }
    }
}

#[test]
fn each_example_is_a_policy() {
    for example in examples() {
        Policy::parse("policy.yaml", example).unwrap_or_else(|errors| panic!("{example}\n{errors:#?}"));
    }
}
