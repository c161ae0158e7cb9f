//! The fields that an apply gives up: those that its field manager holds, and that the body does not have any more.
//!
//! The API server removes them where nobody else holds them, so they count as touched. Does not know who the manager is.

use serde_json::{Map, Value};

use super::field::{TouchedField, Written};
use crate::grants::{FieldPath, Segment};

/// Deeper than any object of Kubernetes.
const DEPTH_MAX: usize = 128;

/// What is removed when a field manager that holds `held` applies `body`. `held` is the `fieldsV1` of its entry in
/// `metadata.managedFields`.
#[must_use]
pub fn given_up_fields(held: &Value, body: &Value) -> Vec<TouchedField> {
    let mut fields = Vec::new();
    if let Some(held) = held.as_object() {
        walk(held, Some(body), &mut Vec::new(), &mut fields);
    }
    fields
}

fn walk(held: &Map<String, Value>, body: Option<&Value>, path: &mut Vec<Segment>, fields: &mut Vec<TouchedField>) {
    for (step, inner) in held {
        // `k:`, `v:` and `i:` are items of a list, which a body that has the list sets as a whole.
        let Some(key) = step.strip_prefix("f:") else { continue };
        path.push(Segment::Key(key.to_owned()));
        let inner = inner.as_object().filter(|inner| inner.keys().any(|step| step.starts_with("f:")));
        match (body.and_then(|body| body.get(key)), inner) {
            (Some(within @ Value::Object(_)), Some(inner)) if path.len() < DEPTH_MAX => {
                walk(inner, Some(within), path, fields);
            }
            // The body sets it.
            (Some(_), _) => {}
            (None, Some(inner)) if path.len() < DEPTH_MAX => walk(inner, None, path, fields),
            (None, _) => fields.push(TouchedField { path: FieldPath::new(path.clone()), written: Written::Nothing }),
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_held_and_not_applied_is_given_up() {
        fn check(body: &Value, expected: &[&str]) {
            let held = json!({
                "f:metadata": {
                    "f:labels": {".": {}, "f:app": {}, "f:acme.example/team": {}},
                    "f:ownerReferences": {"k:{\"uid\":\"1\"}": {}},
                },
                "f:spec": {
                    "f:podSelector": {},
                    "f:policyTypes": {"v:\"Egress\"": {}},
                    "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:image": {}}}}},
                },
            });
            let given_up = given_up_fields(&held, body);
            let given_up: Vec<String> = given_up.iter().map(ToString::to_string).collect();
            assert_eq!(given_up, expected, "{body}");
        }
        let metadata = json!({"labels": {"app": "a", "acme.example/team": "b"}, "ownerReferences": []});
        let template = json!({"spec": {"containers": []}});
        check(
            &json!({
                "metadata": metadata,
                "spec": {"podSelector": {}, "policyTypes": [], "template": template},
            }),
            &[],
        );
        check(
            &json!({"metadata": metadata}),
            &["spec.podSelector", "spec.policyTypes", "spec.template.spec.containers"],
        );
        check(
            &json!({"metadata": {"labels": {"app": "a"}}, "spec": {"podSelector": {}, "template": template}}),
            &["metadata.labels[acme.example/team]", "metadata.ownerReferences", "spec.policyTypes"],
        );
        check(&json!({"metadata": metadata, "spec": null}), &[]);
    }
}
