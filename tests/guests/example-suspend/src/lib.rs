//! `acme:suspend`: suspends the cron job that the pod of an event comes from, so that it starts no job any more.
//!
//! Jobs that run go on. To suspend twice is to suspend once.

use falco_talon_sdk::kubernetes::{self, PatchType};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Pod, Workload};
use serde::Deserialize;
use serde_json::{Value, json};

struct Suspend;

falco_talon_sdk::export!(Suspend);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {}

impl Actionner for Suspend {
    const DESCRIPTION: Description = Description {
        name: "acme:suspend",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Suspend the cron job of the pod",
        sources: &["syscall", "k8s_audit"],
        example: "{action: Suspend it, actionner: 'acme:suspend'}",
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        reads: Some(&[]),
        repeatable: true,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, _: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let workload = Workload::of(pod, &pod.read()?)?;
        let Some(cron_job) = workload.filter(|workload| workload.owner.is("batch", "CronJob")) else {
            return Ok(Outcome::Ignored(pod.report("belongs to no cron job and will be ignored")));
        };
        let Some(body) = plan(&cron_job.object) else {
            return Ok(Outcome::Ignored(cron_job.report("is suspended already")));
        };
        kubernetes::patch_if(&cron_job.object(), PatchType::Merge, &body, &cron_job.still())
            .map_err(|error| cron_job.failure("suspend", &error))?;
        Ok(Outcome::Done(cron_job.report("has been suspended")))
    }
}

/// The patch of a cron job; none where it is suspended.
fn plan(cron_job: &Value) -> Option<Value> {
    (cron_job["spec"]["suspend"] != true).then(|| json!({"spec": {"suspend": true}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suspended_stays_as_it_is() {
        let suspend = json!({"spec": {"suspend": true}});
        assert_eq!(plan(&json!({"spec": {"suspend": false}})), Some(suspend.clone()));
        assert_eq!(plan(&json!({"spec": {}})), Some(suspend.clone()));
        assert_eq!(plan(&suspend), None);
    }
}
