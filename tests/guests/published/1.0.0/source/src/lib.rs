//! `published:survey`: calls every function of the contract 1.0.0, and reports what each answers.
//!
//! It uses the contract as it is, without the SDK, so that it is nobody's but the host's to keep it running.

mod outside;
mod survey;

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "actionner" });
}

use serde_json::{Value, json};

use bindings::exports::falco_talon::actionner::action::{Failure, FailureKind, Guest, Invocation, Outcome, Report};
use survey::{Answers, Pod};

struct Survey;

bindings::export!(Survey with_types_in bindings);

impl Guest for Survey {
    fn describe() -> String {
        include_str!("description.json").to_owned()
    }

    fn run(invocation: Invocation) -> Result<Outcome, Failure> {
        let event = parsed(&invocation.event)?;
        let (parameters, context) = (parsed(&invocation.parameters)?, parsed(&invocation.context)?);
        let field = |name: &str| text(&event["output_fields"][name]);
        let pod = Pod { namespace: field("k8s.ns.name"), name: field("k8s.pod.name") };
        match text(&parameters["end"]).as_str() {
            "done" => {
                let mut answers = Answers::default();
                answers.add("trace-id", invocation.trace_id.len());
                answers.add("context", &context["falco-talon.rule"]);
                survey::survey(&pod, &mut answers);
                outside::survey(&text(&parameters["url"]), &mut answers);
                Ok(Outcome::Done(report(&pod, "every function has been called", &answers.into_json())))
            }
            "ignored" => Ok(Outcome::Ignored(report(&pod, "nothing had to be done", &json!({})))),
            "rejected" => Err(failure(&pod, FailureKind::Rejected)),
            "unavailable" => Err(failure(&pod, FailureKind::Unavailable)),
            "unknown" => Err(failure(&pod, FailureKind::Unknown)),
            _ => Err(failure(&pod, FailureKind::Other)),
        }
    }
}

fn report(pod: &Pod, message: &str, details: &Value) -> Report {
    Report { message: message.to_owned(), objects: objects(pod), details: Some(details.to_string()) }
}

fn failure(pod: &Pod, kind: FailureKind) -> Failure {
    let details = Some(json!({ "kind": format!("{kind:?}") }).to_string());
    Failure { kind, message: "it has failed as it was asked to".to_owned(), objects: objects(pod), details }
}

fn objects(pod: &Pod) -> Vec<(String, String)> {
    vec![("pod".to_owned(), pod.name.clone()), ("namespace".to_owned(), pod.namespace.clone())]
}

fn parsed(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure {
        kind: FailureKind::Rejected,
        message: error.to_string(),
        objects: Vec::new(),
        details: None,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
