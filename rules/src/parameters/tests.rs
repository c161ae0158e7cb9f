//! Parameters against small schemas: what is refused, what is filled in, and where the finding points.

mod filled;
mod tools;
mod wrong;

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::yaml;

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "labels": {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
            "level": {"enum": ["pod", "node"], "default": "pod"},
            "grace_period_seconds": {"type": "integer", "minimum": 0},
            "ratio": {"type": "number"},
            "ignore_daemonsets": {"type": "boolean", "default": false},
            "min_healthy_replicas": {"type": "string", "pattern": "^[0-9]+%?$"},
            "either": {"type": ["integer", "string"]},
            "allow_cidr": {"type": "array", "items": {"type": "string", "format": "cidr"}},
            "nested": {"$ref": "#/$defs/nested"},
        },
        "required": ["labels"],
        "additionalProperties": false,
        "$defs": {"nested": {"type": "object", "properties": {"depth": {"type": "integer", "default": 3}}}},
    })
}

fn check(parameters: &str, expected: &Expect) {
    check_against(&schema(), parameters, expected);
}

#[track_caller]
fn check_against(schema: &Value, parameters: &str, expected: &Expect) {
    let (documents, errors) = yaml::documents("r.yaml", parameters);
    assert_eq!(errors, []);
    let compiled = Schema::new(schema).expect("a schema");
    let text = match compiled.check(documents.unwrap().first()) {
        Ok(value) => value.to_string(),
        Err(errors) => {
            let line = |error: &ParameterError| {
                let at = error.at.as_ref().map_or("-".to_owned(), ToString::to_string);
                format!("{at}: {}", error.message)
            };
            errors.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    };
    expected.assert_eq(&text);
}

#[test]
fn one_of_two_must_be_given() {
    let schema = json!({
        "type": "object",
        "properties": {"script": {"type": "string"}, "file": {"type": "string"}},
        "oneOf": [{"required": ["script"]}, {"required": ["file"]}],
    });
    check_against(&schema, "script: id", &expect![[r#"{"script":"id"}"#]]);
    check_against(&schema, "{}", &expect!["-: missing parameter 'script' or 'file'"]);
    let both = expect!["-: 'script' and 'file' parameters can't be set at the same time"];
    check_against(&schema, "{script: id, file: /x}", &both);
}

#[test]
fn scalars_become_texts_where_texts_are_wanted() {
    check(
        "labels: {suspicious: true, version: 1.10, count: 007, gone: , n: 5}",
        &expect![[
            r#"{"ignore_daemonsets":false,"labels":{"count":"007","gone":"","n":"5","suspicious":"true","version":"1.10"},"level":"pod"}"#
        ]],
    );
    check(
        "labels: {a: b}\nmin_healthy_replicas: 2\neither: 2",
        &expect![[
            r#"{"either":2,"ignore_daemonsets":false,"labels":{"a":"b"},"level":"pod","min_healthy_replicas":"2"}"#
        ]],
    );
    check(
        "labels: {a: b}\nmin_healthy_replicas: 33%\neither: '2'",
        &expect![[
            r#"{"either":"2","ignore_daemonsets":false,"labels":{"a":"b"},"level":"pod","min_healthy_replicas":"33%"}"#
        ]],
    );
}

#[test]
fn names_are_found_in_any_letter_case_and_defaults_filled_in() {
    check(
        "Labels: {A: b}\nIgnore_DaemonSets: True\nnested: {}",
        &expect![[r#"{"ignore_daemonsets":true,"labels":{"A":"b"},"level":"pod","nested":{"depth":3}}"#]],
    );
    check(
        "labels: {a: b}\nLABELS: {a: c}",
        &expect!["r.yaml:2:1: the parameter 'LABELS' is there twice, in another letter case"],
    );
}

#[test]
fn texts_are_no_numbers() {
    check(
        "labels: {a: b}\ngrace_period_seconds: '5'\nratio: x",
        &expect![[r#"
        r.yaml:2:1: error decoding parameters: 'grace_period_seconds' expected type 'integer', got type 'string'; write it without quotes
        r.yaml:3:1: error decoding parameters: 'ratio' expected type 'number', got type 'string'"#]],
    );
    check(
        "labels: {a: b}\ngrace_period_seconds: 2.7\nignore_daemonsets: yes",
        &expect![[r#"
        r.yaml:2:1: error decoding parameters: 'grace_period_seconds' expected type 'integer', got type 'number'
        r.yaml:3:1: error decoding parameters: 'ignore_daemonsets' expected type 'boolean', got type 'string'"#]],
    );
    check(
        "labels: {a: b}\ngrace_period_seconds: 99999999999999999999999",
        &expect!["r.yaml:2:23: parameter 'grace_period_seconds' is too large a number"],
    );
}

#[test]
fn all_mistakes_are_found_with_their_places() {
    check(
        "label: {a: b}\ngracePeriods: 5\nlevel: nodes\nallow_cidr:\n  - 10.0.0.0/8\n  - 10.0.0/8\n",
        &expect![[r#"
            r.yaml:1:1: unknown parameter 'label'; did you mean 'labels'?
            r.yaml:1:1: missing parameter 'labels'
            r.yaml:2:1: unknown parameter 'gracePeriods'; did you mean 'grace_period_seconds'?
            r.yaml:3:1: parameter 'level' can be 'pod' or 'node' only, not 'nodes'; did you mean 'node'?
            r.yaml:6:5: wrong CIDR '10.0.0/8'"#]],
    );
    check(
        "labels: {}\ngrace_period_seconds: -1\nmin_healthy_replicas: 2.5%",
        &expect![[r#"
            r.yaml:1:1: parameter 'labels' should have at least one label
            r.yaml:2:1: parameter 'grace_period_seconds': -1 is less than the minimum of 0
            r.yaml:3:1: parameter 'min_healthy_replicas': "2.5%" does not match "^[0-9]+%?$""#]],
    );
    check(
        "labels: x\nallow_cidr: 10.0.0.0/8\nnested: {dept: 1}",
        &expect![[r#"
            r.yaml:1:1: error decoding parameters: 'labels' expected type 'map', got type 'string'
            r.yaml:2:1: error decoding parameters: 'allow_cidr' expected type 'list', got type 'string'
            r.yaml:3:10: unknown parameter 'nested[dept]'; did you mean 'depth'?"#]],
    );
    check(
        "labels: {a: [b]}\nallow_cidr: [~]",
        &expect![[r#"
            r.yaml:1:10: error decoding parameters: 'labels[a]' expected type 'string', got type 'list'
            r.yaml:2:14: error decoding parameters: 'allow_cidr[0]' expected type 'string', got type 'null'"#]],
    );
    check("", &expect!["-: missing parameter 'labels'"]);
}

#[test]
fn a_wrong_schema_is_an_error() {
    assert!(Schema::new(&json!({"type": "objekt"})).is_err());
    assert!(Schema::new(&json!({"$ref": "https://schemas.example/x.json"})).is_err());
}
