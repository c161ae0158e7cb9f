//! `kubernetes:networkpolicy`: blocks the egress traffic of the pod of an event.
//!
//! The policy is the actionner's own, `falco-talon-…`, so no one else's is ever touched. With
//! `level: pod` it selects one pod by a label that the actionner sets, and goes when the pod
//! goes; removing the label or the policy lifts it earlier. With `level: workload` it selects
//! what the pod's workload selects.
//!
//! All egress is denied but `allow_cidr` and `allow_namespaces`. That includes DNS, unless
//! `allow_dns` opens port 53 of the pods in kube-system; a DNS cache on the node is reached
//! through `allow_cidr`. Ingress stays as it is. Connections that are open already are cut or
//! not as the network plugin likes, and pods on the network of their node can't be isolated.

mod policy;

use falco_talon_kit::isolation::{Level, PolicyKind};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Pod};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The resource of Kubernetes itself.
const KIND: PolicyKind = PolicyKind {
    api_version: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    resource: "networkpolicies",
    noun: "networkpolicy",
    in_namespace: "in namespace",
};

struct NetworkPolicy;

falco_talon_sdk::export!(NetworkPolicy);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default)]
    level: Level,
    #[serde(default)]
    allow_cidr: Vec<String>,
    #[serde(default)]
    allow_namespaces: Vec<String>,
    #[serde(default)]
    allow_dns: bool,
    /// Published rules have it, where it does nothing.
    #[serde(rename = "allow")]
    _allow: Option<IgnoredAny>,
}

impl Actionner for NetworkPolicy {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:networkpolicy",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Create, update a network policy to block all egress traffic for pod",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        reads: Some(&[]),
        repeatable: true,
        needs: include_str!("../needs.json"),
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        // Before anything is read: a mistake in the parameters is one whatever the pod.
        let egress = policy::egress(parameters).map_err(|failure| pod.concerned(failure))?;
        let selection = KIND.select(pod, parameters.level)?;
        KIND.enforce(pod, &selection, policy::spec(&selection, &egress))
    }
}
