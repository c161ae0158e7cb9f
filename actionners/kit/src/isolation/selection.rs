//! Which pods a policy isolates, how it is called and with what it goes.
//!
//! Does not know what traffic stays allowed.

use falco_talon_sdk::{Failure, Owner, Pod};
use serde_json::{Map, Value, json};

use crate::names::{LABEL_VALUE_BYTES_MAX, NAME_BYTES_MAX, shortened};

/// The label that marks one pod. The default policies grant writing it, and no other.
const MARK: &str = "falco-talon.org/isolated";

/// Labels that controllers add to tell generations of their pods apart: the next generation is
/// to be isolated as well.
const OF_GENERATIONS: [&str; 3] = ["pod-template-hash", "pod-template-generation", "controller-revision-hash"];

/// The pods that a policy is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The policy's name, never one that a user would choose.
    pub policy: String,
    /// The labels that they have; never empty, since that would be all pods of the namespace.
    pub labels: Map<String, Value>,
    /// With what the policy goes.
    pub owner: Option<Owner>,
    /// The merge patch that makes the pod one of them, where it is not yet.
    pub mark: Option<Value>,
}

/// Why there are no pods that a policy could be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unselectable {
    /// A policy on a pod that shares the network of its node has no effect, and to say that it is
    /// isolated would be wrong.
    OnNetworkOfNode,
    /// Nothing is left to select the pods of the workload by.
    NoWorkload,
}

impl Unselectable {
    /// `in_namespace` is how the message goes on before the name of the namespace.
    pub(super) fn failure(self, pod: Pod<'_>, in_namespace: &str) -> Failure {
        let message = match self {
            Self::OnNetworkOfNode => {
                format!("{pod} uses the network of its node, which a networkpolicy can't isolate")
            }
            Self::NoWorkload => {
                let Pod { namespace, name } = pod;
                format!("can't find the owner and/or labels for the pod '{name}' {in_namespace} '{namespace}'")
            }
        };
        pod.concerned(Failure::rejected(message))
    }
}

/// Whether it is known what a workload of this kind selects.
pub(super) fn is_known(owner: &Owner) -> bool {
    ["ReplicaSet", "StatefulSet", "DaemonSet"].iter().any(|it| owner.is("apps", it))
}

impl Selection {
    /// The pod alone, by its mark.
    pub(super) fn of_pod(pod: Pod<'_>, object: &Value) -> Result<Self, Unselectable> {
        check_network(object)?;
        let mark = shortened(pod.name, LABEL_VALUE_BYTES_MAX);
        let is_marked = object["metadata"]["labels"][MARK] == mark.as_str();
        let mut labels = Map::new();
        labels.insert(MARK.to_owned(), mark.into());
        Ok(Self {
            policy: policy_name(pod.name),
            mark: (!is_marked).then(|| json!({ "metadata": { "labels": &labels } })),
            labels,
            owner: Owner::from_object(object, "v1", "Pod"),
        })
    }

    /// All pods of the workload that `owner` is, as it was read.
    ///
    /// A Deployment stands for its ReplicaSets, so that the policy outlives the next rollout.
    pub(super) fn of_workload(object: &Value, owner: Owner, workload: &Value) -> Result<Self, Unselectable> {
        check_network(object)?;
        let labels = workload["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
        let is_lasting = |key: &str| !OF_GENERATIONS.contains(&key) && key != MARK;
        let labels: Map<_, _> =
            labels.filter(|(key, _)| is_lasting(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
        if labels.is_empty() {
            return Err(Unselectable::NoWorkload);
        }
        // No pod's name begins with a dash, so this is never the policy of one pod.
        let policy = policy_name(&format!("-{}-{}", owner.kind.to_ascii_lowercase(), owner.name));
        Ok(Self { policy, labels, owner: Some(owner), mark: None })
    }
}

fn check_network(object: &Value) -> Result<(), Unselectable> {
    if object["spec"]["hostNetwork"] == true {
        return Err(Unselectable::OnNetworkOfNode);
    }
    Ok(())
}

fn policy_name(of: &str) -> String {
    shortened(&format!("falco-talon-{of}"), NAME_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: Pod<'_> = Pod { namespace: "n", name: "web-0" };
    const NOT_FOUND: Unselectable = Unselectable::NoWorkload;

    fn owner(kind: &str, name: &str) -> Owner {
        Owner { api_version: "apps/v1".into(), kind: kind.into(), name: name.into(), uid: "9".into() }
    }

    fn pod(labels: &Value) -> Value {
        json!({"metadata": {"name": "web-0", "uid": "7", "labels": labels}})
    }

    #[test]
    fn one_pod_is_selected_by_its_mark() {
        let object = pod(&json!({"app": "web"}));
        let selection = Selection::of_pod(POD, &object).unwrap();
        assert_eq!(selection.policy, "falco-talon-web-0");
        assert_eq!(Value::Object(selection.labels), json!({ MARK: "web-0" }));
        assert_eq!(selection.owner.unwrap().uid, "7");
        assert_eq!(selection.mark, Some(json!({"metadata": {"labels": { MARK: "web-0" }}})));
    }

    #[test]
    fn a_marked_pod_is_not_marked_again() {
        fn check(labels: &Value, expected: bool) {
            let selection = Selection::of_pod(POD, &pod(labels)).unwrap();
            assert_eq!(selection.mark.is_some(), expected);
        }
        check(&json!({ MARK: "web-0" }), false);
        check(&json!({ MARK: "web-1" }), true);
        check(&json!({}), true);
    }

    #[test]
    fn policies_of_pods_and_of_workloads_stay_apart() {
        let alone = Pod { namespace: "n", name: "deployment-web" };
        let object = json!({"metadata": {"name": "deployment-web", "uid": "7"}});
        let of_pod = Selection::of_pod(alone, &object).unwrap();
        let workload = json!({"spec": {"selector": {"matchLabels": {"app": "web"}}}});
        let of_workload = Selection::of_workload(&object, owner("Deployment", "web"), &workload).unwrap();
        assert_eq!(of_pod.policy, "falco-talon-deployment-web");
        assert_eq!(of_workload.policy, "falco-talon--deployment-web");
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
        fn check(kind: &str, selector: &Value, expected: Result<(&str, Value), Unselectable>) {
            let object = pod(&json!({"app": "web", "pod-template-hash": "1", MARK: "x"}));
            let workload = json!({"spec": {"selector": selector}});
            let selection = Selection::of_workload(&object, owner(kind, "web"), &workload);
            let found = selection.map(|it| (it.policy, Value::Object(it.labels)));
            assert_eq!(found, expected.map(|(policy, labels)| (policy.to_owned(), labels)));
        }
        let app = || json!({"app": "web"});
        check("StatefulSet", &json!({"matchLabels": app()}), Ok(("falco-talon--statefulset-web", app())));
        let of_generation = json!({"matchLabels": {"app": "web", "controller-revision-hash": "2"}});
        check("DaemonSet", &of_generation, Ok(("falco-talon--daemonset-web", app())));
        let of_generation = json!({"matchLabels": {"app": "web", "pod-template-hash": "1"}});
        check("ReplicaSet", &of_generation, Ok(("falco-talon--replicaset-web", app())));
        // Nothing is left to select by, and an empty selector would select the namespace.
        check("ReplicaSet", &json!({"matchLabels": {"pod-template-hash": "1"}}), Err(NOT_FOUND));
        check("StatefulSet", &Value::Null, Err(NOT_FOUND));
    }

    #[test]
    fn the_network_of_a_node_can_not_be_isolated() {
        let object = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"hostNetwork": true}});
        assert_eq!(Selection::of_pod(POD, &object), Err(Unselectable::OnNetworkOfNode));
        assert_eq!(
            Selection::of_workload(&object, owner("ReplicaSet", "web"), &Value::Null),
            Err(Unselectable::OnNetworkOfNode)
        );
    }

    #[test]
    fn each_kind_has_its_words() {
        fn check(why: Unselectable, in_namespace: &str, expected: &str) {
            let failure = why.failure(POD, in_namespace);
            assert_eq!(failure.message, expected);
            assert_eq!(failure.objects, [("pod".into(), "web-0".into()), ("namespace".into(), "n".into())]);
        }
        check(NOT_FOUND, "in namespace", "can't find the owner and/or labels for the pod 'web-0' in namespace 'n'");
        check(
            NOT_FOUND,
            "in the namespace",
            "can't find the owner and/or labels for the pod 'web-0' in the namespace 'n'",
        );
        check(
            Unselectable::OnNetworkOfNode,
            "in namespace",
            "the pod 'web-0' in the namespace 'n' uses the network of its node, which a networkpolicy can't isolate",
        );
    }

    #[test]
    fn only_known_workloads_are_read() {
        fn check(api_version: &str, kind: &str, expected: bool) {
            assert_eq!(is_known(&Owner { api_version: api_version.to_owned(), ..owner(kind, "web") }), expected);
        }
        check("apps/v1", "ReplicaSet", true);
        check("apps/v1", "StatefulSet", true);
        check("apps/v1", "DaemonSet", true);
        check("batch/v1", "Job", false);
        check("acme.example/v1", "ReplicaSet", false);
    }
}
