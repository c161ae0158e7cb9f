//! `kubernetes:annotation`: adds, changes and removes annotations of the pod of an event, or of
//! its node.
//!
//! What it shares with labels is in [`falco_talon_kit::metadata`]. A value is any text; a key
//! is that of a label, but for the case of the domain before the `/`. Does not know what the
//! annotations are for.

use falco_talon_kit::metadata::{Level, Texts, check_key};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Pod};
use serde::Deserialize;
use serde_json::{Map, Value};

const ANNOTATIONS: Texts =
    Texts { key: "annotations", entry: "annotation", verb: "annotate", done: "annotated", check };

/// Of all annotations of an object together, keys included; so no single one has more.
const ANNOTATION_BYTES_MAX: usize = 256 * 1024;

struct Annotation;

falco_talon_sdk::export!(Annotation);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    annotations: Map<String, Value>,
    #[serde(default)]
    level: Level,
}

impl Actionner for Annotation {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:annotation",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Add, modify or delete the annotations of the pod",
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
        ANNOTATIONS.change(event.pod()?, parameters.level, &parameters.annotations)
    }
}

fn check(key: &str, value: &str) -> Result<(), String> {
    // As the Kubernetes API does: it looks at the key in lower case.
    check_key(&key.to_ascii_lowercase())?;
    if key.len() + value.len() > ANNOTATION_BYTES_MAX {
        return Err(format!("the key and the value have more than {ANNOTATION_BYTES_MAX} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_any_text() {
        fn check(annotations: &Value, expected: &Value) {
            let plan = ANNOTATIONS.plan(annotations.as_object().unwrap());
            assert_eq!(plan, Ok(json!({ "metadata": { "annotations": expected } })));
        }
        check(&json!({"suspicious": true}), &json!({"suspicious": "true"}));
        check(&json!({"a.example/note": "a b/c\né"}), &json!({"a.example/note": "a b/c\né"}));
        check(&json!({"A.Example/Note": "{\"a\": 1}"}), &json!({"A.Example/Note": "{\"a\": 1}"}));
        check(
            &json!({"gone": "", "gone-too": null, "count": 0.5}),
            &json!({"gone": null, "gone-too": null, "count": "0.5"}),
        );
    }

    #[test]
    fn mistakes_are_named() {
        fn check(annotations: &Value, expected: &str) {
            let failure = ANNOTATIONS.plan(annotations.as_object().unwrap()).unwrap_err();
            assert_eq!(failure, Failure::rejected(expected));
        }
        check(&json!({}), "parameter 'annotations' should have at least one annotation");
        check(&json!({"a": ["b"]}), "wrong annotation 'a': the value is not a text");
        check(
            &json!({"a b": "c"}),
            "wrong annotation 'a b': the name 'a b' has a ' ', and only letters, digits, '-', '_' and '.' are valid",
        );
        check(
            &json!({"a": "b".repeat(ANNOTATION_BYTES_MAX)}),
            "wrong annotation 'a': the key and the value have more than 262144 bytes",
        );
    }
}
