//! `kubernetes:tcpdump`: captures the network packets of the pod of an event.
//!
//! In an ephemeral container, which shares the pod's network and may do no more than a capture
//! needs. It ends by itself soon after the capture; its entry stays in the pod, since Kubernetes
//! removes none. The packets go from tcpdump straight into the artifact. Does not look at them.

mod capture;

use falco_talon_kit::names;
use falco_talon_sdk::artifacts::Artifact;
use falco_talon_sdk::exec::{Container, exec_into};
use falco_talon_sdk::kubernetes::{self, Error, Object, PatchType};
use falco_talon_sdk::{Actionner, Containers, Context, Description, Event, Failure, Outcome, OutputUse, Pod, Report};
use serde::Deserialize;
use serde_json::Value;

struct Tcpdump;

falco_talon_sdk::export!(Tcpdump);

/// How long the container may take to start, its image being pulled first.
const START_MS_MAX: u32 = 20_000;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default = "default_duration")]
    duration: u32,
    #[serde(default = "default_snaplen")]
    snaplen: u32,
    #[serde(default = "default_image")]
    image: String,
    /// None: the one that the event comes from.
    container: Option<String>,
}

fn default_duration() -> u32 {
    5
}

fn default_snaplen() -> u32 {
    4096
}

/// The digest is that of the image for all its platforms.
fn default_image() -> String {
    "docker.io/nicolaka/netshoot:v0.13@sha256:a20c2531bf35436ed3766cd6cfe89d352b050ccc4d7005ce6400adf97503da1b"
        .to_owned()
}

impl Parameters {
    fn duration_s(&self) -> u32 {
        if self.duration == 0 { default_duration() } else { self.duration }
    }
}

impl Actionner for Tcpdump {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:tcpdump",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Capture the network packets for the pod",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        continue_by_default: true,
        use_context: false,
        output: OutputUse::Required,
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let object = pod.read()?;
        let containers = Containers::of(pod, &object).choose(parameters.container.as_deref(), event)?;
        capture::check_network(pod, &object)?;
        let name = container_name(context);
        start(pod, &name, containers[0], parameters)?;
        // In a dry run no container comes to be, so there is nothing to wait for.
        if !context.is_dry_run() {
            wait(pod, &name)?;
            record(pod, &name, parameters)?;
        }
        Ok(Outcome::Done(pod.touched(Report::new("a tcpdump 'tcpdump.pcap' has been created"))))
    }
}

/// The same for a second attempt, which finds the container of the first.
fn container_name(context: &Context) -> String {
    let text = |key| context.text(key).unwrap_or_default();
    let parts = [context.trace_id.as_str(), text("falco-talon.rule"), text("falco-talon.action")];
    format!("falco-talon-tcpdump-{}", names::suffix(&parts))
}

fn start(pod: Pod<'_>, name: &str, target: &str, parameters: &Parameters) -> Result<(), Failure> {
    let object = Object::namespaced("v1", "pods/ephemeralcontainers", pod.namespace, pod.name);
    let body = capture::container(name, target, parameters);
    match kubernetes::patch(&object, PatchType::StrategicMerge, &body) {
        Ok(_) => Ok(()),
        Err(error) => Err(pod.failure("add an ephemeral container for the tcpdump to", &error)),
    }
}

fn wait(pod: Pod<'_>, name: &str) -> Result<(), Failure> {
    let object = match kubernetes::wait(&pod.object(), &capture::started(name), START_MS_MAX) {
        Ok(object) => object,
        // What keeps it from starting, an image that can't be pulled for example, is in the pod.
        Err(Error::Timeout) => kubernetes::get(&pod.object()).unwrap_or(Value::Null),
        Err(error) => return Err(pod.failure("wait for the ephemeral container of the tcpdump in", &error)),
    };
    capture::check_started(pod, name, &object)
}

fn record(pod: Pod<'_>, name: &str, parameters: &Parameters) -> Result<(), Failure> {
    let failed = |error: Error| match error {
        Error::TooLarge => pod.concerned(Failure::rejected("the tcpdump is larger than the policy allows")),
        error => pod.failure("capture the packets of", &error),
    };
    let artifact = Artifact::create("tcpdump.pcap", "application/vnd.tcpdump.pcap").map_err(failed)?;
    let container = Container { namespace: pod.namespace.to_owned(), pod: pod.name.to_owned(), name: name.to_owned() };
    let exit = exec_into(&container, &capture::command(parameters), &[], &artifact).map_err(failed)?;
    capture::check_exit(pod, &exit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_second_attempt_finds_its_container() {
        let of = |trace_id: &str, action: &str| {
            let values = json!({"falco-talon.rule": "r", "falco-talon.action": action});
            let values = values.as_object().unwrap().clone();
            container_name(&Context { trace_id: trace_id.to_owned(), values })
        };
        let name = of("0af7651916cd43dd8448eb211c80319c", "a");
        assert_eq!(name.len(), "falco-talon-tcpdump-".len() + 5);
        assert!(names::is_dns_label(&name));
        assert_eq!(name, of("0af7651916cd43dd8448eb211c80319c", "a"));
        // Two captures for one event are two containers: Kubernetes changes none that is there.
        assert_ne!(name, of("0af7651916cd43dd8448eb211c80319c", "b"));
        assert_ne!(name, of("1af7651916cd43dd8448eb211c80319c", "a"));
    }
}
