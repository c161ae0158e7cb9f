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
mod selection;

use falco_talon_sdk::kubernetes::{self, Object, PatchType};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, OutputUse, Owner, Pod, Report};
use serde::Deserialize;
use serde_json::Value;

use policy::Egress;
use selection::Selection;

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
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    #[default]
    Pod,
    Workload,
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
        continue_by_default: true,
        use_context: false,
        output: OutputUse::None,
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        // Before anything is changed: a mistake in the parameters must not leave a mark behind.
        let egress = Egress::plan(parameters).map_err(|failure| pod.concerned(failure))?;
        let selection = match parameters.level {
            Level::Pod => mark(pod)?,
            Level::Workload => find_workload(pod)?,
        };
        apply(pod, &selection, &egress)
    }
}

/// Sets the label by which the policy finds the pod.
fn mark(pod: Pod<'_>) -> Result<Selection, Failure> {
    let body = selection::mark(pod);
    let object = kubernetes::patch(&pod.object(), PatchType::Merge, &body)
        .and_then(|written| written.parse())
        .map_err(|error| pod.failure("label", &error))?;
    Selection::of_pod(pod, &object).map_err(|failure| pod.concerned(failure))
}

fn find_workload(pod: Pod<'_>) -> Result<Selection, Failure> {
    let object = pod.read()?;
    let workload = match Owner::of(&object).map(|owner| selection::address(pod, &owner)) {
        None => None,
        Some(address) => {
            let address = address.map_err(|failure| pod.concerned(failure))?;
            Some(read_workload(pod, &address)?)
        }
    };
    Selection::of_workload(pod, &object, workload.as_ref()).map_err(|failure| pod.concerned(failure))
}

fn read_workload(pod: Pod<'_>, address: &Object) -> Result<Value, Failure> {
    kubernetes::get(address).map_err(|error| {
        let doing = format!("can't read the {} '{}' of {pod}", address.resource, address.name);
        pod.concerned(Failure::from_error(doing, &error))
    })
}

fn apply(pod: Pod<'_>, selection: &Selection, egress: &Egress) -> Result<Outcome, Failure> {
    let (name, namespace) = (&selection.policy, pod.namespace);
    let object = Object::namespaced("networking.k8s.io/v1", "networkpolicies", namespace, name);
    let what = format!("the networkpolicy '{name}' in the namespace '{namespace}'");
    match kubernetes::apply(&object, &policy::body(pod, selection, egress)) {
        Ok(applied) => {
            let done = if applied.created { "created" } else { "updated" };
            let report = pod.touched(Report::new(format!("{what} has been {done}")));
            Ok(Outcome::Done(report.object("networkpolicy", name)))
        }
        Err(error) => {
            let failure = Failure::from_error(format_args!("can't apply {what}"), &error);
            Err(pod.concerned(failure).object("networkpolicy", name))
        }
    }
}

#[cfg(test)]
mod tests {
    use falco_talon_sdk::schema;

    use super::*;

    #[test]
    fn the_schema_and_the_struct_agree() {
        let schema = NetworkPolicy::DESCRIPTION.parameters_schema;
        assert_eq!(schema::disagreements::<Parameters>(schema), [""; 0]);
    }

    #[test]
    fn the_package_is_named_as_the_actionner() {
        assert_eq!(NetworkPolicy::DESCRIPTION.name.replace(':', "-"), env!("CARGO_PKG_NAME"));
    }
}
