//! Whether one run answers two events.
//!
//! An actionner gets the whole event, and only it knows what of that its response depends on. So this is never so
//! where it does not say what it reads, nor where something is made of the event beside the response: an artifact, or a
//! context. In doubt, each event has its own run.

use std::sync::Arc;

use policy::Facts;
use rules::{Action, Event, Rule};

use crate::actionner::{Description, OutputUse};
use crate::generation::Generation;

/// How the output fields begin by which an event names its target: the pod, the incarnation of its container, the
/// object of an audit record.
const OF_TARGET: [&str; 3] = ["k8s.", "ka.target.", "container."];

/// Whether the run of these rules for `before` answers `after` as well.
pub(super) fn one_run_answers(generation: &Generation, rules: &[Arc<Rule>], before: &Event, after: &Event) -> bool {
    have_one_target(before, after)
        && rules.iter().flat_map(|rule| &rule.actions).all(|action| {
            let actionner = generation.actionners.get(&action.actionner);
            actionner.is_some_and(|it| is_the_same_to(action, &it.description, before, after))
        })
}

/// All that Falco says of the kind of the event, and all by which it names whom it is about. Its message, its time and
/// other output fields may differ.
fn have_one_target(before: &Event, after: &Event) -> bool {
    let of_target =
        |event: &'_ Event| event.output_fields.keys().filter(|name| is_of_target(name)).cloned().collect::<Vec<_>>();
    before.rule == after.rule
        && before.priority == after.priority
        && before.source == after.source
        && before.hostname == after.hostname
        && before.tags == after.tags
        && of_target(before).iter().chain(&of_target(after)).all(|name| agree_on(name, before, after))
        && Facts::of(before) == Facts::of(after)
}

fn is_of_target(name: &str) -> bool {
    OF_TARGET.iter().any(|beginning| name.starts_with(beginning))
}

/// Whether nothing differs that the action depends on besides the target.
fn is_the_same_to(action: &Action, description: &Description, before: &Event, after: &Event) -> bool {
    let Some(reads) = &description.reads else { return false };
    let yields = action.output.is_some() || description.output != OutputUse::None;
    let has_context = !action.additional_contexts.is_empty() || description.use_context;
    let mut names = description.required_fields.iter().flatten().chain(reads);
    !yields && !has_context && names.all(|name| agree_on(name, before, after))
}

/// Whether the events have the same value under this name, or neither has one.
fn agree_on(name: &str, before: &Event, after: &Event) -> bool {
    let beside_the_fields = match name {
        "output" => before.output == after.output,
        "time" => before.time == after.time,
        _ => true,
    };
    beside_the_fields && before.output_fields.get(name) == after.output_fields.get(name)
}

#[cfg(test)]
mod tests {
    use rules::{OutputUseSite, Position, Retry};
    use serde_json::{Value, json};

    use super::*;

    const SHELL: &str = r#"{
        "rule": "Shell", "priority": "Notice", "source": "syscall", "hostname": "worker-1", "output": "sh -c 1",
        "tags": ["shell"], "time": "2026-07-22T14:24:41Z",
        "output_fields": {
            "k8s.ns.name": "shop", "k8s.pod.name": "web-0", "container.id": "3f0c2b7d91ae", "fd.rip": "10.0.0.1",
            "proc.cmdline": "sh -c 1", "ka.uri": null
        }
    }"#;

    /// An event, with `changes` of its keys and output fields.
    fn event(changes: &Value) -> Event {
        let mut event: Value = serde_json::from_str(SHELL).unwrap();
        for (key, value) in changes.as_object().unwrap() {
            let of_event = event.get(key).is_some();
            let object = if of_event { &mut event } else { &mut event["output_fields"] };
            object[key] = value.clone();
        }
        Event::from_json(event.to_string().as_bytes()).unwrap()
    }

    /// An actionner that says `more` of itself than it must.
    fn description(more: &Value) -> Description {
        let mut description = json!({
            "name": "acme:mark", "version": "1.0.0", "summary": "Mark it", "parameters_schema": {},
            "example": "{action: Mark it, actionner: 'acme:mark'}",
        });
        description.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Description::parse(&description.to_string()).unwrap().0
    }

    fn action() -> Action {
        Action {
            name: "Mark it".to_owned(),
            description: String::new(),
            actionner: "acme:mark".parse().unwrap(),
            parameters: json!({}),
            continues: true,
            continue_as_written: None,
            ignore_errors: false,
            ignore_errors_as_written: None,
            retry: Retry::default(),
            additional_contexts: Vec::new(),
            output: None,
            position: Position { file: "rules.yaml".into(), line: 1, column: 1 },
        }
    }

    fn is_the_same(action: &Action, of_description: &Value, changes: &Value) -> bool {
        let (before, after) = (event(&json!({})), event(changes));
        let same = |before, after| {
            have_one_target(before, after) && is_the_same_to(action, &description(of_description), before, after)
        };
        let (there, back) = (same(&before, &after), same(&after, &before));
        assert_eq!(there, back, "{changes}");
        there
    }

    #[test]
    fn only_what_is_read_counts() {
        #[track_caller]
        fn check(reads: Value, changes: &Value, expected: bool) {
            assert_eq!(is_the_same(&action(), &json!({"reads": reads}), changes), expected, "{reads} {changes}");
        }
        let another_command = json!({"proc.cmdline": "sh -c 2", "output": "sh -c 2", "time": "2026-07-22T14:24:42Z"});
        check(json!([]), &another_command, true);
        check(json!(["fd.rip"]), &another_command, true);
        check(json!(["fd.rip", "proc.cmdline"]), &another_command, false);
        check(json!(["fd.rip"]), &json!({"fd.rip": "10.0.0.2"}), false);
        check(json!(["fd.rip"]), &json!({"fd.rip": null}), false);
        check(json!(["fd.sip"]), &json!({"fd.sip": "10.0.0.2"}), false);
        check(json!(["output"]), &json!({"output": "sh -c 2"}), false);
        check(json!(["time"]), &json!({"time": "2026-07-22T14:24:42Z"}), false);
    }

    #[test]
    fn what_names_the_target_counts_always() {
        for changes in [
            json!({"rule": "Another"}),
            json!({"priority": "Error"}),
            json!({"source": "k8s_audit"}),
            json!({"hostname": "worker-2"}),
            json!({"tags": []}),
            json!({"k8s.pod.name": "web-1"}),
            json!({"k8s.pod.uid": "7"}),
            json!({"k8s.deployment.name": "web"}),
            json!({"container.id": "2e0c2b7d91ae"}),
            json!({"container.id": null}),
            json!({"ka.target.name": "web-0"}),
        ] {
            assert!(!is_the_same(&action(), &json!({"reads": []}), &changes), "{changes}");
        }
        let of_audit = |uri: &str| {
            let target = json!({"ka.target.resource": "widgets", "ka.target.name": "w", "ka.target.namespace": "shop"});
            let mut target = target;
            target["ka.uri"] = uri.into();
            event(&target)
        };
        let (one, other) = (of_audit("/apis/one.example/v1/widgets"), of_audit("/apis/other.example/v1/widgets"));
        assert!(have_one_target(&one, &one) && !have_one_target(&one, &other));
    }

    #[test]
    fn in_doubt_each_has_its_own_run() {
        let reads_nothing = json!({"reads": []});
        let same = |action: &Action, description: &Value| is_the_same(action, description, &json!({}));
        assert!(same(&action(), &reads_nothing));
        assert!(!same(&action(), &json!({})));
        for more in [json!({"output": "optional"}), json!({"output": "required"}), json!({"use_context": true})] {
            let mut description = reads_nothing.clone();
            description.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert!(!same(&action(), &description), "{more}");
        }
        let site = OutputUseSite { target: "local:file".to_owned(), parameters: json!({}) };
        assert!(!same(&Action { output: Some(site), ..action() }, &reads_nothing));
        assert!(!same(&Action { additional_contexts: vec!["aws".to_owned()], ..action() }, &reads_nothing));
        let requires = json!({"reads": [], "required_fields": [["fd.rip"]]});
        assert!(!is_the_same(&action(), &requires, &json!({"fd.rip": "10.0.0.2"})));
    }
}
