//! `acme:scale`: scales the workload of the pod of an event to zero.
//!
//! It writes the subresource `scale`, which has nothing but a number of replicas: a grant for it can do no more, in the
//! policy as in RBAC, where one for the workload itself would be the right to change its pods, too. Scaled to zero, a
//! workload is left alone by autoscalers, and the report says how many replicas it had.

use falco_talon_sdk::kubernetes::{self, PatchType};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Pod, Workload};
use serde::Deserialize;
use serde_json::{Value, json};

struct Scale;

falco_talon_sdk::export!(Scale);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default = "default_kinds")]
    kinds: Vec<Kind>,
}

fn default_kinds() -> Vec<Kind> {
    vec![Kind::Deployment, Kind::StatefulSet]
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
enum Kind {
    Deployment,
    StatefulSet,
}

impl Actionner for Scale {
    const DESCRIPTION: Description = Description {
        name: "acme:scale",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Scale the workload of the pod to zero",
        sources: &["syscall", "k8s_audit"],
        example: "{action: Stop it, actionner: 'acme:scale', parameters: {kinds: [Deployment]}}",
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
        let Some(workload) = Workload::of(pod, &pod.read()?)? else {
            return Ok(Outcome::Ignored(pod.report("belongs to no workload and will be ignored")));
        };
        match plan(&workload.owner.kind, &workload.object, parameters) {
            Plan::Ignore(why) => Ok(Outcome::Ignored(workload.report(why))),
            Plan::Scale { body, before } => {
                kubernetes::patch_if(&workload.part("scale"), PatchType::Merge, &body, &workload.still())
                    .map_err(|error| workload.failure("scale", &error))?;
                let report = workload.report(&format!("has been scaled from {before} to 0 replicas"));
                Ok(Outcome::Done(report.details(&json!({"replicas_before": before}))))
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Plan {
    Ignore(&'static str),
    Scale { body: Value, before: i64 },
}

/// What is to be done with a workload of this kind.
fn plan(kind: &str, object: &Value, parameters: &Parameters) -> Plan {
    let kind = match kind {
        "Deployment" => Kind::Deployment,
        "StatefulSet" => Kind::StatefulSet,
        _ => return Plan::Ignore("is not of a kind that is scaled, and will be ignored"),
    };
    if !parameters.kinds.contains(&kind) {
        return Plan::Ignore("is not of the kinds that the rule names, and will be ignored");
    }
    // The API server has filled it in where nobody has said how many.
    match object["spec"]["replicas"].as_i64().unwrap_or(1) {
        0 => Plan::Ignore("has no replicas already"),
        before => Plan::Scale { body: json!({"spec": {"replicas": 0}}), before },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_and_is_named_is_scaled() {
        #[expect(clippy::needless_pass_by_value, reason = "the rows of a table read more easily without references")]
        fn check(kind: &str, spec: Value, expected: Plan) {
            let parameters = Parameters { kinds: vec![Kind::Deployment] };
            assert_eq!(plan(kind, &json!({ "spec": spec }), &parameters), expected);
        }
        let scale = |before| Plan::Scale { body: json!({"spec": {"replicas": 0}}), before };
        check("Deployment", json!({"replicas": 3}), scale(3));
        check("Deployment", json!({}), scale(1));
        check("Deployment", json!({"replicas": 0}), Plan::Ignore("has no replicas already"));
        let other = Plan::Ignore("is not of the kinds that the rule names, and will be ignored");
        check("StatefulSet", json!({"replicas": 3}), other);
        check("DaemonSet", json!({}), Plan::Ignore("is not of a kind that is scaled, and will be ignored"));
    }
}
