//! `acme:restart`: restarts the pods of the workload of an event, one after the other, as `kubectl rollout restart` does.
//!
//! It writes a time into the template of the pods, and nothing else: the workload's own strategy says how the pods are
//! replaced, so that no request is lost. An event that has happened before the last restart is answered by that one.

use falco_talon_sdk::clock;
use falco_talon_sdk::kubernetes::{self, PatchType};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Pod, Workload};
use serde::Deserialize;
use serde_json::{Value, json};

struct Restart;

falco_talon_sdk::export!(Restart);

const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {}

impl Actionner for Restart {
    const DESCRIPTION: Description = Description {
        name: "acme:restart",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Restart the pods of the workload one after the other",
        sources: &["syscall", "k8s_audit"],
        example: "{action: Restart it, actionner: 'acme:restart'}",
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        reads: Some(&[]),
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, _: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let Some(workload) = Workload::of(pod, &pod.read()?)? else {
            return Ok(Outcome::Ignored(pod.report("belongs to no workload and will be ignored")));
        };
        let body = match plan(&workload.owner.kind, &workload.object, &event.time, &clock::rfc3339(clock::now())) {
            Ok(body) => body,
            Err(why) => return Ok(Outcome::Ignored(workload.report(why))),
        };
        kubernetes::patch_if(&workload.object(), PatchType::Merge, &body, &workload.still())
            .map_err(|error| workload.failure("restart", &error))?;
        Ok(Outcome::Done(workload.report("is restarted")))
    }
}

/// The patch of a workload, or why there is none. Times are of RFC 3339, in UTC.
fn plan(kind: &str, object: &Value, event: &str, now: &str) -> Result<Value, &'static str> {
    let spec = &object["spec"];
    match kind {
        "Deployment" if spec["paused"] == true => return Err("is paused, and will be ignored"),
        "Deployment" | "StatefulSet" | "DaemonSet" => {}
        _ => return Err("is not of a kind that can be restarted, and will be ignored"),
    }
    // Up to the seconds, where both are as long.
    let seconds = |time: &str| time.get(..19).map(str::to_owned);
    let before = spec["template"]["metadata"]["annotations"][RESTARTED_AT].as_str();
    if before.is_some_and(|before| before.ends_with('Z') && seconds(before) > seconds(event)) {
        return Err("has been restarted since");
    }
    Ok(json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: now}}}}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "2026-01-02T03:04:05.678901234Z";
    const NOW: &str = "2026-01-02T03:04:06Z";

    fn restarted(at: &str) -> Value {
        json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: at}}}}})
    }

    #[test]
    fn what_can_be_restarted_and_was_not_since_is() {
        #[expect(clippy::needless_pass_by_value, reason = "the rows of a table read more easily without references")]
        fn check(kind: &str, object: Value, expected: Result<Value, &str>) {
            assert_eq!(plan(kind, &object, EVENT, NOW), expected);
        }
        check("Deployment", json!({}), Ok(restarted(NOW)));
        check("StatefulSet", restarted("2026-01-02T03:04:05Z"), Ok(restarted(NOW)));
        // Of another time zone: it can't be compared so, and one restart more does no harm.
        check("DaemonSet", restarted("2026-01-02T04:04:06+01:00"), Ok(restarted(NOW)));
        check("DaemonSet", restarted("soon"), Ok(restarted(NOW)));
        check("Deployment", restarted("2026-01-02T03:04:06Z"), Err("has been restarted since"));
        check("Deployment", json!({"spec": {"paused": true}}), Err("is paused, and will be ignored"));
        check("Job", json!({}), Err("is not of a kind that can be restarted, and will be ignored"));
    }
}
