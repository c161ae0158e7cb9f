//! The owner that an object claims to have, and what must be so for it to be one.
//!
//! Owner references are written by whoever may write the object. So what they name may be read, and is a target only
//! once it was: by the uid that is written down, and, of workloads, with a selector that matches the pod.

use serde_json::{Map, Value};

use crate::address::{ObjectId, check_name, is_own_group, known_by_kind, may_own_pods};

/// An owner that was not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// Which object it is said to be.
    pub(super) owner: ObjectId,
    uid: String,
    selects: bool,
    /// Those of the object at the lower end, which a workload selects.
    labels: Map<String, Value>,
}

impl Claim {
    /// The controller that an object says it has, if that can be one. `labels` are those of the object
    /// at the lower end of the chain.
    pub(super) fn of(owned: &ObjectId, object: &Value, labels: Map<String, Value>) -> Option<Self> {
        let references = object["metadata"]["ownerReferences"].as_array()?;
        let controller = references.iter().find(|it| it["controller"] == true)?;
        let text = |key: &str| controller[key].as_str();
        let (group, kind, name) = (group_of(text("apiVersion")?), text("kind")?, text("name")?);
        let uid = text("uid").filter(|uid| !uid.is_empty())?;
        check_name(name).ok()?;
        let own = known_by_kind(group, kind);
        let resource = match own {
            Some(known) => known.resource.to_owned(),
            None => plural_of_custom_kind(group, kind)?,
        };
        // Of a cron job nothing shows whether it owns what says so, but that it makes jobs and no pods.
        let is_of_job = (owned.group.as_str(), owned.resource.as_str()) == ("batch", "jobs");
        if !may_own_pods(group, &resource) || (resource == "cronjobs" && group == "batch" && !is_of_job) {
            return None;
        }
        Some(Self {
            // A cron job selects nothing, and what others have added selects in ways of its own.
            selects: own.is_some() && resource != "cronjobs",
            owner: ObjectId::new(group, &resource, Some(owned.namespace.as_deref()?), name),
            uid: uid.to_owned(),
            labels,
        })
    }

    /// Whether this object, which was read at the owner's address, is that owner.
    pub(super) fn is_true_of(&self, object: &Value) -> bool {
        object["metadata"]["uid"] == *self.uid
            && (!self.selects || is_selected(&object["spec"]["selector"], &self.labels))
    }

    /// The labels that the next owner above has to select.
    pub(super) fn into_labels(self) -> Map<String, Value> {
        self.labels
    }
}

/// Whether a selector, as workloads have it, selects what has these labels. An empty one selects nothing here.
fn is_selected(selector: &Value, labels: &Map<String, Value>) -> bool {
    let Some(selector) = selector.as_object().filter(|selector| !selector.is_empty()) else { return false };
    let has = |(key, value): (&String, &Value)| labels.get(key) == Some(value);
    if !selector.contains_key("matchLabels") && !selector.contains_key("matchExpressions") {
        // As a ReplicationController has it.
        return selector.iter().all(has);
    }
    let mut expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten().all(has)
        && expressions.all(|expression| {
            let value = expression["key"].as_str().and_then(|key| labels.get(key));
            let values = expression["values"].as_array().map(Vec::as_slice).unwrap_or_default();
            match expression["operator"].as_str() {
                Some("In") => value.is_some_and(|value| values.contains(value)),
                Some("NotIn") => value.is_none_or(|value| !values.contains(value)),
                Some("Exists") => value.is_some(),
                Some("DoesNotExist") => value.is_none(),
                _ => false,
            }
        })
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The plural of a kind that others have added to the cluster, by the rule that its tools
/// follow. Where a plural is irregular the guess names nothing, and the object is not a target.
/// Groups of Kubernetes itself are not guessed: their kinds are known.
fn plural_of_custom_kind(group: &str, kind: &str) -> Option<String> {
    if is_own_group(group) || kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let singular = kind.to_ascii_lowercase();
    let ends_in_vowel_y = ["ay", "ey", "oy", "uy"].iter().any(|end| singular.ends_with(end));
    let ends_in_hiss = ["s", "x", "z", "ch", "sh"].iter().any(|end| singular.ends_with(end));
    Some(match singular.strip_suffix('y') {
        Some(stem) if !ends_in_vowel_y => format!("{stem}ies"),
        _ if ends_in_hiss => format!("{singular}es"),
        _ => format!("{singular}s"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_selects_by_all_that_it_says() {
        fn check(selector: &Value, expected: bool) {
            let labels = json!({"app": "web", "tier": "front"});
            assert_eq!(is_selected(selector, labels.as_object().unwrap()), expected, "{selector}");
        }
        check(&json!({"matchLabels": {"app": "web"}}), true);
        check(&json!({"matchLabels": {"app": "web", "tier": "back"}}), false);
        check(&json!({"app": "web"}), true);
        check(&json!({"app": "other"}), false);
        let expression = |operator, values| json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": operator, "values": values}]});
        check(&expression("In", json!(["front"])), true);
        check(&expression("In", json!(["back"])), false);
        check(&expression("NotIn", json!(["back"])), true);
        check(&expression("NotIn", json!(["front"])), false);
        check(&expression("Exists", Value::Null), true);
        check(&expression("DoesNotExist", Value::Null), false);
        check(&expression("Like", json!(["front"])), false);
        check(&json!({}), false);
        check(&Value::Null, false);
    }
}
