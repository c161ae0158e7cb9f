//! `kubernetes:exec`: runs a command in the container of an event.
//!
//! The event's values are in the environment of that one command, and never part of its text.
//! Does not judge what the command does.

use falco_talon_kit::command::{self, Command};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Pod, Variables};
use serde::Deserialize;

struct Exec;

falco_talon_sdk::export!(Exec);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    command: String,
    #[serde(default = "command::default_shell")]
    shell: String,
    /// None: the one that the event comes from.
    container: Option<String>,
}

impl Actionner for Exec {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:exec",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Exec a command in a pod",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        use_context: true,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let command = plan(event, parameters, context).map_err(|failure| pod.concerned(failure))?;
        command.run(pod, parameters.container.as_deref(), event, context)
    }
}

fn plan(event: &Event, parameters: &Parameters, context: &Context) -> Result<Command, Failure> {
    let variables = Variables::of(event, context);
    Command::of_line(&parameters.shell, &parameters.command, &variables)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_the_event_stay_values() {
        let fields = json!({"fd.name": "; touch /tmp/pwned #"});
        let event = Event { output_fields: fields.as_object().unwrap().clone(), ..Event::default() };
        let parameters = serde_json::from_value(json!({"command": "cat ${FD_NAME}"})).unwrap();
        let command = plan(&event, &parameters, &Context::default()).unwrap();
        let expected = ["env", "FD_NAME=; touch /tmp/pwned #", "/bin/sh", "-c", "cat ${FD_NAME}"];
        assert_eq!(command.arguments(), expected);
    }
}
