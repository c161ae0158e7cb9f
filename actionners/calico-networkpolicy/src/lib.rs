//! `calico:networkpolicy`: denies the pods of an event the address that they spoke to.
//!
//! The policy is the actionner's own, `falco-talon-…`, so no one else's is ever touched. It
//! gathers the addresses of all events of its pods, and goes when its workload goes.
//!
//! Calico goes through its policies by their `order` and stops at the first rule that fits. What
//! this one allows (by default everything but the denied addresses) no later policy denies; where
//! other policies limit the pods, an empty `allow_cidr` leaves the decision about all the rest to
//! them. Ingress stays as it is.

mod policy;

use falco_talon_kit::isolation::{Level, PolicyKind, REMOTE_FIELDS, REMOTE_READS, remote_cidr};
use falco_talon_kit::names::{NAME_BYTES_MAX, without_dots};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome};
use serde::Deserialize;

use policy::Rules;

/// Calico's own resource; the one of Kubernetes has the same kind and plural.
const KIND: PolicyKind = PolicyKind {
    api_version: "projectcalico.org/v3",
    kind: "NetworkPolicy",
    resource: "networkpolicies",
    noun: "caliconetworkpolicy",
    in_namespace: "in the namespace",
};

/// Calico stores a policy under the name of its tier, a dot and its own name.
const POLICY_BYTES_MAX: usize = NAME_BYTES_MAX - "default.".len();

struct NetworkPolicy;

falco_talon_sdk::export!(NetworkPolicy);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default = "Level::workload")]
    level: Level,
    /// None: everything, unless there are namespaces.
    allow_cidr: Option<Vec<String>>,
    allow_namespaces: Option<Vec<String>>,
    #[serde(default)]
    order: i32,
}

impl Actionner for NetworkPolicy {
    const DESCRIPTION: Description = Description {
        name: "calico:networkpolicy",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Create a Calico Network Policy to block the egress traffic to a specific IP",
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
        let mut selection = KIND.select(pod, parameters.level)?;
        // A dot would end the name of a tier.
        selection.policy = without_dots(&selection.policy, POLICY_BYTES_MAX);
        let selector = policy::selector(&selection.labels).map_err(|failure| pod.concerned(failure))?;
        KIND.extend(pod, &selection, &|existing| rules.spec(&selector, existing, &denied))
    }
}
