//! `acme:taint`: taints the node of the pod of an event, so that pods keep away from it or leave it.
//!
//! A node may have several taints with one key, of different effects, which a strategic merge patch can't keep apart:
//! so it writes the whole list, and only over the node that it has read. Where others were faster it looks again.

use falco_talon_sdk::kubernetes::{self, Error, PatchType, Preconditions};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Node, Outcome, Pod};
use serde::Deserialize;
use serde_json::{Value, json};

struct Taint;

falco_talon_sdk::export!(Taint);

const TRIES_MAX: usize = 5;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    key: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    effect: Effect,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Deserialize)]
enum Effect {
    #[default]
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

impl Actionner for Taint {
    const DESCRIPTION: Description = Description {
        name: "acme:taint",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Taint the node of the pod",
        sources: &["syscall", "k8s_audit"],
        example: "{action: Keep away, actionner: 'acme:taint', parameters: {key: acme.example/suspicious}}",
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        reads: Some(&[]),
        repeatable: true,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let object = pod.read()?;
        let node = Node::of(pod, &object)?;
        let mut tries = 0;
        loop {
            let before = kubernetes::get(&node.object()).map_err(|error| node.failure("read", &error))?;
            let Some(body) = plan(&before, parameters) else {
                return Ok(Outcome::Ignored(node.report(&format!("has the taint {parameters} already"))));
            };
            tries += 1;
            let unchanged = Preconditions::unchanged(&before);
            match kubernetes::patch_if(&node.object(), PatchType::Merge, &body, &unchanged) {
                Ok(_) => return Ok(Outcome::Done(node.report(&format!("has got the taint {parameters}")))),
                Err(Error::Conflict(_)) if tries < TRIES_MAX => {}
                Err(error) => return Err(node.failure("taint", &error)),
            }
        }
    }
}

/// As kubectl writes a taint.
impl std::fmt::Display for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, value, effect } = self;
        let equals = if value.is_empty() { "" } else { "=" };
        write!(f, "{key}{equals}{value}:{effect:?}")
    }
}

/// The patch of a node that gives it a taint beside its own; none where it has it.
fn plan(node: &Value, parameters: &Parameters) -> Option<Value> {
    let Parameters { key, value, effect } = parameters;
    let effect = format!("{effect:?}");
    let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    // Key and effect are what distinguishes one taint from another.
    let same = taints.iter().position(|taint| taint["key"] == *key && taint["effect"] == effect);
    if same.is_some_and(|same| taints[same]["value"].as_str().unwrap_or_default() == value) {
        return None;
    }
    let mut taint = json!({"key": key, "effect": effect});
    if !value.is_empty() {
        taint["value"] = value.as_str().into();
    }
    match same {
        Some(same) => taints[same] = taint,
        None => taints.push(taint),
    }
    Some(json!({"spec": {"taints": taints}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taint_comes_beside_the_others() {
        #[expect(clippy::needless_pass_by_value, reason = "the rows of a table read more easily without references")]
        fn check(before: Value, expected: Option<Value>) {
            let parameters = Parameters { key: "k".to_owned(), value: "v".to_owned(), effect: Effect::NoSchedule };
            let node = json!({"spec": {"taints": before}});
            assert_eq!(plan(&node, &parameters), expected.map(|taints| json!({"spec": {"taints": taints}})));
        }
        let ours = json!({"key": "k", "value": "v", "effect": "NoSchedule"});
        let other = json!({"key": "k", "effect": "NoExecute", "timeAdded": "2026-01-02T03:04:05Z"});
        check(Value::Null, Some(json!([ours])));
        check(json!([other]), Some(json!([other, ours])));
        check(json!([{"key": "k", "value": "w", "effect": "NoSchedule"}, other]), Some(json!([ours, other])));
        check(json!([other, ours]), None);
    }

    #[test]
    fn a_taint_is_written_as_kubectl_does() {
        let mut taint = Parameters { key: "k".to_owned(), value: "v".to_owned(), effect: Effect::NoExecute };
        assert_eq!(taint.to_string(), "k=v:NoExecute");
        taint.value.clear();
        assert_eq!(taint.to_string(), "k:NoExecute");
    }
}
