//! What lies outside of the cluster: functions, the web, buckets.

use crate::bindings::falco_talon::actionner::functions::{Answer, InvocationType, invoke_google, invoke_lambda};
use crate::bindings::falco_talon::actionner::http::{Request, Response, send};
use crate::bindings::falco_talon::actionner::objects;
use crate::survey::Answers;

pub(crate) fn survey(url: &str, answers: &mut Answers) {
    let answer =
        invoke_lambda("echo", "$LATEST", InvocationType::RequestResponse, Some(10_000), b"{\"to\":\"lambda\"}");
    answers.add_result("invoke-lambda", answer.map(told));
    let answer = invoke_google("echo", "us-central1", Some(10_000), b"{\"to\":\"google\"}");
    answers.add_result("invoke-google", answer.map(told));
    let request = Request {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![("X-Team".to_owned(), "survey".to_owned())],
        body: b"words".to_vec(),
        timeout_ms: Some(10_000),
    };
    answers.add_result("send", send(&request).map(|Response { status, headers: _, body }| (status, text(&body))));
    answers.add_result("put", objects::put("evidence", "survey.txt", "text/plain", b"an object"));
    answers.add_result("get (object)", objects::get("evidence", "survey.txt").map(|content| text(&content)));
    answers.add_result("get (no object)", objects::get("evidence", "missing.txt").map(|content| text(&content)));
}

fn told(answer: Answer) -> (u16, String, Option<String>) {
    (answer.status, text(&answer.payload), answer.function_error)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
