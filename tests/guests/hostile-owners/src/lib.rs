//! Writes to whatever the pod of the event says that owns it, as if that were so.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::kubernetes::{self, Error, Object, PatchType};
use falco_talon_sdk::{Event, Failure, Outcome, Report};
use serde_json::json;

guest!("hostile:owners");

fn run(event: &Event) -> Result<Outcome, Failure> {
    let pod = event.pod()?;
    let object = pod.read()?;
    let mut ends = Vec::new();
    for owner in object["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
        let text = |key: &str| owner[key].as_str().unwrap_or_default();
        let object = match text("kind") {
            "Node" => Object::node(text("name")),
            kind => {
                let plural = format!("{}s", kind.to_lowercase());
                Object::namespaced(text("apiVersion"), &plural, pod.namespace, text("name"))
            }
        };
        let read = match kubernetes::get(&object) {
            Ok(_) => "read",
            Err(error) => short(&error),
        };
        let body = json!({"metadata": {"labels": {"touched": "true"}}});
        let patched = match kubernetes::patch(&object, PatchType::Merge, &body) {
            Ok(_) => "written",
            Err(error) => short(&error),
        };
        ends.push(format!("{} {}: {read}, {patched}", text("kind"), text("name")));
    }
    Ok(Outcome::Done(Report::new(ends.join("; "))))
}

fn short(error: &Error) -> &'static str {
    match error {
        Error::Denied(_) => "denied",
        Error::NotFound => "not found",
        _ => "another error",
    }
}
