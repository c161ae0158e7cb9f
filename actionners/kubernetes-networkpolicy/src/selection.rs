//! Which pods a policy isolates, how it is called and with what it goes.
//!
//! Does not know what traffic stays allowed.

use falco_talon_sdk::kubernetes::Object;
use falco_talon_sdk::names::{LABEL_VALUE_BYTES_MAX, NAME_BYTES_MAX, shortened};
use falco_talon_sdk::{Failure, Owner, Pod};
use serde_json::{Map, Value, json};

/// The label that marks one pod. The default policy grants writing it, and no other.
const MARK: &str = "falco-talon.org/isolated";

/// Labels that controllers add to tell generations of their pods apart: the next generation is
/// to be isolated as well.
const OF_GENERATIONS: [&str; 3] = ["pod-template-hash", "pod-template-generation", "controller-revision-hash"];

/// The pods that a policy is for.
#[derive(Debug, PartialEq)]
pub(crate) struct Selection {
    /// The policy's name, never one that a user would choose.
    pub(crate) policy: String,
    /// The labels that they have; never empty, since that would be all pods of the namespace.
    pub(crate) labels: Map<String, Value>,
    /// With what the policy goes.
    pub(crate) owner: Option<Owner>,
}

/// The merge patch that marks a pod.
pub(crate) fn mark(pod: Pod<'_>) -> Value {
    json!({ "metadata": { "labels": { MARK: marked(pod) } } })
}

/// The workload that owns a pod, where this actionner knows what it selects.
pub(crate) fn address(pod: Pod<'_>, owner: &Owner) -> Result<Object, Failure> {
    let known = ["ReplicaSet", "StatefulSet", "DaemonSet"].iter().any(|it| owner.is("apps", it));
    owner.object(pod.namespace).filter(|_| known).ok_or_else(|| no_workload(pod))
}

impl Selection {
    /// The pod alone, by its mark; `object` is the pod after it was marked.
    pub(crate) fn of_pod(pod: Pod<'_>, object: &Value) -> Result<Self, Failure> {
        check_network(pod, object)?;
        Ok(Self {
            policy: policy_name(pod.name),
            labels: [(MARK.to_owned(), Value::String(marked(pod)))].into_iter().collect(),
            owner: Owner::from_object(object, "v1", "Pod"),
        })
    }

    /// All pods of the workload, or those with the labels of the pod where it has none.
    ///
    /// A ReplicaSet of a Deployment stands for the Deployment, so that the policy outlives the
    /// next rollout.
    pub(crate) fn of_workload(pod: Pod<'_>, object: &Value, workload: Option<&Value>) -> Result<Self, Failure> {
        check_network(pod, object)?;
        let (labels, owner) = match workload {
            None => (&object["metadata"]["labels"], Owner::from_object(object, "v1", "Pod")),
            Some(workload) => {
                let above = Owner::of(workload).filter(|it| it.is("apps", "Deployment"));
                (&workload["spec"]["selector"]["matchLabels"], above.or_else(|| Owner::of(object)))
            }
        };
        let mut labels = labels.as_object().cloned().unwrap_or_default();
        labels.retain(|key, _| !OF_GENERATIONS.contains(&key.as_str()) && key != MARK);
        match owner {
            Some(owner) if !labels.is_empty() => {
                let policy = policy_name(&format!("{}-{}", owner.kind.to_ascii_lowercase(), owner.name));
                Ok(Self { policy, labels, owner: Some(owner) })
            }
            _ => Err(no_workload(pod)),
        }
    }
}

/// A policy on a pod that shares the network of its node has no effect, and to say that it is
/// isolated would be wrong.
fn check_network(pod: Pod<'_>, object: &Value) -> Result<(), Failure> {
    if object["spec"]["hostNetwork"] == true {
        let why = "uses the network of its node, which a networkpolicy can't isolate";
        return Err(Failure::rejected(format!("{pod} {why}")));
    }
    Ok(())
}

fn no_workload(pod: Pod<'_>) -> Failure {
    let Pod { namespace, name } = pod;
    Failure::rejected(format!("can't find the owner and/or labels for the pod '{name}' in namespace '{namespace}'"))
}

fn policy_name(of: &str) -> String {
    shortened(&format!("falco-talon-{of}"), NAME_BYTES_MAX)
}

fn marked(pod: Pod<'_>) -> String {
    shortened(pod.name, LABEL_VALUE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: Pod<'_> = Pod { namespace: "n", name: "web-0" };
    const NOT_FOUND: &str = "can't find the owner and/or labels for the pod 'web-0' in namespace 'n'";

    fn owned_by(kind: &str, name: &str) -> Value {
        let owner = json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "9", "controller": true});
        json!([owner])
    }

    fn pod(labels: &Value, owners: &Value) -> Value {
        json!({"metadata": {"name": "web-0", "uid": "7", "labels": labels, "ownerReferences": owners}})
    }

    #[test]
    fn one_pod_is_selected_by_its_mark() {
        let object = pod(&json!({"app": "web"}), &Value::Null);
        let selection = Selection::of_pod(POD, &object).unwrap();
        assert_eq!(selection.policy, "falco-talon-web-0");
        assert_eq!(Value::Object(selection.labels), json!({ MARK: "web-0" }));
        assert_eq!(selection.owner.unwrap().uid, "7");
        assert_eq!(mark(POD), json!({"metadata": {"labels": { MARK: "web-0" }}}));
    }

    #[test]
    fn long_names_are_shortened_and_stay_apart() {
        let of = |end: &str| {
            let name = format!("{}{end}", "a".repeat(252));
            let pod = Pod { namespace: "n", name: &name };
            Selection::of_pod(pod, &json!({"metadata": {"name": name, "uid": "7"}})).unwrap()
        };
        let (one, other) = (of("x"), of("y"));
        assert_eq!(one.policy.len(), 253);
        assert_eq!(one.labels[MARK].as_str().unwrap().len(), 63);
        assert_ne!(one.policy, other.policy);
        assert_ne!(one.labels, other.labels);
        assert_eq!(one, of("x"));
    }

    #[test]
    fn a_workload_is_selected_as_it_selects() {
        fn check(owners: &Value, workload: Option<&Value>, expected: Result<(&str, Value), &str>) {
            let object = pod(&json!({"app": "web", "pod-template-hash": "1", MARK: "x"}), owners);
            let selection = Selection::of_workload(POD, &object, workload);
            let found = selection.map(|it| (it.policy, Value::Object(it.labels)));
            let expected = expected.map(|(policy, labels)| (policy.to_owned(), labels));
            assert_eq!(found.map_err(|it| it.message), expected.map_err(str::to_owned));
        }
        let selecting = |labels: Value, owners: Value| {
            json!({
                "metadata": {"ownerReferences": owners},
                "spec": {"selector": {"matchLabels": labels}},
            })
        };
        let app = || json!({"app": "web"});
        let of_deployment = || owned_by("Deployment", "web");
        check(
            &owned_by("StatefulSet", "web"),
            Some(&selecting(app(), Value::Null)),
            Ok(("falco-talon-statefulset-web", app())),
        );
        check(
            &owned_by("DaemonSet", "web"),
            Some(&selecting(json!({"app": "web", "controller-revision-hash": "2"}), Value::Null)),
            Ok(("falco-talon-daemonset-web", app())),
        );
        check(
            &owned_by("ReplicaSet", "web-1"),
            Some(&selecting(json!({"app": "web", "pod-template-hash": "1"}), of_deployment())),
            Ok(("falco-talon-deployment-web", app())),
        );
        check(
            &owned_by("ReplicaSet", "web-1"),
            Some(&selecting(app(), Value::Null)),
            Ok(("falco-talon-replicaset-web-1", app())),
        );
        check(&Value::Null, None, Ok(("falco-talon-pod-web-0", app())));
        // Nothing is left to select by, and an empty selector would select the namespace.
        check(
            &owned_by("ReplicaSet", "web-1"),
            Some(&selecting(json!({"pod-template-hash": "1"}), of_deployment())),
            Err(NOT_FOUND),
        );
        check(&owned_by("StatefulSet", "web"), Some(&json!({})), Err(NOT_FOUND));
    }

    #[test]
    fn an_unlabeled_standalone_pod_is_no_selection() {
        let selection = Selection::of_workload(POD, &pod(&Value::Null, &Value::Null), None);
        assert_eq!(selection.unwrap_err().message, NOT_FOUND);
    }

    #[test]
    fn the_network_of_a_node_can_not_be_isolated() {
        let object = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"hostNetwork": true}});
        let expected = "the pod 'web-0' in the namespace 'n' uses the network of its node, \
                        which a networkpolicy can't isolate";
        assert_eq!(Selection::of_pod(POD, &object).unwrap_err().message, expected);
        let workload = Selection::of_workload(POD, &object, None);
        assert_eq!(workload.unwrap_err().message, expected);
    }

    #[test]
    fn only_known_workloads_are_read() {
        fn check(api_version: &str, kind: &str, expected: Option<&str>) {
            let owner = Owner {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                name: "web".to_owned(),
                uid: "9".to_owned(),
            };
            let found = address(POD, &owner).map(|object| object.resource);
            let expected = expected.map(str::to_owned).ok_or_else(|| NOT_FOUND.to_owned());
            assert_eq!(found.map_err(|it| it.message), expected);
        }
        check("apps/v1", "ReplicaSet", Some("replicasets"));
        check("apps/v1", "StatefulSet", Some("statefulsets"));
        check("apps/v1", "DaemonSet", Some("daemonsets"));
        check("batch/v1", "Job", None);
        check("acme.example/v1", "ReplicaSet", None);
    }
}
