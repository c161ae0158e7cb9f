//! `acme:archive`: keeps the event in a bucket, as an actionner of your own could.
//!
//! It knows the bucket by the label that the policy gives it, and neither its address nor its
//! credentials.

use falco_talon_sdk::kubernetes::Error;
use falco_talon_sdk::objects::{get, put};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Report};
use serde::Deserialize;
use serde_json::json;

struct Archive;

falco_talon_sdk::export!(Archive);

const JSON: &str = "application/json";

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    bucket: String,
    key: String,
}

impl Actionner for Archive {
    const DESCRIPTION: Description = Description {
        name: "acme:archive",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Keep the event in a bucket",
        example: "{action: Keep, actionner: 'acme:archive', parameters: {bucket: evidence, key: shells/latest.json}}",
        parameters_schema: include_str!("../parameters.json"),
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let Parameters { bucket, key } = parameters;
        let failed = |doing: &str, error: &Error| {
            Failure::from_error(format_args!("can't {doing} the object '{key}' of the bucket '{bucket}'"), error)
        };
        let mut earlier = "";
        match get(bucket, key) {
            Ok(content) => {
                put(bucket, &format!("{key}.old"), JSON, &content).map_err(|error| failed("keep", &error))?;
                earlier = ", and the one before beside it";
            }
            Err(Error::NotFound) => {}
            Err(error) => return Err(failed("read", &error)),
        }
        put(bucket, key, JSON, content_of(event).as_bytes()).map_err(|error| failed("write", &error))?;
        let report = Report::new(format!("the event has been put into '{key}' of the bucket '{bucket}'{earlier}"));
        Ok(Outcome::Done(report.object("bucket", bucket.as_str()).object("key", key.as_str())))
    }
}

fn content_of(event: &Event) -> String {
    json!({"rule": event.rule, "output": event.output, "time": event.time, "output_fields": event.output_fields})
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_is_the_event() {
        let event = Event { rule: "shell".to_owned(), ..Event::default() };
        let content: serde_json::Value = serde_json::from_str(&content_of(&event)).unwrap();
        assert_eq!(content["rule"], "shell");
    }
}
