//! Applies a network policy, with a `spec` for the pod `web-0`, and without one for others: so that it is removed again.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::kubernetes::{self, ApplyOptions, Object};
use falco_talon_sdk::{Event, Failure, Outcome, Report};
use serde_json::json;

guest!("hostile:apply");

fn run(event: &Event) -> Result<Outcome, Failure> {
    let pod = event.pod()?;
    let object = Object::namespaced("networking.k8s.io/v1", "networkpolicies", pod.namespace, "falco-talon-test");
    let mut body = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": pod.namespace, "name": "falco-talon-test", "labels": {"seen": "true"}},
    });
    if pod.name == "web-0" {
        body["spec"] = json!({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"]});
    }
    match kubernetes::apply(&object, &body, &ApplyOptions::default()) {
        Ok(_) => Ok(Outcome::Done(Report::new("applied"))),
        Err(error) => Err(Failure::from_error("can't apply", &error)),
    }
}
