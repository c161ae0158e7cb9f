//! What the real API server checks of names, labels and the rest of the metadata, with its texts. Specifications have a file of
//! their own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::resource::Resource;
use super::specification;
use super::status::Cause;

const NAME_PART: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
    (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
    and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and \
    end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with \
    an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const LABEL_BYTES_MAX: usize = 63;
const SUBDOMAIN_BYTES_MAX: usize = 253;

/// What is wrong with a label's value.
pub(super) fn label_value(value: &str) -> Vec<String> {
    let mut texts = Vec::new();
    if value.len() > LABEL_BYTES_MAX {
        texts.push(format!("must be no more than {LABEL_BYTES_MAX} bytes"));
    }
    if !value.is_empty() && !is_name_part(value) {
        texts.push(LABEL_VALUE.to_owned());
    }
    texts
}

/// What is wrong with the key of a label or an annotation.
pub(super) fn label_key(key: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let parts: Vec<&str> = key.split('/').collect();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                texts.push("prefix part must be non-empty".to_owned());
            } else {
                texts.extend(subdomain(prefix).into_iter().map(|text| format!("prefix part {text}")));
            }
            name
        }
        _ => {
            let text = format!(
                "a valid label key {NAME_PART} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            );
            return vec![text];
        }
    };
    if name.is_empty() {
        texts.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_BYTES_MAX {
        texts.push(format!("name part must be no more than {LABEL_BYTES_MAX} bytes"));
    }
    if !is_name_part(name) {
        texts.push(format!("name part {NAME_PART}"));
    }
    texts
}

fn is_name_part(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric)) && bytes.iter().all(|byte| inner(*byte))
}

fn is_dns_label(text: &str) -> bool {
    let lower = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(lower)) && bytes.iter().all(|byte| lower(byte) || *byte == b'-')
}

/// What is wrong with the name of a container, among others.
pub(super) fn dns_label(text: &str) -> Vec<String> {
    let mut texts = Vec::new();
    if text.len() > LABEL_BYTES_MAX {
        texts.push(format!("must be no more than {LABEL_BYTES_MAX} bytes"));
    }
    if !is_dns_label(text) {
        texts.push(DNS_LABEL.to_owned());
    }
    texts
}

fn subdomain(text: &str) -> Vec<String> {
    let mut texts = Vec::new();
    if text.len() > SUBDOMAIN_BYTES_MAX {
        texts.push(format!("must be no more than {SUBDOMAIN_BYTES_MAX} bytes"));
    }
    if !text.split('.').all(is_dns_label) {
        texts.push(SUBDOMAIN.to_owned());
    }
    texts
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys_and_values_are_checked() {
        for good in ["a", "A-b_c.9", "example.org/x"] {
            assert_eq!(label_key(good), Vec::<String>::new(), "{good}");
        }
        for bad in ["", "/x", "a/", "-a", "a b", "A_/x", "a/b/c"] {
            assert_ne!(label_key(bad), Vec::<String>::new(), "{bad}");
        }
        assert_eq!(label_value(""), Vec::<String>::new());
        assert_eq!(label_value("ends-"), [LABEL_VALUE]);
        assert_eq!(label_value(&"a".repeat(64)), ["must be no more than 63 bytes"]);
    }
}
