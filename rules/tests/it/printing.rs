//! Whatever a rule file holds: it prints so that it reads back, and nothing panics.

use proptest::prelude::*;
use rules::Document;
use serde_json::json;

use crate::documents::{checked, lines, sources};

fn yaml_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,12}",
        "(true|no|1|0x1|1e3|~|null|- a|a: b|#x|\"|'|\\[|:|>|%|@|<<|=|\n|\t| |\u{85}|\u{2028}|\r){1,4}",
        "[a-z \n]{0,20}",
    ]
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(
        name in yaml_text(), description in yaml_text(), command in yaml_text(), key in yaml_text(), tag in "[a-z]{1,3}",
        seconds in 1..31_536_000_u32,
    ) {
        prop_assume!(!name.is_empty());
        let file = json!([{
            "rule": name, "description": description, "continue": "true", "max_age": format!("{seconds}s"),
            "match": {"tags": [tag], "rules": [name]},
            "actions": [{
                "action": name, "actionner": "kubernetes:exec", "retry": {"attempts": 1 + seconds % 100, "within": "90s"},
                "parameters": {"command": command, "list": [[command, 1], {"a": true}, [], {}], "map": {key: 1.5}},
            }],
        }]);
        let yaml = serde_json::to_string_pretty(&file).expect("JSON is YAML");
        let document = Document::parse(&sources(&[&yaml])).unwrap_or_else(|findings| panic!("{yaml} {}", lines(&findings)));
        let printed = document.to_yaml();
        let again = Document::parse(&sources(&[&printed])).unwrap_or_else(|findings| panic!("{printed} {}", lines(&findings)));
        prop_assert_eq!(without_positions(&again), without_positions(&document), "{}", printed);
    }

    #[test]
    fn no_file_panics(text in "(- |rule|action|actions|match|: |\n|  |&a|\\*a|<<|[|]|\\{|\\}|,|x|'|\"|#|---|!!str|\t|priority|parameters|output){0,40}") {
        let _ = checked(&[&text]);
    }
}

#[test]
fn a_key_of_any_length_reads_back() {
    for key in ["k".repeat(1_100), "\t".repeat(600), "é".repeat(1_024)] {
        let key = serde_json::Value::from(key).to_string();
        let action = format!("action: A\n    actionner: 'acme:a'\n    parameters:\n      ? {key}\n      : [{{a: b}}]");
        let yaml = format!("- rule: A\n  match: {{source: a}}\n  actions:\n  - {action}\n");
        let document = Document::parse(&sources(&[&yaml])).unwrap_or_else(|findings| panic!("{}", lines(&findings)));
        let printed = document.to_yaml();
        let again = Document::parse(&sources(&[&printed])).unwrap_or_else(|findings| panic!("{}", lines(&findings)));
        assert_eq!(again.to_yaml(), printed);
        assert_eq!(without_positions(&again), without_positions(&document));
    }
}

/// The debug form of a document with all places taken out.
fn without_positions(document: &Document) -> String {
    let text = format!("{document:?}");
    let mut rest = text.as_str();
    let mut result = String::new();
    while let Some((before, after)) = rest.split_once("Position {") {
        result.push_str(before);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    result.push_str(rest);
    result
        .lines()
        .map(|line| line.replace("inset: Some(0)", "inset: None").replace("inset: Some(1)", "inset: None"))
        .collect()
}
