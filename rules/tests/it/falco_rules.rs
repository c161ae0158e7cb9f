//! Everything that Falco's own rules say of themselves can be asked for in a rule.

use std::fs;

use rules::{Condition, Document, Priority, Source};
use serde_json::{Value, json};

use crate::data::files;

#[test]
fn every_rule_of_falco_can_be_named() {
    let lines = files("falco-rules").and_then(|mut files| files.remove("default-rules.jsonl"));
    let Some(lines) = lines.map(|path| fs::read_to_string(path).expect("a file")) else {
        return;
    };
    for line in lines.lines() {
        let rule: Value = serde_json::from_str(line).expect(line);
        let texts = |key: &str| -> Vec<&str> {
            let list = rule[key].as_array().expect(key);
            list.iter().filter_map(Value::as_str).collect()
        };
        for field in texts("fields") {
            for test in ["=x", "!=x", " exists"] {
                let condition = format!("{field}{test}");
                assert_eq!(Condition::parse_group(&condition).expect(&condition).len(), 1);
            }
        }
        let priority = rule["priority"].as_str().expect("a priority");
        assert!(Priority::parse(priority).is_some(), "{priority}");
        let tags = Some(texts("tags")).filter(|tags| !tags.is_empty());
        let file = json!([{
            "rule": rule["rule"],
            "match": {
                "rules": [rule["rule"]], "priority": format!(">={priority}"), "source": rule["source"],
                "tags": tags.map(|tags| vec![tags.join(", ")]),
            },
            "actions": [{"action": "A", "actionner": "kubernetes:label"}],
        }]);
        let source = Source { path: "rules.yaml".to_owned(), text: file.to_string() };
        Document::parse(&[source]).unwrap_or_else(|findings| panic!("{findings:#?}"));
    }
}
