//! Which rules answer which event.

use proptest::prelude::*;
use rules::{Document, Event, RuleSet, Source};
use serde_json::{Value, json};

use crate::catalogue::catalogue;

fn rule_set(text: &str) -> RuleSet {
    let source = Source { path: "rules.yaml".to_owned(), text: text.to_owned() };
    let document = Document::parse(&[source]).unwrap_or_else(|findings| panic!("{findings:?}"));
    let (rules, _) = document.check(&catalogue()).unwrap_or_else(|findings| panic!("{findings:?}"));
    RuleSet::new(rules)
}

fn event(changes: Value) -> Event {
    let mut event = json!({
        "rule": "A", "priority": "Warning", "source": "syscall", "time": "2024-09-05T14:24:41Z",
        "tags": ["a", "a", "b", "NIST_800-53_AC-6"], "output_fields": {"x": "1", "y": "2"},
    });
    for (key, value) in changes.as_object().expect("an object") {
        event[key] = value.clone();
    }
    Event::from_json(event.to_string().as_bytes()).expect("an event")
}

/// Whether a rule with this `match` answers the event.
fn check(criteria: &str, changes: Value, expected: bool) {
    let text =
        format!("- rule: R\n  match: {criteria}\n  actions: [{{action: Stop, actionner: kubernetes:terminate}}]\n");
    let matched = rule_set(&text).matching(&event(changes)).count() == 1;
    assert_eq!(matched, expected, "{criteria}");
}

#[test]
fn every_criterion_must_hold() {
    check("{}", json!({}), true);
    check("{rules: [A, B]}", json!({}), true);
    check("{rules: [a]}", json!({}), false);
    check("{source: syscall}", json!({}), true);
    check("{source: syscalls}", json!({}), false);
    check("{priority: '>=Warning'}", json!({}), true);
    check("{priority: '>Warning'}", json!({}), false);
    check("{tags: ['a, b']}", json!({}), true);
    check("{tags: ['a,a']}", json!({}), true);
    check("{tags: ['a, c', NIST_800-53_AC-6]}", json!({}), true);
    check("{tags: ['a, c']}", json!({}), false);
    check("{tags: [a]}", json!({"tags": null}), false);
    check("{output_fields: ['x=1, y=2']}", json!({}), true);
    check("{output_fields: ['x=2', 'x=1']}", json!({}), true);
    check("{output_fields: ['x=1, y=1']}", json!({}), false);
    check("{rules: [A], source: syscall, priority: Warning, tags: [b], output_fields: [x=1]}", json!({}), true);
    check(
        "{rules: [A], source: syscall, priority: Warning, tags: [b], output_fields: [x=1]}",
        json!({"source": "okta"}),
        false,
    );
}

#[test]
fn rules_answer_in_their_order() {
    let mut text = String::new();
    for (name, criteria) in [
        ("1", "{}"),
        ("2", "{rules: [A]}"),
        ("3", "{rules: [B]}"),
        ("4", "{source: syscall}"),
        ("5", "{rules: [B, A]}"),
    ] {
        text.push_str(&format!(
            "- rule: '{name}'\n  match: {criteria}\n  actions: [{{action: Stop, actionner: kubernetes:terminate}}]\n"
        ));
    }
    let rules = rule_set(&text);
    let names = |rule: &str| -> String {
        rules.matching(&event(json!({"rule": rule}))).map(|rule| rule.name.as_str()).collect()
    };
    assert_eq!((names("A"), names("B"), names("C")), ("1245".to_owned(), "1345".to_owned(), "14".to_owned()));
    assert_eq!((rules.len(), rules.rules().len(), rules.is_empty()), (5, 5, false));
}

proptest! {
    /// The index finds what looking at every rule finds.
    #[test]
    fn the_index_changes_nothing(rules in proptest::collection::vec(proptest::collection::btree_set("[A-D]", 0..3), 0..12)) {
        let mut text = String::new();
        for (index, names) in rules.iter().enumerate() {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            text.push_str(&format!("- rule: r{index}\n  match: {{rules: [{}]}}\n  actions: [{{action: S, actionner: kubernetes:cordon}}]\n", names.join(",")));
        }
        let set = rule_set(&text);
        for name in ["A", "D", "Z"] {
            let event = event(json!({"rule": name}));
            let indexed: Vec<&str> = set.matching(&event).map(|rule| rule.name.as_str()).collect();
            let all: Vec<&str> = set.rules().iter().filter(|rule| rule.matches(&event)).map(|rule| rule.name.as_str()).collect();
            prop_assert_eq!(indexed, all);
        }
    }
}

/// Whether a rule with this `match` could answer an audit event about a namespace.
fn check_may_answer(criteria: &str, expected: bool) {
    let text =
        format!("- rule: R\n  match: {criteria}\n  actions: [{{action: Stop, actionner: kubernetes:terminate}}]\n");
    let rules = rule_set(&text);
    let may = rules.rules()[0].may_answer("k8s_audit", "ka.target.resource", "namespaces");
    assert_eq!(may, expected, "{criteria}");
}

#[test]
fn what_a_rule_may_answer_is_all_but_what_it_rules_out() {
    check_may_answer("{}", true);
    check_may_answer("{rules: [A], tags: [t], priority: Error}", true);
    check_may_answer("{source: k8s_audit}", true);
    check_may_answer("{source: syscall}", false);
    check_may_answer("{output_fields: [ka.target.name=x]}", true);
    check_may_answer("{output_fields: [ka.target.resource=namespaces]}", true);
    check_may_answer("{output_fields: [ka.target.resource!=namespaces]}", false);
    check_may_answer("{output_fields: ['ka.target.resource in (pods, secrets), ka.target.name=x']}", false);
    check_may_answer("{output_fields: ['ka.target.resource in (pods, secrets)', ka.target.name=x]}", true);
}
