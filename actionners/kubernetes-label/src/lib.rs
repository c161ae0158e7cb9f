//! `kubernetes:label`: adds, changes and removes labels of the pod of an event, or of its node.
//!
//! What it shares with annotations is in [`falco_talon_kit::metadata`]; this knows the syntax of
//! a label's value. The schema has the same rules as patterns, for rules files; here it is said
//! what is wrong. Does not know what the labels are for.

use falco_talon_kit::metadata::{Level, Texts, check_key, check_word};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Pod};
use serde::Deserialize;
use serde_json::{Map, Value};

const LABELS: Texts = Texts { key: "labels", entry: "label", verb: "label", done: "labeled", check };

struct Label;

falco_talon_sdk::export!(Label);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    labels: Map<String, Value>,
    #[serde(default)]
    level: Level,
}

impl Actionner for Label {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:label",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Add, modify or delete the labels of the pod",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        reads: Some(&[]),
        repeatable: true,
        needs: include_str!("../needs.json"),
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        LABELS.change(event.pod()?, parameters.level, &parameters.labels)
    }
}

fn check(key: &str, value: &str) -> Result<(), String> {
    check_key(key)?;
    if value.is_empty() { Ok(()) } else { check_word("value", value) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_those_of_the_metadata() {
        let labels = json!({"suspicious": true, "a.example/b": "1.2.3", "gone": ""});
        let expected = json!({"suspicious": "true", "a.example/b": "1.2.3", "gone": null});
        let plan = LABELS.plan(labels.as_object().unwrap());
        assert_eq!(plan, Ok(json!({ "metadata": { "labels": expected } })));
    }

    #[test]
    fn mistakes_are_named() {
        fn check(labels: &Value, expected: &str) {
            let failure = LABELS.plan(labels.as_object().unwrap()).unwrap_err();
            assert_eq!(failure, Failure::rejected(expected));
        }
        check(&json!({}), "parameter 'labels' should have at least one label");
        check(
            &json!({"A.example/a": "b"}),
            "wrong label 'A.example/a': 'A.example' before the '/' is not a domain name in lower case",
        );
        check(
            &json!({"a": "c/d"}),
            "wrong label 'a': the value 'c/d' has a '/', and only letters, digits, '-', '_' and '.' are valid",
        );
        check(&json!({"a": "b."}), "wrong label 'a': the value 'b.' must begin and end with a letter or a digit");
        check(
            &json!({"a": "é"}),
            "wrong label 'a': the value 'é' has a 'é', and only letters, digits, '-', '_' and '.' are valid",
        );
    }
}
