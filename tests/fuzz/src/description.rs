//! What a component says of itself: a description that stays the same, or a reason that can be shown.

use guest::Description;
use rules::{ActionnerSpec, Catalogue, Document, OutputUse, Source};
use serde_json::{Value, json};

/// A description has many keys, and what is wrong with one quotes it, escaped.
const FINDINGS_MAX: usize = 40;
const FINDING_CHARS_MAX: usize = 4_000;

/// A description that is written in another way is the same, and its schema judges parameters.
///
/// The first line is a set of parameters, what follows the description.
pub fn description(data: &[u8]) {
    let Some([parameters, text]) = crate::lines(data) else { return };
    let (description, warnings) = match Description::parse(text) {
        Ok(described) => described,
        Err(error) => return check_shown(&[error.to_string()]),
    };
    check_shown(&warnings);
    let value: Value = serde_json::from_str(text).expect("a description is JSON for others too");
    let (again, again_warnings) = Description::parse(&format!("{value:#}")).expect("only the spaces are others");
    assert_eq!(format!("{description:?}"), format!("{again:?}"));
    assert_eq!(warnings, again_warnings);
    let listed = rules::parameters(&description.parameters);
    assert!(
        listed.iter().all(|parameter| !parameter.name.is_empty() || description.parameters.get("properties").is_some())
    );
    let parameters = match serde_json::from_str(parameters) {
        Ok(Value::Object(parameters)) => parameters.into(),
        _ => json!({}),
    };
    check_rule(&description, &parameters);
}

/// What is said of it is short, and nothing in it moves the cursor, hides or reorders.
fn check_shown(findings: &[String]) {
    assert!(findings.len() <= FINDINGS_MAX);
    for finding in findings {
        assert!(!finding.is_empty() && finding.chars().count() <= FINDINGS_MAX * FINDING_CHARS_MAX, "{finding}");
        assert_eq!(crate::odd(finding), None, "{finding:?}");
    }
}

/// A rule that uses it, once parameters were taken, has those that it was given.
fn check_rule(description: &Description, parameters: &Value) {
    let spec = ActionnerSpec {
        parameters: description.parameters.clone(),
        required_fields: description.required_fields.clone(),
        continue_by_default: description.continue_by_default,
        output: OutputUse::None,
    };
    let catalogue = Catalogue { actionners: [(description.name.clone(), spec)].into(), ..Catalogue::default() };
    let action = json!({"action": "a", "actionner": description.name.as_str(), "parameters": parameters});
    let text = json!([{"rule": "a", "match": {"rules": ["a"]}, "actions": [action]}]).to_string();
    let Ok(document) = Document::parse(&[Source { path: "rules.yaml".to_owned(), text }]) else { return };
    let Ok((rules, _)) = document.check(&catalogue) else { return };
    let taken = &rules[0].actions[0].parameters;
    let _ = description.needs(taken);
    // A name may be written in another letter case.
    let keys = taken.as_object().into_iter().flatten().map(|(key, _)| key);
    for (name, value) in parameters.as_object().into_iter().flatten() {
        let is_simple = value.is_boolean() || value.is_string();
        assert!(
            !is_simple || keys.clone().any(|key| key.eq_ignore_ascii_case(name)),
            "{name} of {parameters} in {taken}"
        );
    }
}
