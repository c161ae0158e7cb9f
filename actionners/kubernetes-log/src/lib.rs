//! `kubernetes:log`: gets the logs of the pod of an event.
//!
//! Of all its containers, or of one, each under a line that names it. With an output they go
//! there as one file; without one they are the message. Does not judge what they say.

mod message;

use falco_talon_sdk::artifacts::Artifact;
use falco_talon_sdk::kubernetes::{Error, LogOptions};
use falco_talon_sdk::{
    Actionner, Containers, Context, Description, Event, Failure, Outcome, OutputUse, Pod, Report, text,
};
use serde::Deserialize;

struct Log;

falco_talon_sdk::export!(Log);

/// What is shown where a rule does not say, and where it says zero.
const TAIL_LINES: u32 = 20;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default = "default_tail_lines")]
    tail_lines: u32,
    #[serde(default = "default_container")]
    container: String,
    #[serde(default)]
    previous: bool,
}

fn default_tail_lines() -> u32 {
    TAIL_LINES
}

fn default_container() -> String {
    falco_talon_sdk::container::ALL.to_owned()
}

impl Actionner for Log {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:log",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Get logs from a pod",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        output: OutputUse::Optional,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let object = pod.read()?;
        let containers = Containers::of(pod, &object);
        let chosen = containers.choose(Some(&parameters.container), event)?;
        // The only container of a pod needs no mark: there is nothing to tell it from.
        let marked = chosen != containers.regular() || chosen.len() > 1;
        let request = Request { pod, containers: chosen, marked, parameters };
        if context.has_output() { request.store() } else { request.show() }
    }
}

/// Which logs are wanted.
struct Request<'a> {
    pod: Pod<'a>,
    containers: Vec<&'a str>,
    /// Whether each container's log comes under a line that names it.
    marked: bool,
    parameters: &'a Parameters,
}

impl Request<'_> {
    fn show(&self) -> Result<Outcome, Failure> {
        let read = |container: &&str| self.pod.logs(&options(container, self.parameters));
        let logs: Vec<_> = self.containers.iter().map(read).collect();
        let message = message::of_logs(self.pod, &self.containers, &logs, self.marked)?;
        Ok(Outcome::Done(self.pod.touched(Report::new(message))))
    }

    /// Straight into the file. A container that has no log to give must not keep the others'
    /// from being stored, so that it fails only where none has one.
    fn store(&self) -> Result<Outcome, Failure> {
        let Self { pod, parameters, .. } = *self;
        let failed =
            |error: &Error| pod.concerned(Failure::from_error(format_args!("can't store the logs of {pod}"), error));
        let artifact = Artifact::create("log", "text/plain; charset=utf-8").map_err(|error| failed(&error))?;
        let (mut bytes, mut first_failure) = (0, None);
        for (index, container) in self.containers.iter().enumerate() {
            let write = |text: &str| artifact.write(text.as_bytes()).map_err(|error| failed(&error));
            if self.marked {
                let gap = if index == 0 { "" } else { "\n" };
                write(&format!("{gap}{}", text::mark(container)))?;
            }
            match pod.logs_into(&options(container, parameters), &artifact) {
                Ok(written) => bytes += written,
                Err(error @ (Error::TooLarge | Error::Timeout)) => {
                    return Err(message::failure(pod, container, &error));
                }
                Err(error) => {
                    let failure = message::failure(pod, container, &error);
                    if self.marked {
                        write(&format!("[{}]\n", failure.message))?;
                    }
                    first_failure.get_or_insert(failure);
                }
            }
        }
        match first_failure {
            Some(failure) if bytes == 0 => Err(failure),
            // The marks alone are no evidence: without them the file would be empty, too.
            None if bytes == 0 && self.marked => {
                Err(pod.concerned(Failure::other(format!("empty output: {}", message::nothing(pod)))))
            }
            _ => {
                // Not good grammar, but the words that people search their logs for.
                let message = format!("the logs for {pod} has been downloaded");
                Ok(Outcome::Done(pod.touched(Report::new(message))))
            }
        }
    }
}

fn options(container: &str, parameters: &Parameters) -> LogOptions {
    let tail_lines = if parameters.tail_lines == 0 { TAIL_LINES } else { parameters.tail_lines };
    LogOptions { tail_lines: Some(tail_lines), previous: parameters.previous, ..LogOptions::of(container) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn zero_lines_are_twenty() {
        fn check(parameters: Value, tail_lines: u32, previous: bool) {
            let parameters = serde_json::from_value(parameters).unwrap();
            let options = options("web", &parameters);
            assert_eq!((options.tail_lines, options.previous), (Some(tail_lines), previous));
            assert_eq!(options.container, "web");
        }
        check(json!({}), 20, false);
        check(json!({"tail_lines": 0}), 20, false);
        check(json!({"tail_lines": 200, "previous": true}), 200, true);
    }
}
