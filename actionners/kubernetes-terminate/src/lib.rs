//! `kubernetes:terminate`: deletes the pod of an event, unless a parameter spares it.
//!
//! The pod is read first, so that it is the one that the event saw which goes, and its owner where a
//! parameter depends on that. Does not evict, so disruption budgets do not hold it up.

use falco_talon_kit::replicas::{MinHealthy, Sparing, Verdict};
use falco_talon_sdk::kubernetes::{self, DeleteOptions, Error, Preconditions};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Owner, Pod};
use serde::Deserialize;
use serde_json::Value;

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
    fn sparing(&self) -> Sparing {
        Sparing {
            daemonsets: self.ignore_daemonsets,
            statefulsets: self.ignore_statefulsets,
            standalone_pods: self.ignore_standalone_pods,
            min_healthy: self.min_healthy_replicas,
        }
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
        reads: Some(&[]),
        needs: include_str!("../needs.json"),
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let object = pod.read()?;
        match reason_to_spare(pod, &object, parameters.sparing())? {
            Some(reason) => Ok(Outcome::Ignored(pod.report(&format!("{reason} and will be ignored")))),
            None => delete(pod, parameters, object["metadata"]["uid"].as_str()),
        }
    }
}

fn reason_to_spare(pod: Pod<'_>, object: &Value, sparing: Sparing) -> Result<Option<&'static str>, Failure> {
    let owner = Owner::controlling(object);
    let address = match sparing.judge(pod.namespace, owner.as_ref()) {
        Verdict::Take => return Ok(None),
        Verdict::Spare(reason) => return Ok(Some(reason)),
        Verdict::Read(address) => address,
    };
    match (kubernetes::get(&address), owner) {
        (Ok(workload), Some(owner)) if owner.is_confirmed_by(&workload, object) => {
            Ok(sparing.reason(&owner, &workload, 0))
        }
        (Ok(_) | Err(Error::NotFound), _) => Ok(sparing.standalone()),
        (Err(error), _) => {
            let doing = format!("can't read the {} '{}' of {pod}", address.resource, address.name);
            Err(pod.concerned(Failure::from_error(doing, &error)))
        }
    }
}

/// Deletes the pod; `uid` is that of the pod that was looked at, which may have been replaced
/// by another of its name since.
fn delete(pod: Pod<'_>, parameters: &Parameters, uid: Option<&str>) -> Result<Outcome, Failure> {
    let options = DeleteOptions {
        grace_period_s: parameters.grace_period_seconds,
        preconditions: Preconditions::uid(uid),
        ..DeleteOptions::default()
    };
    match kubernetes::delete(&pod.object(), &options) {
        Ok(()) => Ok(Outcome::Done(pod.report("has been terminated"))),
        Err(error) => Err(pod.failure("terminate", &error)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters(value: Value) -> Parameters {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn each_parameter_spares_what_it_names() {
        let given = json!({
            "ignore_daemonsets": true, "ignore_statefulsets": true, "ignore_standalone_pods": true,
            "min_healthy_replicas": "33%",
        });
        let expected = Sparing {
            daemonsets: true,
            statefulsets: true,
            standalone_pods: true,
            min_healthy: Some(MinHealthy::Percentage(33)),
        };
        assert_eq!(parameters(given).sparing(), expected);
    }
}
