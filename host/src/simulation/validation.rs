//! What the real API server checks of names, labels and the specifications that actionners write, with its texts.
//!
//! It is not everything that the real one checks: kinds that nothing here writes are taken as they are.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::resource::Resource;
use super::selector::LabelSelector;
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
const POD_UPDATE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
    (allow it to be set to 1 if it was previously negative)";

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
                texts.extend(
                    subdomain(prefix)
                        .into_iter()
                        .map(|text| format!("prefix part {text}")),
                );
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
        texts.push(format!(
            "name part must be no more than {LABEL_BYTES_MAX} bytes"
        ));
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
    ends.iter()
        .all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|byte| inner(*byte))
}

fn is_dns_label(text: &str) -> bool {
    let lower = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(lower))
        && bytes.iter().all(|byte| lower(byte) || *byte == b'-')
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
        let bad = ["/", "%"]
            .into_iter()
            .filter(|part| name.contains(part))
            .map(|part| format!("may not contain '{part}'"));
        let dots = matches!(name, "." | "..").then(|| format!("may not be '{name}'"));
        return bad.chain(dots).collect();
    }
    if !matches!(resource.kind, "Namespace" | "Service") {
        return subdomain(name);
    }
    let mut texts = Vec::new();
    if name.len() > LABEL_BYTES_MAX {
        texts.push(format!("must be no more than {LABEL_BYTES_MAX} bytes"));
    }
    if !is_dns_label(name) {
        texts.push(DNS_LABEL.to_owned());
    }
    texts
}

/// What is wrong with an object that is to be stored.
pub(super) fn object(resource: &Resource, object: &Value) -> Vec<Cause> {
    let metadata = &object["metadata"];
    let mut causes = Vec::new();
    let name = metadata["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        causes.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else {
        causes.extend(
            object_name(resource, name)
                .iter()
                .map(|text| Cause::invalid("metadata.name", &json!(name), text)),
        );
    }
    causes.extend(labels("metadata.labels", &metadata["labels"]));
    for key in metadata["annotations"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
    {
        let texts = label_key(&key.to_lowercase());
        causes.extend(
            texts
                .iter()
                .map(|text| Cause::invalid("metadata.annotations", &json!(key), text)),
        );
    }
    causes.extend(owners(&metadata["ownerReferences"]));
    causes.extend(finalizers(&metadata["finalizers"]));
    let spec = &object["spec"];
    match resource.kind {
        "Pod" => causes.extend(pod_spec("spec", spec)),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => causes.extend(workload(spec)),
        "NetworkPolicy" if !resource.custom => causes.extend(network_policy(spec)),
        _ => {}
    }
    causes
}

fn labels(field: &str, labels: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        causes.extend(
            label_key(key)
                .iter()
                .map(|text| Cause::invalid(field, &json!(key), text)),
        );
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
    for (index, reference) in references.as_array().into_iter().flatten().enumerate() {
        for (field, text) in needed {
            if reference[field].as_str().unwrap_or_default().is_empty() {
                causes.push(Cause::invalid(
                    format!("metadata.ownerReferences[{index}].{field}"),
                    &json!(""),
                    text,
                ));
            }
        }
    }
    causes
}

fn finalizers(finalizers: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for finalizer in finalizers
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        causes.extend(
            label_key(finalizer)
                .iter()
                .map(|text| Cause::invalid("metadata.finalizers", &json!(finalizer), text)),
        );
    }
    causes
}

fn pod_spec(field: &str, spec: &Value) -> Vec<Cause> {
    let containers = spec["containers"].as_array().map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        return vec![Cause::required(format!("{field}.containers"), "")];
    }
    let mut causes = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        for part in ["name", "image"] {
            if container[part].as_str().unwrap_or_default().is_empty() {
                causes.push(Cause::required(
                    format!("{field}.containers[{index}].{part}"),
                    "",
                ));
            }
        }
    }
    causes
}

fn workload(spec: &Value) -> Vec<Cause> {
    let labels = &spec["template"]["metadata"]["labels"];
    let mut causes = Vec::new();
    if spec["selector"].is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else if !LabelSelector::of(&spec["selector"]).matches(labels) {
        let text = "`selector` does not match template `labels`";
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            labels,
            text,
        ));
    }
    causes.extend(pod_spec("spec.template.spec", &spec["template"]["spec"]));
    causes
}

fn network_policy(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (rule_index, rule) in spec[direction].as_array().into_iter().flatten().enumerate() {
            for (peer_index, peer) in rule[peers].as_array().into_iter().flatten().enumerate() {
                let field = format!("spec.{direction}[{rule_index}].{peers}[{peer_index}]");
                causes.extend(peer_causes(&field, peer));
            }
        }
    }
    causes
}

fn peer_causes(field: &str, peer: &Value) -> Vec<Cause> {
    const CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    let Some(block) = peer.get("ipBlock") else {
        return Vec::new();
    };
    if peer.get("podSelector").is_some() || peer.get("namespaceSelector").is_some() {
        return vec![Cause::forbidden(
            field,
            "may not specify both ipBlock and another peer",
        )];
    }
    let exceptions = block["except"].as_array().into_iter().flatten().enumerate();
    let exceptions =
        exceptions.map(|(index, value)| (format!("{field}.ipBlock.except[{index}]"), value));
    let all = std::iter::once((format!("{field}.ipBlock.cidr"), &block["cidr"])).chain(exceptions);
    let wrong = all.filter(|(_, value)| {
        value
            .as_str()
            .is_none_or(|text| text.parse::<ipnet::IpNet>().is_err())
    });
    wrong
        .map(|(field, value)| Cause::invalid(field, value, CIDR))
        .collect()
}

/// What is wrong with a change from one object to another.
pub(super) fn change(resource: &Resource, old: &Value, new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for field in [
        "name",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        let (before, after) = (&old["metadata"][field], &new["metadata"][field]);
        if before != after {
            causes.push(Cause::invalid(
                format!("metadata.{field}"),
                after,
                "field is immutable",
            ));
        }
    }
    if !old["metadata"]["deletionTimestamp"].is_null() {
        causes.extend(late_finalizers(
            &old["metadata"]["finalizers"],
            &new["metadata"]["finalizers"],
        ));
    }
    let (old_spec, new_spec) = (&old["spec"], &new["spec"]);
    match resource.kind {
        "Pod" => causes.extend(pod_change(old_spec, new_spec)),
        "Deployment" | "ReplicaSet" | "DaemonSet"
            if old_spec["selector"] != new_spec["selector"] =>
        {
            causes.push(Cause::invalid(
                "spec.selector",
                &new_spec["selector"],
                "field is immutable",
            ));
        }
        "RoleBinding" | "ClusterRoleBinding" if old["roleRef"] != new["roleRef"] => {
            causes.push(Cause::invalid(
                "roleRef",
                &new["roleRef"],
                "cannot change roleRef",
            ));
        }
        "ConfigMap" | "Secret" if old["immutable"] == true => {
            if new["immutable"] != true {
                causes.push(Cause::forbidden(
                    "immutable",
                    "field is immutable when `immutable` is set",
                ));
            }
            for field in ["data", "binaryData"]
                .into_iter()
                .filter(|field| old[*field] != new[*field])
            {
                causes.push(Cause::forbidden(
                    field,
                    "field is immutable when `immutable` is set",
                ));
            }
        }
        _ => {}
    }
    causes
}

fn late_finalizers(old: &Value, new: &Value) -> Vec<Cause> {
    let set = |value: &Value| -> BTreeSet<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect()
    };
    let late: Vec<String> = set(new)
        .difference(&set(old))
        .map(|name| format!("{name:?}"))
        .collect();
    if late.is_empty() {
        return Vec::new();
    }
    let text = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        late.join(", ")
    );
    vec![Cause::forbidden("metadata.finalizers", &text)]
}

fn pod_change(old: &Value, new: &Value) -> Vec<Cause> {
    let count = |spec: &Value, list: &str| spec[list].as_array().map_or(0, Vec::len);
    for list in ["containers", "initContainers"] {
        if count(old, list) != count(new, list) {
            return vec![Cause::forbidden(
                format!("spec.{list}"),
                "pod updates may not add or remove containers",
            )];
        }
    }
    let old_tolerations = old["tolerations"].as_array().map_or(&[][..], Vec::as_slice);
    let new_tolerations = new["tolerations"].as_array().map_or(&[][..], Vec::as_slice);
    if !old_tolerations
        .iter()
        .all(|toleration| new_tolerations.contains(toleration))
    {
        let text = "existing toleration can not be modified except its tolerationSeconds";
        return vec![Cause::forbidden("spec.tolerations", text)];
    }
    if without_mutable(old) == without_mutable(new) {
        Vec::new()
    } else {
        vec![Cause::forbidden("spec", POD_UPDATE)]
    }
}

/// A pod's specification without what may change.
fn without_mutable(spec: &Value) -> Value {
    let mut spec = spec.clone();
    for list in ["containers", "initContainers"] {
        for container in spec[list]
            .as_array_mut()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            container.remove("image");
        }
    }
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|field, value| {
            !matches!(
                field.as_str(),
                "tolerations" | "activeDeadlineSeconds" | "schedulingGates"
            ) && !value.is_null()
        });
    }
    spec
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
        assert_eq!(
            label_value(&"a".repeat(64)),
            ["must be no more than 63 bytes"]
        );
    }
}
