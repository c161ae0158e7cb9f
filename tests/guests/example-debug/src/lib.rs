//! `acme:debug`: puts an ephemeral container into the pod of an event, for somebody who will look around in it.
//!
//! Such a container is never taken away again, so a pod gets one of a name at most. The policy should say of which
//! images it may be.

use falco_talon_sdk::kubernetes::{self, Condition, Error, PatchType, Preconditions};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Pod};
use serde::Deserialize;
use serde_json::{Value, json};

struct Debug;

falco_talon_sdk::export!(Debug);

const TRIES_MAX: usize = 5;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    image: String,
    #[serde(default = "default_name")]
    name: String,
    #[serde(default)]
    command: Vec<String>,
    /// Empty: it sees no processes but its own.
    #[serde(default)]
    target: String,
    #[serde(default = "default_wait_seconds")]
    wait_seconds: u32,
}

fn default_name() -> String {
    "falco-talon-debug".to_owned()
}

fn default_wait_seconds() -> u32 {
    20
}

impl Actionner for Debug {
    const DESCRIPTION: Description = Description {
        name: "acme:debug",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Put an ephemeral container into the pod",
        sources: &["syscall", "k8s_audit"],
        example: "{action: Look around, actionner: 'acme:debug', parameters: {image: 'acme.example/tools:1'}}",
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        reads: Some(&[]),
        repeatable: true,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let mut part = pod.object();
        part.resource = "pods/ephemeralcontainers".to_owned();
        let mut tries = 0;
        loop {
            let Some((body, before)) = plan(&pod.read()?, parameters) else {
                return Ok(Outcome::Ignored(pod.report(&format!("has a container '{}' already", parameters.name))));
            };
            tries += 1;
            match kubernetes::patch_if(&part, PatchType::StrategicMerge, &body, &before) {
                Ok(_) => break,
                // Whatever is written of a pod makes another version of it, its status as well.
                Err(Error::Conflict(_)) if tries < TRIES_MAX => {}
                Err(error) => return Err(pod.failure("put an ephemeral container into", &error)),
            }
        }
        if context.is_dry_run() || parameters.wait_seconds == 0 {
            return Ok(Outcome::Done(pod.report(&format!("has got the ephemeral container '{}'", parameters.name))));
        }
        let waited = kubernetes::wait(&pod.object(), &conditions(&parameters.name), parameters.wait_seconds * 1_000);
        judge(pod, parameters, waited)
    }
}

/// The patch of a pod and of which version of it; none where it has such a container.
fn plan(pod: &Value, parameters: &Parameters) -> Option<(Value, Preconditions)> {
    let Parameters { image, name, command, target, .. } = parameters;
    let lists = ["containers", "initContainers", "ephemeralContainers"].map(|list| pod["spec"][list].as_array());
    if lists.into_iter().flatten().flatten().any(|container| container["name"] == *name) {
        return None;
    }
    let mut container = json!({"name": name, "image": image});
    if !command.is_empty() {
        container["command"] = json!(command);
    }
    if !target.is_empty() {
        container["targetContainerName"] = target.as_str().into();
    }
    Some((json!({"spec": {"ephemeralContainers": [container]}}), Preconditions::version(pod)))
}

/// That it runs, that it has ended, or that there is no hope.
fn conditions(name: &str) -> [Condition; 4] {
    let state = format!("status.ephemeralContainerStatuses[name={name}].state");
    let waits = |reason| Condition::equals(format!("{state}.waiting.reason"), reason);
    [
        Condition::exists(format!("{state}.running")),
        Condition::exists(format!("{state}.terminated")),
        waits("ImagePullBackOff"),
        waits("CreateContainerError"),
    ]
}

/// What became of the container.
fn judge(pod: Pod<'_>, parameters: &Parameters, waited: Result<Value, Error>) -> Result<Outcome, Failure> {
    let name = parameters.name.as_str();
    let failed = |what: &str| {
        let failure = Failure::other(format!("the ephemeral container '{name}' of {pod} {what}"));
        pod.concerned(failure).object("container", name)
    };
    let object = match waited {
        Ok(object) => object,
        Err(Error::Timeout) => return Err(failed(&format!("does not run within {} s", parameters.wait_seconds))),
        Err(error) => return Err(pod.failure("wait for the ephemeral container of", &error)),
    };
    let mut statuses = object["status"]["ephemeralContainerStatuses"].as_array().into_iter().flatten();
    let state = statuses.find(|status| status["name"] == name).map_or(&Value::Null, |status| &status["state"]);
    if let Some(reason) = state["waiting"]["reason"].as_str() {
        return Err(failed(&format!("can't start: {reason}")));
    }
    if let Some(code) = state["terminated"]["exitCode"].as_i64() {
        return Err(failed(&format!("has ended at once, with the exit code {code}")));
    }
    let report = pod.report(&format!("has got the ephemeral container '{name}', which runs"));
    Ok(Outcome::Done(report.object("container", name).details(&json!({"container": name}))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: Pod<'_> = Pod { namespace: "n", name: "p" };

    fn parameters() -> Parameters {
        Parameters {
            image: "tools:1".to_owned(),
            name: "debug".to_owned(),
            command: Vec::new(),
            target: "web".to_owned(),
            wait_seconds: 30,
        }
    }

    #[test]
    fn a_pod_gets_one_of_a_name() {
        #[expect(clippy::needless_pass_by_value, reason = "the rows of a table read more easily without references")]
        fn check(spec: Value, expected: bool) {
            let planned = plan(&json!({"metadata": {"resourceVersion": "7"}, "spec": spec}), &parameters());
            assert_eq!(planned.is_some(), expected);
            if let Some((body, before)) = planned {
                let container = json!({"name": "debug", "image": "tools:1", "targetContainerName": "web"});
                assert_eq!(body, json!({"spec": {"ephemeralContainers": [container]}}));
                assert_eq!(before.resource_version.as_deref(), Some("7"));
            }
        }
        check(json!({"containers": [{"name": "web"}]}), true);
        check(json!({"containers": [{"name": "debug"}]}), false);
        check(json!({"containers": [{"name": "web"}], "ephemeralContainers": [{"name": "debug"}]}), false);
    }

    #[test]
    fn what_became_of_it_is_reported() {
        fn check(waited: Result<&str, Error>, expected: &str) {
            let pod = |state: &str| {
                let state: Value = serde_json::from_str(state).unwrap();
                json!({"status": {"ephemeralContainerStatuses": [{"name": "debug", "state": state}]}})
            };
            let words = match judge(POD, &parameters(), waited.map(pod)) {
                Ok(Outcome::Done(report) | Outcome::Ignored(report)) => report.message,
                Err(failure) => failure.message,
            };
            assert_eq!(words, expected);
        }
        let pod = "the pod 'p' in the namespace 'n'";
        let runs = format!("{pod} has got the ephemeral container 'debug', which runs");
        check(Ok(r#"{"running": {}}"#), &runs);
        let failed = |what: &str| format!("the ephemeral container 'debug' of {pod} {what}");
        check(Ok(r#"{"waiting": {"reason": "ImagePullBackOff"}}"#), &failed("can't start: ImagePullBackOff"));
        let ended = failed("has ended at once, with the exit code 1");
        check(Ok(r#"{"terminated": {"exitCode": 1}}"#), &ended);
        check(Err(Error::Timeout), &failed("does not run within 30 s"));
        check(Err(Error::NotFound), &format!("{pod} doesn't exist"));
    }
}
