//! A rule file: rules that stay the same when they are printed, or findings at places that are in the file.

use std::collections::BTreeSet;

use rules::{ActionnerSpec, Catalogue, Diagnostic, Document, Event, OutputUse, Rule, Severity, Source};
use serde_json::json;

/// Two events: of a pod, and of the audit log.
const EVENTS: [&str; 2] = [
    r#"{"rule": "Terminal shell in container", "priority": "Notice", "time": "2025-11-22T13:24:41Z", "tags": ["shell"],
        "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": "web-0", "proc.tty": 34816, "fd.name": null}}"#,
    r#"{"rule": "Attach/Exec Pod", "priority": "Warning", "source": "k8s_audit", "time": "2025-11-22T13:24:41Z",
        "output_fields": {"ka.target.name": "web-0", "ka.verb": "create", "ka.user.groups": ["a", "b"]}}"#,
];

/// Rules that are printed mean the same, and a finding is at a place in the file.
pub fn rules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let document = match parse(text) {
        Ok(document) => document,
        Err(findings) => return check_findings(text, &findings),
    };
    check_places(text, document.warnings());
    let printed = document.to_yaml();
    let again = parse(&printed).unwrap_or_else(|findings| panic!("{printed}\n{findings:#?}"));
    assert_eq!(again.to_yaml(), printed);
    let catalogue = catalogue(&document);
    match (document.check(&catalogue), again.check(&catalogue)) {
        (Ok((rules, findings)), Ok((printed_rules, _))) => {
            check_places(text, &findings);
            check_same(rules, printed_rules);
        }
        (Err(findings), Err(_)) => check_findings(text, &findings),
        (found, printed_found) => panic!("{found:#?}\n{printed}\n{printed_found:#?}"),
    }
}

fn parse(text: &str) -> Result<Document, Vec<Diagnostic>> {
    Document::parse(&[Source { path: "rules.yaml".to_owned(), text: text.to_owned() }])
}

/// All that the rules name, with a schema that knows one parameter of each type.
fn catalogue(document: &Document) -> Catalogue {
    let types = ["string", "integer", "number", "boolean", "array", "object"];
    let properties = types.map(|name| (name.to_owned(), json!({ "type": name })));
    let parameters = json!({
        "type": "object",
        "properties": properties.into_iter().collect::<serde_json::Map<_, _>>(),
        "additionalProperties": {"type": "string"},
    });
    let outputs = BTreeSet::from(["aws:s3", "local:file", "minio:s3"]);
    let spec = ActionnerSpec {
        parameters: parameters.clone(),
        required_fields: Vec::new(),
        continue_by_default: true,
        output: OutputUse::Optional,
    };
    Catalogue {
        actionners: document.actionners().into_iter().map(|name| (name, spec.clone())).collect(),
        outputs: outputs.into_iter().map(|name| (name.to_owned(), parameters.clone())).collect(),
        notifiers: ["slack", "webhook"].map(str::to_owned).into(),
    }
}

fn check_findings(text: &str, findings: &[Diagnostic]) {
    assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "refused without an error");
    check_places(text, findings);
}

fn check_places(text: &str, findings: &[Diagnostic]) {
    // A line of YAML may end with either, or with both, and the end of the file is a place of its own.
    let lines = 1 + text.chars().filter(|char| matches!(char, '\n' | '\r')).count();
    for finding in findings {
        assert!(!finding.message.is_empty());
        if let Some(position) = &finding.position {
            let line = usize::try_from(position.line).expect("a line fits");
            assert!((1..=lines).contains(&line) && position.column >= 1, "{finding} of {lines} lines");
        }
    }
}

/// Rules are the same but for where they stand, and answer the same events.
fn check_same(rules: Vec<Rule>, mut printed: Vec<Rule>) {
    assert_eq!(rules.len(), printed.len());
    for (rule, printed) in rules.iter().zip(&mut printed) {
        printed.position = rule.position.clone();
        for (action, printed) in rule.actions.iter().zip(&mut printed.actions) {
            printed.position = action.position.clone();
        }
        assert_eq!(format!("{rule:?}"), format!("{printed:?}"));
        for event in EVENTS {
            let event = Event::from_json(event.as_bytes()).expect("an event");
            assert_eq!(rule.matches(&event), printed.matches(&event));
        }
    }
}
