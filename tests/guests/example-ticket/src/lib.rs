//! `acme:ticket`: opens a ticket about an event, and waits for the answer of whoever reads it.
//!
//! Approved is done, denied is ignored, and no answer in time is a failure, so that what comes after it in a rule can
//! depend on it. The address and its credentials are the policy's.

use falco_talon_sdk::http::{Request, Response, send};
use falco_talon_sdk::kubernetes::Error;
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Report, clock};
use serde::Deserialize;
use serde_json::{Value, json};

struct Ticket;

falco_talon_sdk::export!(Ticket);

/// Longer than any ticket has to be called.
const NUMBER_BYTES_MAX: usize = 64;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    url: String,
    #[serde(default = "default_wait_seconds")]
    wait_seconds: u32,
    #[serde(default = "default_pause_ms")]
    pause_ms: u32,
}

fn default_wait_seconds() -> u32 {
    900
}

fn default_pause_ms() -> u32 {
    5_000
}

impl Actionner for Ticket {
    const DESCRIPTION: Description = Description {
        name: "acme:ticket",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Open a ticket and wait for its answer",
        example: "{action: Ask, actionner: 'acme:ticket', parameters: {url: 'https://desk.acme.example/tickets'}}",
        parameters_schema: include_str!("../parameters.json"),
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let url = &parameters.url;
        let opened = send(&request_to_open(event, url, context.event_uid()))
            .map_err(|error| Failure::from_error(format_args!("can't open a ticket at {url}"), &error))?;
        if context.is_dry_run() {
            return Ok(Outcome::Done(Report::new(format!("a ticket has been opened at {url}"))));
        }
        let number = number_of(url, &opened)?;
        let end = clock::now() + u64::from(parameters.wait_seconds) * 1_000;
        loop {
            let answer = answer_to(&number, send(&request_to_look(url, &number)))?;
            if let Some(outcome) = judge(&number, &answer) {
                return Ok(outcome);
            }
            // A pause that is cut short says that the time of the whole call is over.
            if clock::now() >= end || clock::pause(parameters.pause_ms) < parameters.pause_ms {
                let failure = Failure::other(format!("the ticket {number} has not been answered in time"));
                return Err(concerned(failure, &number, "open"));
            }
        }
    }
}

fn request_to_open(event: &Event, url: &str, event_uid: &str) -> Request {
    let body = json!({"title": event.rule, "text": event.output, "priority": event.priority, "time": event.time});
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", event_uid)];
    Request {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: body.to_string().into_bytes(),
        timeout_ms: None,
    }
}

fn request_to_look(url: &str, number: &str) -> Request {
    let url = format!("{}/{number}", url.trim_end_matches('/'));
    Request { method: "GET".to_owned(), url, headers: Vec::new(), body: Vec::new(), timeout_ms: Some(5_000) }
}

/// The number of the ticket that was opened. It becomes a part of an address, so it must look like one.
fn number_of(url: &str, response: &Response) -> Result<String, Failure> {
    match response.status {
        200..=299 => {}
        429 | 503 => return Err(Failure::unavailable(format!("{url} opens no ticket now"))),
        status => return Err(Failure::other(format!("{url} opens no ticket: it answers {status}"))),
    }
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let number = answer["number"].as_str().unwrap_or_default();
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if number.is_empty() || number.len() > NUMBER_BYTES_MAX || !number.bytes().all(is_inner) {
        return Err(Failure::other(format!("{url} has opened a ticket, but does not say its number")));
    }
    Ok(number.to_owned())
}

/// What a look at the ticket says; nothing where it could not be looked at for now.
fn answer_to(number: &str, looked: Result<Response, Error>) -> Result<Value, Failure> {
    match looked {
        Ok(response) if response.status == 200 => Ok(serde_json::from_slice(&response.body).unwrap_or_default()),
        Ok(Response { status: 429 | 500..=599, .. }) | Err(Error::Timeout | Error::Unavailable(_)) => Ok(Value::Null),
        Ok(Response { status, .. }) => {
            let failure = Failure::other(format!("can't look at the ticket {number}: the answer is {status}"));
            Err(concerned(failure, number, "open"))
        }
        Err(error) => {
            let failure = Failure::from_error(format_args!("can't look at the ticket {number}"), &error);
            Err(concerned(failure, number, "open"))
        }
    }
}

/// How it ends; none while the ticket is open.
fn judge(number: &str, answer: &Value) -> Option<Outcome> {
    let report = |state: &str| {
        let report = Report::new(format!("the ticket {number} has been {state}")).object("ticket", number);
        report.details(&json!({"ticket": number, "state": state, "by": answer["by"]}))
    };
    match answer["state"].as_str() {
        Some("approved") => Some(Outcome::Done(report("approved"))),
        Some("denied") => Some(Outcome::Ignored(report("denied"))),
        _ => None,
    }
}

fn concerned(failure: Failure, number: &str, state: &str) -> Failure {
    failure.object("ticket", number).details(&json!({"ticket": number, "state": state}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_ticket_is_opened_once_for_an_event() {
        let event = Event { rule: "shell".to_owned(), ..Event::default() };
        let request = request_to_open(&event, "https://desk.acme.example/tickets", "1f");
        assert_eq!(request.headers[1], ("Idempotency-Key".to_owned(), "1f".to_owned()));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["title"], "shell");
        assert_eq!(request_to_look("https://a/tickets/", "T-1").url, "https://a/tickets/T-1");
    }

    #[test]
    fn a_number_is_no_path() {
        fn check(status: u16, body: &str, expected: Result<&str, Failure>) {
            assert_eq!(number_of("u", &response(status, body)), expected.map(str::to_owned));
        }
        check(201, r#"{"number": "T-1"}"#, Ok("T-1"));
        let silent = Failure::other("u has opened a ticket, but does not say its number");
        check(201, r#"{"number": "../admin"}"#, Err(silent.clone()));
        check(201, "", Err(silent));
        check(503, "", Err(Failure::unavailable("u opens no ticket now")));
        check(404, "", Err(Failure::other("u opens no ticket: it answers 404")));
    }

    #[test]
    fn an_answer_is_an_outcome() {
        fn check(answer: &str, expected: Option<(&str, bool)>) {
            let ended = judge("T-1", &serde_json::from_str(answer).unwrap()).map(|outcome| match outcome {
                Outcome::Done(report) => (report.message, true),
                Outcome::Ignored(report) => (report.message, false),
            });
            assert_eq!(ended, expected.map(|(message, is_done)| (message.to_owned(), is_done)));
        }
        check(r#"{"state": "approved", "by": "ann"}"#, Some(("the ticket T-1 has been approved", true)));
        check(r#"{"state": "denied"}"#, Some(("the ticket T-1 has been denied", false)));
        check(r#"{"state": "open"}"#, None);
        check("null", None);
    }

    #[test]
    fn a_desk_that_is_busy_is_asked_again() {
        assert_eq!(answer_to("T-1", Ok(response(503, ""))), Ok(Value::Null));
        assert_eq!(answer_to("T-1", Err(Error::Timeout)), Ok(Value::Null));
        assert_eq!(answer_to("T-1", Ok(response(200, "{}"))), Ok(json!({})));
        let gone = answer_to("T-1", Ok(response(404, ""))).unwrap_err();
        assert_eq!(gone.message, "can't look at the ticket T-1: the answer is 404");
        assert_eq!(gone.details.as_deref(), Some(r#"{"state":"open","ticket":"T-1"}"#));
    }
}
