//! `kubernetes:cordon`: keeps new pods away from the node of the pod of an event.
//!
//! Looks at the node first, so that it can report whether that was so before. Does not touch the
//! pods that run there.

use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Node, Outcome, Pod, kubernetes};
use serde::Deserialize;
use serde_json::Value;

struct Cordon;

falco_talon_sdk::export!(Cordon);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {}

impl Actionner for Cordon {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:cordon",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Cordon a node",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        reads: Some(&[]),
        repeatable: true,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, _: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let object = pod.read()?;
        let node = Node::of(pod, &object)?;
        let before = kubernetes::get(&node.object()).map_err(|error| node.failure("read", &error))?;
        if is_cordoned(&before) {
            return Ok(Outcome::Ignored(node.report("is already cordoned")));
        }
        node.cordon()?;
        Ok(Outcome::Done(node.report("has been cordoned")))
    }
}

fn is_cordoned(node: &Value) -> bool {
    node["spec"]["unschedulable"] == true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cordon_is_seen() {
        fn check(spec: &Value, expected: bool) {
            assert_eq!(is_cordoned(&json!({ "spec": spec })), expected, "{spec}");
        }
        check(&json!({"unschedulable": true}), true);
        check(&json!({"unschedulable": false}), false);
        check(&json!({}), false);
        check(&Value::Null, false);
    }
}
