//! `gcp:function`: hands the event to a function of Google Cloud.
//!
//! One call; the host finds the function's address and proves who it is. Does not know what the
//! function does with the event; its answer is the message of the report.

use falco_talon_kit::payload;
use falco_talon_sdk::functions::{Answer, invoke_google};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Report};
use serde::Deserialize;

struct Function;

falco_talon_sdk::export!(Function);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    gcp_function_name: String,
    #[serde(default = "us_central1")]
    gcp_function_location: String,
    /// In seconds. Zero: only the deadline of the whole action holds.
    #[serde(default)]
    gcp_function_timeout: u32,
}

fn us_central1() -> String {
    "us-central1".to_owned()
}

impl Actionner for Function {
    const DESCRIPTION: Description = Description {
        name: "gcp:function",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Invoke a GCP function forwarding the Falco event payload",
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        use_context: true,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let (name, location) = (&parameters.gcp_function_name, &parameters.gcp_function_location);
        let answer = invoke_google(name, location, timeout_ms(parameters), &payload::of(event, context));
        match answer {
            Ok(answer) => conclude(parameters, &answer),
            Err(error) => {
                let doing = format_args!("can't invoke the function '{name}' in the location '{location}'");
                let failure = Failure::from_error(doing, &error);
                Err(failure.object("name", name).object("location", location))
            }
        }
    }
}

fn timeout_ms(parameters: &Parameters) -> Option<u32> {
    let seconds = Some(parameters.gcp_function_timeout).filter(|seconds| *seconds > 0);
    seconds.map(|seconds| seconds.saturating_mul(1000))
}

/// What an answer means. The status is named as an object of its own, the body is not: what
/// objects name becomes labels.
fn conclude(parameters: &Parameters, answer: &Answer) -> Result<Outcome, Failure> {
    let (name, location) = (&parameters.gcp_function_name, &parameters.gcp_function_location);
    let status = answer.status.to_string();
    let shown = payload::shown(&answer.payload);
    let details = payload::details(answer.status, &answer.payload);
    if !(200..300).contains(&answer.status) {
        let failure = Failure::other(format!("function invocation failed with status {status}: {shown}"));
        let failure = failure.object("name", name).object("location", location);
        return Err(failure.object("function_response_status", status).details(&details));
    }
    let message = match shown.as_str() {
        "" => format!("the function '{name}' in the location '{location}' answers nothing, with the status {status}"),
        _ => shown,
    };
    let report = Report::new(message).object("name", name).object("location", location);
    Ok(Outcome::Done(report.object("function_response_status", status).details(&details)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(gcp_function_timeout: u32) -> Parameters {
        Parameters { gcp_function_name: "f".to_owned(), gcp_function_location: us_central1(), gcp_function_timeout }
    }

    #[test]
    fn an_answer_is_success_or_failure() {
        fn check(status: u16, payload: &str, expected: Result<&str, &str>) {
            let answer = Answer { status, payload: payload.as_bytes().to_vec(), function_error: None };
            let (message, objects) = match conclude(&parameters(0), &answer) {
                Ok(Outcome::Done(report) | Outcome::Ignored(report)) => (Ok(report.message), report.objects),
                Err(failure) => (Err(failure.message), failure.objects),
            };
            assert_eq!(message, expected.map(str::to_owned).map_err(str::to_owned));
            let of = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
            let status = of("function_response_status", &status.to_string());
            assert_eq!(objects, [of("name", "f"), of("location", "us-central1"), status]);
        }
        check(200, "seen\n", Ok("seen"));
        check(201, "made", Ok("made"));
        check(204, "", Ok("the function 'f' in the location 'us-central1' answers nothing, with the status 204"));
        check(302, "", Err("function invocation failed with status 302: "));
        check(500, "oh", Err("function invocation failed with status 500: oh"));
    }

    #[test]
    fn the_timeout_is_in_seconds() {
        fn check(seconds: u32, expected: Option<u32>) {
            assert_eq!(timeout_ms(&parameters(seconds)), expected);
        }
        check(0, None);
        check(10, Some(10_000));
        check(u32::MAX, Some(u32::MAX));
    }
}
