//! `kubernetes:script`: runs a script in the container of an event.
//!
//! The script goes to the shell's standard input, so that no file is left behind. The event's
//! values are in its environment, and never part of its text. Does not read files: the host puts
//! a rule's `file` in the place of `script` when it loads the rule.

use falco_talon_kit::command::{self, Command};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Pod, Variables};
use serde::Deserialize;

struct Script;

falco_talon_sdk::export!(Script);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    script: Option<String>,
    file: Option<String>,
    #[serde(default = "command::default_shell")]
    shell: String,
    /// None: the one that the event comes from.
    container: Option<String>,
}

impl Actionner for Script {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:script",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Run a script in a pod",
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
    let script = match (&parameters.script, &parameters.file) {
        (Some(script), None) => script,
        (None, None) => return Err(Failure::rejected("missing parameter 'script' or 'file'")),
        (Some(_), Some(_)) => {
            return Err(Failure::rejected("'script' and 'file' parameters can't be set at the same time"));
        }
        (None, Some(file)) => {
            let why = "the host has to read it when it loads the rules";
            return Err(Failure::rejected(format!("can't read the file '{file}' of parameter 'file': {why}")));
        }
    };
    Command::of_script(&parameters.shell, script, &Variables::of(event, context))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn planned(parameters: Value) -> Result<Command, String> {
        let fields = json!({"fd.name": "; touch /tmp/pwned #"});
        let event = Event { output_fields: fields.as_object().unwrap().clone(), ..Event::default() };
        let parameters = serde_json::from_value(parameters).unwrap();
        plan(&event, &parameters, &Context::default()).map_err(|failure| failure.message)
    }

    #[test]
    fn there_is_one_script() {
        fn check(parameters: Value, expected: &str) {
            assert_eq!(planned(parameters).unwrap_err(), expected);
        }
        check(json!({}), "missing parameter 'script' or 'file'");
        check(json!({"script": "ls", "file": "/a"}), "'script' and 'file' parameters can't be set at the same time");
        check(
            json!({"file": "/a"}),
            "can't read the file '/a' of parameter 'file': the host has to read it when it loads the rules",
        );
    }

    #[test]
    fn values_of_the_event_stay_values() {
        let command = planned(json!({"script": "cat ${FD_NAME}", "shell": "bash"})).unwrap();
        assert_eq!(command.arguments(), ["env", "FD_NAME=; touch /tmp/pwned #", "bash"]);
        assert_eq!(command.stdin(), "{ :; cat ${FD_NAME}\n} </dev/null\n");
    }
}
