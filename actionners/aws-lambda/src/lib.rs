//! `aws:lambda`: hands the event to a function of AWS Lambda.
//!
//! One call. Does not know what the function does with the event; where a rule waits for it
//! (`RequestResponse`), its answer is the message of the report.

use std::fmt::Display;

use falco_talon_kit::payload;
use falco_talon_sdk::functions::{Answer, InvocationType, invoke_lambda};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Report};
use serde::Deserialize;

struct Lambda;

falco_talon_sdk::export!(Lambda);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    aws_lambda_name: String,
    #[serde(default = "latest")]
    aws_lambda_alias_or_version: String,
    #[serde(default)]
    aws_lambda_invocation_type: Invocation,
}

fn latest() -> String {
    "$LATEST".to_owned()
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Invocation {
    #[default]
    RequestResponse,
    Event,
    DryRun,
}

impl Actionner for Lambda {
    const DESCRIPTION: Description = Description {
        name: "aws:lambda",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Invoke an AWS lambda forwarding the Falco event payload",
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        use_context: true,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let (name, version) = (&parameters.aws_lambda_name, &parameters.aws_lambda_alias_or_version);
        let invocation_type = match parameters.aws_lambda_invocation_type {
            Invocation::RequestResponse => InvocationType::RequestResponse,
            Invocation::Event => InvocationType::Event,
            Invocation::DryRun => InvocationType::DryRun,
        };
        let answer = invoke_lambda(name, version, invocation_type, None, &payload::of(event, context));
        let result = match &answer {
            Ok(answer) => {
                let details = payload::details(answer.status, &answer.payload);
                let concluded = conclude(name, answer);
                concluded
                    .map(|message| Report::new(message).details(&details))
                    .map_err(|failure| failure.details(&details))
            }
            Err(error) => Err(Failure::from_error(format_args!("can't invoke the function '{name}'"), error)),
        };
        match result {
            Ok(report) => Ok(Outcome::Done(report.object("name", name).object("version", version))),
            Err(failure) => Err(failure.object("name", name).object("version", version)),
        }
    }
}

/// What an answer means: the message of success, or a failure.
fn conclude(name: &str, answer: &Answer) -> Result<String, Failure> {
    let shown = payload::shown(&answer.payload);
    let failed = |how: &dyn Display| {
        let separator = if shown.is_empty() { "" } else { ": " };
        Err(Failure::other(format!("the function '{name}' {how}{separator}{shown}")))
    };
    if let Some(error) = &answer.function_error {
        return failed(&format_args!("failed ({error})"));
    }
    match answer.status {
        200 if shown.is_empty() => Ok(format!("the function '{name}' has been invoked, and answers nothing")),
        200 => Ok(shown),
        202 => Ok(format!("the event has been queued for the function '{name}'")),
        204 => Ok(format!("the function '{name}' could be invoked")),
        status => failed(&format_args!("answers with the status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_success_or_failure() {
        fn check(status: u16, function_error: Option<&str>, payload: &str, expected: Result<&str, &str>) {
            let function_error = function_error.map(str::to_owned);
            let answer = Answer { status, payload: payload.as_bytes().to_vec(), function_error };
            let found = conclude("f", &answer).map_err(|failure| failure.message);
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
        }
        check(200, None, r#"{"ok": true}"#, Ok(r#"{"ok": true}"#));
        check(200, None, "", Ok("the function 'f' has been invoked, and answers nothing"));
        check(202, None, "", Ok("the event has been queued for the function 'f'"));
        check(204, None, "", Ok("the function 'f' could be invoked"));
        check(
            200,
            Some("Unhandled"),
            r#"{"errorMessage": "no"}"#,
            Err(r#"the function 'f' failed (Unhandled): {"errorMessage": "no"}"#),
        );
        check(200, Some("Unhandled"), "", Err("the function 'f' failed (Unhandled)"));
        check(500, None, "oh", Err("the function 'f' answers with the status 500: oh"));
        check(302, None, "", Err("the function 'f' answers with the status 302"));
    }
}
