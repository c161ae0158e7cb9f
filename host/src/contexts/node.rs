//! `k8snode`: the node of the event's pod, else the one that the event's hostname names.

use policy::{Address, Targets};
use rules::Event;
use serde_json::Value;

use super::values::{ContextError, Values};
use crate::clients::{Kubernetes, Permit, Refusal, RequestError};

/// No object that the API server stores is longer.
const OBJECT_BYTES_MAX: usize = 8 << 20;

/// What is told of a node's labels.
const LABELS: [(&str, &str); 5] = [
    ("node.hostname", "kubernetes.io/hostname"),
    ("node.instancetype", "node.kubernetes.io/instance-type"),
    ("node.role", "kubernetes.io/role"),
    ("node.topology.region", "topology.kubernetes.io/region"),
    ("node.topology.zone", "topology.kubernetes.io/zone"),
];

/// How clusters say the role of a node by now: in the name of a label, of which a node may have several.
const ROLE: &str = "node-role.kubernetes.io/";

/// The name of the node that an event comes from.
///
/// A pod that is gone, or not the one that the event has seen, may be where the event's hostname says.
pub(super) async fn of(event: &Event, kubernetes: &Kubernetes, permit: &Permit) -> Result<String, ContextError> {
    if let Some(pod) = event.pod() {
        let what = format!("the pod '{}/{}'", pod.namespace, pod.name);
        let address = Address::new("", "v1", "pods", Some(pod.namespace), Some(pod.name));
        let address = address.map_err(|error| ContextError::missing(format!("{what} can't be read: {error}")))?;
        match kubernetes.get(&address.path(), permit, OBJECT_BYTES_MAX).await {
            Ok(answer) => {
                let is_it = Targets::of(event).learn(&address, &answer.object).is_ok();
                if let Some(node) = answer.object["spec"]["nodeName"].as_str().filter(|name| is_it && !name.is_empty())
                {
                    return Ok(node.to_owned());
                }
            }
            Err(Refusal { error: RequestError::NotFound, .. }) => {}
            Err(refusal) => return Err(ContextError::of(&what, refusal)),
        }
    }
    if event.hostname.is_empty() {
        let error = "the event names no pod that is there and runs on a node, and no hostname";
        return Err(ContextError::missing(error));
    }
    Ok(event.hostname.clone())
}

pub(super) async fn values(name: &str, kubernetes: &Kubernetes, permit: &Permit) -> Result<Values, ContextError> {
    let what = format!("the node '{name}'");
    let address = Address::new("", "v1", "nodes", None, Some(name));
    let address = address.map_err(|error| ContextError::missing(format!("{what} can't be read: {error}")))?;
    let answer = kubernetes.get(&address.path(), permit, OBJECT_BYTES_MAX).await;
    Ok(told(&answer.map_err(|refusal| ContextError::of(&what, refusal))?.object))
}

/// What a node is told to be; what it does not say is left out.
fn told(node: &Value) -> Values {
    let labels = &node["metadata"]["labels"];
    let mut values = Values::new();
    for (key, label) in LABELS {
        values.insert(key, labels[label].as_str().unwrap_or_default().to_owned());
    }
    values.insert("node.spec.providerid", node["spec"]["providerID"].as_str().unwrap_or_default().to_owned());
    let roles = labels.as_object().into_iter().flatten().filter_map(|(label, _)| label.strip_prefix(ROLE));
    let roles = roles.collect::<Vec<_>>().join(",");
    if let Some(role) = values.get_mut("node.role").filter(|role| role.is_empty()) {
        *role = roles;
    }
    values.retain(|_, value| !value.is_empty());
    values
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_in_the_names_of_the_original() {
        let node = json!({
            "metadata": {"name": "n", "labels": {
                "kubernetes.io/hostname": "worker-1", "node.kubernetes.io/instance-type": "m5.large",
                "topology.kubernetes.io/region": "eu-west-1", "topology.kubernetes.io/zone": "eu-west-1a",
                "node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/worker": "", "team": "shop",
            }},
            "spec": {"providerID": "aws:///eu-west-1a/i-0"},
        });
        let expected = [
            ("node.hostname", "worker-1"),
            ("node.instancetype", "m5.large"),
            ("node.role", "control-plane,worker"),
            ("node.spec.providerid", "aws:///eu-west-1a/i-0"),
            ("node.topology.region", "eu-west-1"),
            ("node.topology.zone", "eu-west-1a"),
        ];
        let values = told(&node);
        let values: Vec<_> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(values, expected);
        assert_eq!(told(&json!({"metadata": {"labels": {"kubernetes.io/role": "node"}}}))["node.role"], "node");
        assert_eq!(told(&json!({"metadata": {"name": "n"}})), Values::new());
    }
}
