//! `acme:page`: sends the event to an address, as an actionner of your own could.
//!
//! It names the address, and nothing else: the policy says whether that may be asked, and the
//! host adds the credentials.

use std::collections::BTreeMap;

use falco_talon_sdk::http::{Request, Response, send};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Report};
use serde::Deserialize;
use serde_json::json;

struct Page;

falco_talon_sdk::export!(Page);

/// As much of an answer as fits into a report.
const ANSWER_CHARS_MAX: usize = 200;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    url: String,
    #[serde(default)]
    method: Method,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    Get,
    #[default]
    Post,
    Put,
}

impl Actionner for Page {
    const DESCRIPTION: Description = Description {
        name: "acme:page",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Send the event to an address",
        example: "{action: Page, actionner: 'acme:page', parameters: {url: 'https://hooks.acme.example/falco/'}}",
        parameters_schema: include_str!("../parameters.json"),
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let url = &parameters.url;
        let answer = send(&plan(event, parameters))
            .map_err(|error| Failure::from_error(format_args!("can't send the event to {url}"), &error))?;
        judge(url, &answer)
    }
}

/// The request that the parameters ask for.
fn plan(event: &Event, parameters: &Parameters) -> Request {
    let Parameters { url, method, headers } = parameters;
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    let body = json!({
        "rule": event.rule,
        "priority": event.priority,
        "output": event.output,
        "time": event.time,
        "tags": event.tags,
        "output_fields": event.output_fields,
    });
    let (method, body) = match method {
        Method::Get => ("GET", Vec::new()),
        Method::Post => ("POST", body.to_string().into_bytes()),
        Method::Put => ("PUT", body.to_string().into_bytes()),
    };
    Request { method: method.to_owned(), url: url.clone(), headers, body, timeout_ms: None }
}

/// What an answer means: a server that is busy may have time later.
fn judge(url: &str, answer: &Response) -> Result<Outcome, Failure> {
    let text = String::from_utf8_lossy(&answer.body);
    let text: String = text.chars().take(ANSWER_CHARS_MAX).collect();
    let answered = format!("{url} answers {}: {text}", answer.status);
    match answer.status {
        200..=299 => Ok(Outcome::Done(Report::new(answered))),
        429 | 500..=599 => Err(Failure::unavailable(answered)),
        _ => Err(Failure::other(answered)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_the_body() {
        let event = Event { rule: "shell".to_owned(), ..Event::default() };
        let headers = BTreeMap::from([("X-Team".to_owned(), "shop".to_owned())]);
        let parameters = Parameters { url: "https://acme.example/".to_owned(), method: Method::Post, headers };
        let request = plan(&event, &parameters);
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://acme.example/"));
        assert_eq!(request.headers[0], ("X-Team".to_owned(), "shop".to_owned()));
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["rule"], "shell");
    }

    #[test]
    fn statuses_become_outcomes() {
        let answer = |status| Response { status, headers: Vec::new(), body: b"text".to_vec() };
        assert!(matches!(judge("u", &answer(204)), Ok(Outcome::Done(_))));
        assert_eq!(judge("u", &answer(503)), Err(Failure::unavailable("u answers 503: text")));
        assert_eq!(judge("u", &answer(302)), Err(Failure::other("u answers 302: text")));
    }
}
