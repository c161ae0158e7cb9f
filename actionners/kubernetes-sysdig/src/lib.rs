//! `kubernetes:sysdig`: captures the system calls of the pod of an event.
//!
//! By a job on the pod's node, in the namespace of Falco Talon: who controls the suspicious
//! pod's namespace can neither see nor touch it. The capture goes from sysdig straight into the
//! artifact. The job is deleted in the end, whatever happened, and ends by itself where the host
//! can't delete it any more. Does not look at the capture.

mod job;

use falco_talon_kit::names;
use falco_talon_sdk::artifacts::Artifact;
use falco_talon_sdk::exec::{ExecOptions, exec_into};
use falco_talon_sdk::kubernetes::{self, Collection, DeleteOptions, Error, ListOptions, Object};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, OutputUse, Pod, Report};
use serde::Deserialize;

use job::Plan;

struct Sysdig;

falco_talon_sdk::export!(Sysdig);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default = "default_duration")]
    duration: u32,
    #[serde(default = "default_buffer_size")]
    buffer_size: u32,
    #[serde(default)]
    scope: Scope,
    #[serde(default = "default_image")]
    image: String,
    #[serde(default = "default_start_timeout")]
    start_timeout: u32,
    /// None: by the runtime of the pod's containers.
    cri_socket: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    #[default]
    Pod,
    Node,
}

fn default_duration() -> u32 {
    5
}

fn default_buffer_size() -> u32 {
    2048
}

fn default_image() -> String {
    "docker.io/sysdig/sysdig:0.41.4".to_owned()
}

fn default_start_timeout() -> u32 {
    60
}

impl Parameters {
    fn duration_s(&self) -> u32 {
        if self.duration == 0 { default_duration() } else { self.duration }
    }

    fn buffer_bytes(&self) -> u32 {
        if self.buffer_size == 0 { default_buffer_size() } else { self.buffer_size }
    }
}

impl Actionner for Sysdig {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:sysdig",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Capture the system calls of the pod",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        continue_by_default: false,
        output: OutputUse::Required,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let namespace = own_namespace(context).map_err(|failure| pod.concerned(failure))?;
        let object = pod.read()?;
        let plan = Plan::of(pod, &object, parameters)?;
        let job = Job { pod, namespace, name: names::of_action("sysdig", context) };
        job.create(&plan, parameters).map_err(|failure| job.concerned(failure))?;
        let message = "a sysdig capture 'sysdig.scap.gz' has been created".to_owned();
        // In a dry run no job comes to be, so there is nothing to wait for, nor to delete.
        let message = if context.is_dry_run() { message } else { job.capture(&plan, parameters, message)? };
        Ok(Outcome::Done(pod.touched(Report::new(message)).object("job", job.name)))
    }
}

fn own_namespace(context: &Context) -> Result<&str, Failure> {
    context.text("falco-talon.namespace").ok_or_else(|| {
        Failure::rejected(
            "the namespace that Falco Talon runs in is not known, which is where the job of the sysdig capture has to \
             run: set the environment variable NAMESPACE, or run Falco Talon in a pod",
        )
    })
}

/// The job of one capture.
struct Job<'a> {
    /// The pod of the event, not the job's own.
    pod: Pod<'a>,
    namespace: &'a str,
    name: String,
}

impl Job<'_> {
    fn create(&self, plan: &Plan<'_>, parameters: &Parameters) -> Result<(), Failure> {
        match kubernetes::create(
            &Collection::namespaced("batch/v1", "jobs", self.namespace),
            &plan.job(self, parameters),
        ) {
            // An attempt before this one has made it, and could not delete it.
            Ok(_) | Err(Error::Conflict(_)) => Ok(()),
            Err(error) => {
                if matches!(error, Error::Unknown(_)) {
                    // It may be there, with what it can do to the node. That it can't be deleted either is said by
                    // the audit record; it ends by itself in the end.
                    let _ = self.delete();
                }
                Err(Failure::from_error(format_args!("can't create {self}"), &error))
            }
        }
    }

    /// Captures and deletes the job, and adds a word to the message where it can't be deleted.
    fn capture(&self, plan: &Plan<'_>, parameters: &Parameters, mut message: String) -> Result<String, Failure> {
        let captured = self.wait(parameters).and_then(|name| self.record(&name, plan, parameters));
        let left = match self.delete() {
            Ok(()) | Err(Error::NotFound) => String::new(),
            Err(error) => format!("; {}", Failure::from_error(format_args!("can't delete {self}"), &error).message),
        };
        match captured {
            Ok(()) => {
                message.push_str(&left);
                Ok(message)
            }
            Err(mut failure) => {
                failure.message.push_str(&left);
                Err(self.concerned(failure))
            }
        }
    }

    /// The name of the job's pod, once it is ready.
    fn wait(&self, parameters: &Parameters) -> Result<String, Failure> {
        let job = match kubernetes::wait(&self.object(), &job::settled(), parameters.start_timeout * 1000) {
            Ok(job) => job,
            Err(Error::Timeout) => return Err(Failure::other(format!("{self} is not ready"))),
            Err(error) => return Err(Failure::from_error(format_args!("can't wait for {self}"), &error)),
        };
        job::check_settled(self, &job)?;
        let of_job = format!("{}={}", job::POD_LABEL, self.name);
        let options = ListOptions { label_selector: of_job, ..ListOptions::default() };
        let pods = kubernetes::list(&Collection::namespaced("v1", "pods", self.namespace), &options)
            .map_err(|error| Failure::from_error(format_args!("can't find the pod of {self}"), &error))?;
        job::running(&pods)
            .map(str::to_owned)
            .ok_or_else(|| Failure::other(format!("{self} for the sysdig capture is not ready")))
    }

    fn record(&self, pod: &str, plan: &Plan<'_>, parameters: &Parameters) -> Result<(), Failure> {
        let failed = |error: Error| match error {
            Error::TooLarge => Failure::rejected("the sysdig capture is larger than the policy allows"),
            error => Failure::from_error(format_args!("can't capture the system calls of {}", self.pod), &error),
        };
        let artifact = Artifact::create("sysdig.scap.gz", "application/gzip").map_err(failed)?;
        let container = Pod { namespace: self.namespace, name: pod }.container(job::CONTAINER);
        let exit =
            exec_into(&container, &plan.command(parameters), &ExecOptions::default(), &artifact).map_err(failed)?;
        job::check_exit(self.pod, &exit)
    }

    /// What it owns goes with it.
    fn delete(&self) -> Result<(), Error> {
        kubernetes::delete(&self.object(), &DeleteOptions::default())
    }

    fn object(&self) -> Object {
        Object::namespaced("batch/v1", "jobs", self.namespace, &self.name)
    }

    fn concerned(&self, failure: Failure) -> Failure {
        self.pod.concerned(failure).object("job", self.name.as_str())
    }
}

impl std::fmt::Display for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the job '{}' in the namespace '{}'", self.name, self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_job_runs_beside_the_host() {
        fn check(values: serde_json::Value, expected: Option<&str>) {
            let values = values.as_object().unwrap().clone();
            let context = Context { trace_id: String::new(), values };
            assert_eq!(own_namespace(&context).ok(), expected);
        }
        check(json!({"falco-talon.namespace": "falco"}), Some("falco"));
        check(json!({"falco-talon.namespace": ""}), None);
        check(json!({}), None);
    }
}
