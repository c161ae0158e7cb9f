//! `kubernetes:terminate`: deletes the pod of an event, unless a parameter spares it.
//!
//! One call where no parameter depends on the pod's owner. Does not evict, so disruption
//! budgets do not hold it up.

mod replicas;

use falco_talon_sdk::kubernetes::{self, DeleteOptions, Error, Object};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, OutputUse, Owner, Pod};
use serde::Deserialize;

use replicas::MinHealthy;

struct Terminate;

falco_talon_sdk::export!(Terminate);

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// None: the pod's own.
    grace_period_seconds: Option<u32>,
    #[serde(default)]
    ignore_daemonsets: bool,
    #[serde(default)]
    ignore_statefulsets: bool,
    #[serde(default)]
    ignore_standalone_pods: bool,
    min_healthy_replicas: Option<MinHealthy>,
}

impl Parameters {
    fn depend_on_owner(&self) -> bool {
        self.ignore_daemonsets
            || self.ignore_statefulsets
            || self.ignore_standalone_pods
            || self.min_healthy_replicas.is_some()
    }
}

impl Actionner for Terminate {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:terminate",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Terminate the pod",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        continue_by_default: false,
        use_context: false,
        output: OutputUse::None,
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        if !parameters.depend_on_owner() {
            return delete(pod, parameters, None);
        }
        let object = kubernetes::get(&pod.object()).map_err(|error| pod.failure("read", &error))?;
        let reason = match plan(pod, Owner::of(&object).as_ref(), parameters) {
            Plan::Delete => None,
            Plan::Ignore(reason) => Some(reason),
            Plan::Count { workload, min_healthy, reason } => {
                let object = kubernetes::get(&workload).map_err(|error| unreadable(pod, &workload, &error))?;
                (!min_healthy.holds(&object)).then_some(reason)
            }
        };
        match reason {
            Some(reason) => Ok(Outcome::Ignored(pod.report(&format!("{reason} and will be ignored")))),
            None => delete(pod, parameters, object["metadata"]["uid"].as_str()),
        }
    }
}

/// What the owner of a pod means for it.
#[derive(Debug, PartialEq)]
enum Plan {
    Delete,
    /// Spare it, and say why.
    Ignore(&'static str),
    /// Read the workload, and spare the pod for that reason if too few of its replicas are
    /// healthy.
    Count {
        workload: Object,
        min_healthy: MinHealthy,
        reason: &'static str,
    },
}

fn plan(pod: Pod<'_>, owner: Option<&Owner>, parameters: &Parameters) -> Plan {
    let Some(owner) = owner else {
        let spare = parameters.ignore_standalone_pods;
        return if spare { Plan::Ignore("is a standalone pod") } else { Plan::Delete };
    };
    let is = |kind| owner.is("apps", kind);
    if is("DaemonSet") && parameters.ignore_daemonsets {
        return Plan::Ignore("belongs to a DaemonSet");
    }
    if is("StatefulSet") && parameters.ignore_statefulsets {
        return Plan::Ignore("belongs to a StatefulSet");
    }
    let reason = if is("ReplicaSet") {
        "belongs to a ReplicaSet without enough healthy replicas"
    } else if is("StatefulSet") {
        "belongs to a StatefulSet without enough healthy replicas"
    } else {
        return Plan::Delete;
    };
    match (parameters.min_healthy_replicas, owner.object(pod.namespace)) {
        (Some(min_healthy), Some(workload)) => Plan::Count { workload, min_healthy, reason },
        _ => Plan::Delete,
    }
}

/// Deletes the pod; `uid` is that of the pod that was looked at, which may have been replaced
/// by another of its name since.
fn delete(pod: Pod<'_>, parameters: &Parameters, uid: Option<&str>) -> Result<Outcome, Failure> {
    let options = DeleteOptions { grace_period_s: parameters.grace_period_seconds, uid: uid.map(str::to_owned) };
    match kubernetes::delete(&pod.object(), &options) {
        Ok(()) => Ok(Outcome::Done(pod.report("has been terminated"))),
        Err(error) => Err(pod.failure("terminate", &error)),
    }
}

fn unreadable(pod: Pod<'_>, workload: &Object, error: &Error) -> Failure {
    let doing = format!("can't read the {} '{}' of {pod}", workload.resource, workload.name);
    pod.concerned(Failure::from_error(doing, error))
}

#[cfg(test)]
mod tests {
    use falco_talon_sdk::schema;
    use serde_json::{Value, json};

    use super::*;

    const POD: Pod<'_> = Pod { namespace: "n", name: "p" };

    fn parameters(value: Value) -> Parameters {
        serde_json::from_value(value).unwrap()
    }

    fn owner(api_version: &str, kind: &str) -> Owner {
        Owner {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: "web".to_owned(),
            uid: "1".to_owned(),
        }
    }

    #[test]
    fn the_owner_decides() {
        fn check(owner: Option<&Owner>, given: Value, expected: &Plan) {
            assert_eq!(&plan(POD, owner, &parameters(given)), expected);
        }
        let daemon_set = owner("apps/v1", "DaemonSet");
        let stateful_set = owner("apps/v1", "StatefulSet");
        let job = owner("batch/v1", "Job");
        let custom = owner("acme.example/v1", "DaemonSet");
        let flag = |name: &str| json!({ name: true });
        let one_healthy = || json!({"min_healthy_replicas": 1});
        let ignored = Plan::Ignore("belongs to a DaemonSet");
        check(Some(&daemon_set), flag("ignore_daemonsets"), &ignored);
        check(Some(&daemon_set), flag("ignore_statefulsets"), &Plan::Delete);
        check(Some(&daemon_set), one_healthy(), &Plan::Delete);
        let ignored = Plan::Ignore("belongs to a StatefulSet");
        check(Some(&stateful_set), flag("ignore_statefulsets"), &ignored);
        check(Some(&stateful_set), flag("ignore_daemonsets"), &Plan::Delete);
        let ignored = Plan::Ignore("is a standalone pod");
        check(None, flag("ignore_standalone_pods"), &ignored);
        check(None, flag("ignore_daemonsets"), &Plan::Delete);
        check(None, one_healthy(), &Plan::Delete);
        check(Some(&job), flag("ignore_standalone_pods"), &Plan::Delete);
        check(Some(&custom), flag("ignore_daemonsets"), &Plan::Delete);
    }

    #[test]
    fn the_replicas_of_the_owner_are_counted() {
        fn check(kind: &str, resource: &str, reason: &'static str) {
            let given = parameters(json!({"min_healthy_replicas": "50%"}));
            let expected = Plan::Count {
                workload: Object::namespaced("apps/v1", resource, "n", "web"),
                min_healthy: MinHealthy::Percentage(50),
                reason,
            };
            assert_eq!(plan(POD, Some(&owner("apps/v1", kind)), &given), expected);
        }
        check("ReplicaSet", "replicasets", "belongs to a ReplicaSet without enough healthy replicas");
        check("StatefulSet", "statefulsets", "belongs to a StatefulSet without enough healthy replicas");
    }

    #[test]
    fn one_call_suffices_where_the_owner_does_not_matter() {
        fn check(given: Value, expected: bool) {
            assert_eq!(parameters(given).depend_on_owner(), expected);
        }
        check(json!({}), false);
        check(json!({"grace_period_seconds": 0, "ignore_daemonsets": false}), false);
        check(json!({"ignore_daemonsets": true}), true);
        check(json!({"ignore_statefulsets": true}), true);
        check(json!({"ignore_standalone_pods": true}), true);
        check(json!({"min_healthy_replicas": "0%"}), true);
    }

    #[test]
    fn the_schema_and_the_struct_agree() {
        let schema = Terminate::DESCRIPTION.parameters_schema;
        assert_eq!(schema::disagreements::<Parameters>(schema), [""; 0]);
    }

    #[test]
    fn the_package_is_named_as_the_actionner() {
        assert_eq!(Terminate::DESCRIPTION.name.replace(':', "-"), env!("CARGO_PKG_NAME"));
    }
}
