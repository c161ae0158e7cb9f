//! `kubernetes:tcpdump`: captures the network packets of the pod of an event.
//!
//! In an ephemeral container, which shares the pod's network and may do no more than a capture
//! needs. It ends by itself soon after the capture; its entry stays in the pod, since Kubernetes
//! removes none. The packets go from tcpdump straight into the artifact. Does not look at them.

mod capture;

use falco_talon_kit::names;
use falco_talon_sdk::artifacts::Artifact;
use falco_talon_sdk::exec::{ExecOptions, exec_into};
use falco_talon_sdk::kubernetes::{self, Error, Object, PatchType, Preconditions};
use falco_talon_sdk::{Actionner, Containers, Context, Description, Event, Failure, Outcome, OutputUse, Pod, Report};
use serde::Deserialize;
use serde_json::Value;

struct Tcpdump;

falco_talon_sdk::export!(Tcpdump);

/// How often the container is added to a pod that others change meanwhile, its kubelet for one.
const ATTEMPTS_MAX: u32 = 4;

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
        output: OutputUse::Required,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let object = pod.read()?;
        let containers = Containers::of(pod, &object).choose(parameters.container.as_deref(), event)?;
        capture::check_network(pod, &object)?;
        let name = names::of_action("tcpdump", context);
        let body = capture::container(&name, containers[0], parameters);
        start(pod, &object, &body)?;
        // In a dry run no container comes to be, so there is nothing to wait for.
        if !context.is_dry_run() {
            wait(pod, &name)?;
            record(pod, &name, parameters)?;
        }
        Ok(Outcome::Done(pod.touched(Report::new("a tcpdump 'tcpdump.pcap' has been created"))))
    }
}

/// Adds the container to the pod that was read. No uid is compared there, so it is the version that says which it is.
fn start(pod: Pod<'_>, object: &Value, body: &Value) -> Result<(), Failure> {
    let part = Object::namespaced("v1", "pods/ephemeralcontainers", pod.namespace, pod.name);
    let version = |object: &Value| object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    let mut preconditions = Preconditions { uid: None, resource_version: version(object) };
    for attempt in 1.. {
        match kubernetes::patch_if(&part, PatchType::StrategicMerge, body, &preconditions) {
            Ok(_) => break,
            Err(Error::Conflict(_)) if attempt < ATTEMPTS_MAX => preconditions.resource_version = version(&pod.read()?),
            Err(error) => return Err(pod.failure("add an ephemeral container for the tcpdump to", &error)),
        }
    }
    Ok(())
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
    let exit = exec_into(&pod.container(name), &capture::command(parameters), &ExecOptions::default(), &artifact)
        .map_err(failed)?;
    capture::check_exit(pod, &exit)
}
