//! Who owns an object, and where that owner is to be read.
//!
//! Does not read anything: the caller does, one owner after the other, as far up as it needs.

use serde_json::{Value, json};

use crate::kubernetes::Object;

/// An entry of an object's `metadata.ownerReferences`.
#[derive(Debug, Clone, PartialEq)]
pub struct Owner {
    /// As in a manifest, e.g. `apps/v1`.
    pub api_version: String,
    /// E.g. `ReplicaSet`.
    pub kind: String,
    /// The owner's name, in the namespace of what it owns.
    pub name: String,
    /// The owner's `metadata.uid`.
    pub uid: String,
}

/// The workloads of Kubernetes itself: group, kind and plural.
const WORKLOADS: [(&str, &str, &str); 7] = [
    ("apps", "ReplicaSet", "replicasets"),
    ("apps", "Deployment", "deployments"),
    ("apps", "StatefulSet", "statefulsets"),
    ("apps", "DaemonSet", "daemonsets"),
    ("batch", "Job", "jobs"),
    ("batch", "CronJob", "cronjobs"),
    ("", "ReplicationController", "replicationcontrollers"),
];

impl Owner {
    /// The owner that an object says controls it, and no other. Whoever may write the object may write it, so what
    /// depends on it has to be [confirmed](Self::is_confirmed_by).
    #[must_use]
    pub fn controlling(object: &Value) -> Option<Self> {
        let references = object["metadata"]["ownerReferences"].as_array()?;
        Self::from_reference(references.iter().find(|it| it["controller"] == true)?)
    }

    fn from_reference(reference: &Value) -> Option<Self> {
        let text = |key: &str| reference[key].as_str().map(str::to_owned);
        Some(Self { api_version: text("apiVersion")?, kind: text("kind")?, name: text("name")?, uid: text("uid")? })
    }

    /// The object itself as an owner of others; none where it lacks a name or a `uid`.
    #[must_use]
    pub fn from_object(object: &Value, api_version: &str, kind: &str) -> Option<Self> {
        let text = |key: &str| object["metadata"][key].as_str().map(str::to_owned);
        Some(Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: text("name")?,
            uid: text("uid")?,
        })
    }

    /// Whether it is of a kind of Kubernetes itself, e.g. `apps` and `DaemonSet`: others may
    /// call something of their own a DaemonSet.
    #[must_use]
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group() == group && self.kind == kind
    }

    /// Its address, where it is a workload of Kubernetes itself.
    #[must_use]
    pub fn object(&self, namespace: &str) -> Option<Object> {
        let (_, _, resource) = WORKLOADS.iter().find(|(group, kind, _)| self.is(group, kind))?;
        Some(Object::namespaced(&self.api_version, resource, namespace, &self.name))
    }

    /// Whether `workload`, which was read at its [address](Self::object), is this owner of a pod: it has the uid that
    /// was written down, and selects the pod, where workloads of its kind select any.
    #[must_use]
    pub fn is_confirmed_by(&self, workload: &Value, pod: &Value) -> bool {
        let selects = || selects(&workload["spec"]["selector"], &pod["metadata"]["labels"]);
        workload["metadata"]["uid"] == self.uid && (self.is("batch", "CronJob") || selects())
    }

    /// The entry to write into `metadata.ownerReferences` of what should go when it goes.
    #[must_use]
    pub fn reference(&self) -> Value {
        json!({
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
        })
    }

    fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

/// Whether a selector, as workloads have it, selects what has these labels. An empty one selects nothing here.
fn selects(selector: &Value, labels: &Value) -> bool {
    let Some(selector) = selector.as_object().filter(|selector| !selector.is_empty()) else { return false };
    let has = |(key, value): (&String, &Value)| labels.get(key) == Some(value);
    let (equal, expressions) = (selector.get("matchLabels"), selector.get("matchExpressions"));
    if equal.is_none() && expressions.is_none() {
        // As a ReplicationController has it.
        return selector.iter().all(has);
    }
    let mut expressions = expressions.and_then(Value::as_array).into_iter().flatten();
    let holds = |expression: &Value| {
        let value = expression["key"].as_str().and_then(|key| labels.get(key));
        let is_listed = |value| expression["values"].as_array().is_some_and(|values| values.contains(value));
        match expression["operator"].as_str() {
            Some("In") => value.is_some_and(is_listed),
            Some("NotIn") => !value.is_some_and(is_listed),
            Some("Exists") => value.is_some(),
            Some("DoesNotExist") => value.is_none(),
            _ => false,
        }
    };
    equal.and_then(Value::as_object).into_iter().flatten().all(has) && expressions.all(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(kind: &str, controller: bool) -> Value {
        json!({"apiVersion": "apps/v1", "kind": kind, "name": "web", "uid": "1", "controller": controller})
    }

    #[test]
    fn an_owner_that_does_not_control_controls_nothing() {
        fn check(references: &Value, expected: Option<&str>) {
            let owner = Owner::controlling(&json!({"metadata": {"ownerReferences": references}}));
            assert_eq!(owner.as_ref().map(|owner| owner.kind.as_str()), expected);
        }
        check(&json!([reference("A", false), reference("ReplicaSet", true)]), Some("ReplicaSet"));
        check(&json!([reference("A", false)]), None);
        check(&json!([]), None);
        check(&json!([{"kind": "ReplicaSet", "controller": true}]), None);
        check(&Value::Null, None);
    }

    #[test]
    fn an_owner_is_confirmed_by_its_uid_and_its_selector() {
        fn check(uid: &str, selector: &Value, expected: bool) {
            let owner = Owner::controlling(&json!({"metadata": {"ownerReferences": [reference("ReplicaSet", true)]}}));
            let pod = json!({"metadata": {"labels": {"app": "web", "tier": "front"}}});
            let workload = json!({"metadata": {"uid": uid}, "spec": {"selector": selector}});
            assert_eq!(owner.unwrap().is_confirmed_by(&workload, &pod), expected, "{workload}");
        }
        let expression = |operator, values| json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": operator, "values": values}]});
        check("1", &json!({"matchLabels": {"app": "web"}}), true);
        check("2", &json!({"matchLabels": {"app": "web"}}), false);
        check("1", &json!({"matchLabels": {"app": "web", "tier": "back"}}), false);
        check("1", &json!({"app": "web"}), true);
        check("1", &json!({"app": "other"}), false);
        check("1", &expression("In", json!(["front"])), true);
        check("1", &expression("In", json!(["back"])), false);
        check("1", &expression("NotIn", json!(["back"])), true);
        check("1", &expression("NotIn", json!(["front"])), false);
        check("1", &expression("Exists", Value::Null), true);
        check("1", &expression("DoesNotExist", Value::Null), false);
        check("1", &expression("Like", json!(["front"])), false);
        check("1", &json!({}), false);
        check("1", &Value::Null, false);
    }

    #[test]
    fn only_workloads_of_kubernetes_have_an_address() {
        fn check(api_version: &str, kind: &str, expected: Option<&str>) {
            let owner = Owner {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                name: "web".to_owned(),
                uid: "1".to_owned(),
            };
            let object = owner.object("n");
            assert_eq!(object.as_ref().map(|object| object.resource.as_str()), expected);
        }
        check("apps/v1", "ReplicaSet", Some("replicasets"));
        check("apps/v1", "StatefulSet", Some("statefulsets"));
        check("batch/v1", "Job", Some("jobs"));
        check("v1", "ReplicationController", Some("replicationcontrollers"));
        check("acme.example/v1", "ReplicaSet", None);
        check("v1", "Node", None);
    }
}
