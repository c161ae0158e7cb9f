//! What the real API server checks of metadata, with its texts. Specifications have a file of
//! their own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::names::{dns_label, label_key, label_value, subdomain};
use super::resource::Resource;
use super::specification;
use super::status::Cause;

fn object_name(resource: &Resource, name: &str) -> Vec<String> {
    if resource.group == "rbac.authorization.k8s.io" {
        let bad =
            ["/", "%"].into_iter().filter(|part| name.contains(part)).map(|part| format!("may not contain '{part}'"));
        let dots = matches!(name, "." | "..").then(|| format!("may not be '{name}'"));
        return bad.chain(dots).collect();
    }
    if !matches!(resource.kind, "Namespace" | "Service") {
        return subdomain(name);
    }
    dns_label(name)
}

/// What is wrong with an object that is to be stored.
pub(super) fn object(resource: &Resource, object: &Value) -> Vec<Cause> {
    let metadata = &object["metadata"];
    let mut causes = Vec::new();
    let name = metadata["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        causes
            .extend(object_name(resource, name).iter().map(|text| Cause::invalid("metadata.name", &json!(name), text)));
    }
    causes.extend(labels("metadata.labels", &metadata["labels"]));
    for key in metadata["annotations"].as_object().into_iter().flatten().map(|(key, _)| key) {
        let texts = label_key(&key.to_lowercase());
        causes.extend(texts.iter().map(|text| Cause::invalid("metadata.annotations", &json!(key), text)));
    }
    causes.extend(owners(&metadata["ownerReferences"]));
    causes.extend(finalizers(&metadata["finalizers"]));
    causes.extend(specification::object(resource, object));
    causes
}

fn labels(field: &str, labels: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        causes.extend(label_key(key).iter().map(|text| Cause::invalid(field, &json!(key), text)));
        let texts = label_value(value.as_str().unwrap_or_default());
        causes.extend(texts.iter().map(|text| Cause::invalid(field, value, text)));
    }
    causes
}

fn owners(references: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let needed = [
        ("apiVersion", "version must not be empty"),
        ("kind", "must not be empty"),
        ("name", "must not be empty"),
        ("uid", "must not be empty"),
    ];
    for reference in references.as_array().into_iter().flatten() {
        for (field, text) in needed {
            if reference[field].as_str().unwrap_or_default().is_empty() {
                causes.push(Cause::invalid(format!("metadata.ownerReferences.{field}"), &json!(""), text));
            }
        }
    }
    causes
}

fn finalizers(finalizers: &Value) -> Vec<Cause> {
    const UNQUALIFIED: &str = "name is neither a standard finalizer name nor is it fully qualified";
    let names = finalizers.as_array().into_iter().flatten();
    let mut causes = Vec::new();
    for (index, name) in names.enumerate() {
        let text = name.as_str().unwrap_or_default();
        let wrong = label_key(text);
        causes.extend(wrong.iter().map(|text| Cause::invalid("metadata.finalizers", name, text)));
        if !text.contains('/') && !matches!(text, "orphan" | "foregroundDeletion" | "kubernetes") {
            let field = format!("metadata.finalizers[{index}]");
            causes.push(Cause::invalid(field, name, UNQUALIFIED));
        }
    }
    causes
}

/// What is wrong with a change from one object to another.
pub(super) fn change(resource: &Resource, old: &Value, new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for field in ["name", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (before, after) = (&old["metadata"][field], &new["metadata"][field]);
        if before != after {
            causes.push(Cause::invalid(format!("metadata.{field}"), after, "field is immutable"));
        }
    }
    if !old["metadata"]["deletionTimestamp"].is_null() {
        causes.extend(late_finalizers(&old["metadata"]["finalizers"], &new["metadata"]["finalizers"]));
    }
    causes.extend(specification::change(resource, old, new));
    causes
}

fn late_finalizers(old: &Value, new: &Value) -> Vec<Cause> {
    let set = |value: &Value| -> BTreeSet<String> {
        value.as_array().into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    };
    let late: Vec<String> = set(new).difference(&set(old)).map(|name| format!("{name:?}")).collect();
    if late.is_empty() {
        return Vec::new();
    }
    let text = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        late.join(", ")
    );
    vec![Cause::forbidden("metadata.finalizers", &text)]
}
