//! Calls a function and reports its answer as it is.

use falco_talon_sdk::functions::{Answer, InvocationType, invoke_google, invoke_lambda};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Report};
use serde::Deserialize;
use serde_json::json;

struct Probe;

falco_talon_sdk::export!(Probe);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    name: String,
    #[serde(default = "latest")]
    qualifier: String,
    #[serde(default)]
    invocation_type: Invocation,
    #[serde(default)]
    location: String,
    #[serde(default)]
    timeout_ms: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize)]
enum Invocation {
    #[default]
    RequestResponse,
    Event,
    DryRun,
}

fn latest() -> String {
    "$LATEST".to_owned()
}

impl Actionner for Probe {
    const DESCRIPTION: Description = Description {
        name: "probe:functions",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Call a function",
        example: "{action: Call it, actionner: 'probe:functions', parameters: {name: echo}}",
        parameters_schema: include_str!("../parameters.json"),
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let Parameters { name, qualifier, invocation_type, location, timeout_ms } = parameters;
        let timeout_ms = Some(*timeout_ms).filter(|timeout_ms| *timeout_ms > 0);
        let payload = json!({"rule": event.rule}).to_string().into_bytes();
        let answer = if location.is_empty() {
            let invocation_type = match invocation_type {
                Invocation::RequestResponse => InvocationType::RequestResponse,
                Invocation::Event => InvocationType::Event,
                Invocation::DryRun => InvocationType::DryRun,
            };
            invoke_lambda(name, qualifier, invocation_type, timeout_ms, &payload)
        } else {
            invoke_google(name, location, timeout_ms, &payload)
        };
        let answer = answer.map_err(|error| Failure::from_error(format_args!("can't call '{name}'"), &error))?;
        Ok(Outcome::Done(Report::new(told(&answer))))
    }
}

fn told(answer: &Answer) -> String {
    let error = answer.function_error.as_deref().map(|error| format!(" ({error})")).unwrap_or_default();
    format!("{}{error}: {}", answer.status, String::from_utf8_lossy(&answer.payload))
}
