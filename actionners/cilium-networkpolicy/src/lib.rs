//! `cilium:networkpolicy`: denies the pods of an event the address that they spoke to.
//!
//! The policy is the actionner's own, `falco-talon-…`, so no one else's is ever touched. It
//! gathers the addresses of all events of its pods, and goes when its workload goes.
//!
//! Without `allow_cidr` and `allow_namespaces` it denies these addresses and says nothing about
//! the rest: what other policies allow or deny stays as it is, the cluster and its DNS included
//! (`enableDefaultDeny`, Cilium 1.16). With them, only they stay allowed, by this policy. Ranges
//! of addresses mean what is outside of the cluster: Cilium knows pods by their labels, so that
//! neither the denied address nor `allow_cidr` reaches a pod.

mod policy;

use falco_talon_kit::isolation::{Level, PolicyKind, REMOTE_FIELDS, REMOTE_READS, remote_cidr};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome};
use serde::Deserialize;

use policy::Rules;

/// Cilium's own resource.
const KIND: PolicyKind = PolicyKind {
    api_version: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    resource: "ciliumnetworkpolicies",
    noun: "ciliumnetworkpolicy",
    in_namespace: "in the namespace",
};

struct NetworkPolicy;

falco_talon_sdk::export!(NetworkPolicy);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default = "Level::workload")]
    level: Level,
    /// None, and no namespaces either: nothing but the denied addresses is decided.
    allow_cidr: Option<Vec<String>>,
    allow_namespaces: Option<Vec<String>>,
}

impl Actionner for NetworkPolicy {
    const DESCRIPTION: Description = Description {
        name: "cilium:networkpolicy",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Create a Cilium Network Policy to block the egress traffic to a specific IP",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: REMOTE_FIELDS,
        reads: Some(REMOTE_READS),
        repeatable: true,
        needs: include_str!("../needs.json"),
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let denied = remote_cidr(event).map_err(|failure| pod.concerned(failure))?;
        let rules = Rules::plan(parameters).map_err(|failure| pod.concerned(failure))?;
        let selection = KIND.select(pod, parameters.level)?;
        KIND.extend(pod, &selection, &|existing| rules.spec(&selection.labels, existing, &denied))
    }
}
