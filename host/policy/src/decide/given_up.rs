//! What an apply touches beyond what its body says: what it gives up, and what it replaces as a whole.
//!
//! A field that its field manager holds and that the body does not have any more is removed, where nobody else holds it.
//! Some maps are one field to the API server, a selector for one: to set one of its keys is to remove the others. Does
//! not know who the managers are.

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

/// The maps that are set as a whole when `body` is applied, though it has some of their keys only. `held` is the
/// `fieldsV1` of any manager.
#[must_use]
pub fn replaced_maps(held: &Value, body: &Value) -> Vec<TouchedField> {
    let mut fields = Vec::new();
    if let Some(held) = held.as_object() {
        maps(held, body, &mut Vec::new(), &mut fields);
    }
    fields
}

fn maps(held: &Map<String, Value>, body: &Value, path: &mut Vec<Segment>, fields: &mut Vec<TouchedField>) {
    for (step, inner) in held {
        // Labels, annotations and the like are held key by key, be it that somebody holds an empty map.
        if path.is_empty() && step == "f:metadata" {
            continue;
        }
        let Some(key) = step.strip_prefix("f:") else { continue };
        let (Some(within), Some(inner)) = (body.get(key).filter(|it| it.is_object()), inner.as_object()) else {
            continue;
        };
        path.push(Segment::Key(key.to_owned()));
        if inner.is_empty() {
            fields.push(TouchedField { path: FieldPath::new(path.clone()), written: Written::Composite });
        } else if path.len() < DEPTH_MAX {
            maps(inner, within, path, fields);
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_map_that_is_one_field_is_replaced_whole() {
        fn check(body: &Value, expected: &[&str]) {
            let held = json!({
                "f:metadata": {"f:labels": {}},
                "f:spec": {"f:selector": {}, "f:template": {"f:spec": {"f:nodeSelector": {}, "f:replicas": {}}}},
            });
            let replaced: Vec<String> = replaced_maps(&held, body).iter().map(ToString::to_string).collect();
            assert_eq!(replaced, expected, "{body}");
        }
        check(&json!({"metadata": {"labels": {"a": "b"}}}), &[]);
        check(&json!({"spec": {"selector": {"quarantine": "1"}}}), &["spec.selector"]);
        check(
            &json!({"spec": {"template": {"spec": {"nodeSelector": {}, "replicas": 2}}}}),
            &["spec.template.spec.nodeSelector"],
        );
        check(&json!({"spec": {"selector": null, "template": []}}), &[]);
    }

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
