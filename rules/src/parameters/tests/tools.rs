//! Schemas as authors' tools write them: which names count, what is filled in, and how the parameters are listed.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::check_against;
use crate::{check_schema, parameters};

/// As the crate schemars writes it for a struct with an enum, a struct that may be left out, and a flattened one.
fn of_schemars() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Parameters",
        "type": "object",
        "properties": {
            "level": {"description": "What is isolated.", "$ref": "#/$defs/Level", "default": "pod"},
            "mode": {"$ref": "#/$defs/Mode"},
            "retry": {"anyOf": [{"$ref": "#/$defs/Retry"}, {"type": "null"}]},
            "grace": {"type": ["integer", "null"], "format": "uint32", "minimum": 0},
        },
        "allOf": [{"$ref": "#/$defs/Common"}],
        "required": ["level", "mode"],
        "$defs": {
            "Level": {"type": "string", "enum": ["pod", "node"]},
            "Mode": {"oneOf": [
                {"description": "All at once.", "type": "string", "const": "fast"},
                {"description": "One by one.", "type": "string", "const": "slow"},
            ]},
            "Retry": {
                "type": "object",
                "properties": {"times": {"type": "integer", "default": 3}, "wait": {"type": "integer"}},
                "required": ["wait"],
            },
            "Common": {
                "type": "object",
                "properties": {"reason": {"type": "string", "default": "falco"}, "ticket": {"type": "string"}},
                "required": ["ticket", "reason"],
            },
        },
    })
}

#[test]
fn a_schema_of_schemars() {
    let check = |parameters, expected| check_against(&of_schemars(), parameters, &expected);
    check("{mode: fast, ticket: 12}", expect![[r#"{"level":"pod","mode":"fast","reason":"falco","ticket":"12"}"#]]);
    check(
        "{mode: fast, ticket: t, retry: {wait: 1}}",
        expect![[r#"{"level":"pod","mode":"fast","reason":"falco","retry":{"times":3,"wait":1},"ticket":"t"}"#]],
    );
    check(
        "{mode: fsat, ticket: t, level: nod, retry: ~}",
        expect![[r#"
        r.yaml:1:2: parameter 'mode' can be 'fast' or 'slow' only, not 'fsat'; did you mean 'fast'?
        r.yaml:1:25: parameter 'level' can be 'pod' or 'node' only, not 'nod'; did you mean 'pod'?"#]],
    );
    check(
        "{mode: fast, tiket: t, retry: {tims: 1, wait: 2}}",
        expect![[r#"
        r.yaml:1:1: missing parameter 'ticket'
        r.yaml:1:14: unknown parameter 'tiket'; did you mean 'ticket'?
        r.yaml:1:32: unknown parameter 'retry[tims]'; did you mean 'times'?"#]],
    );
    check(
        "{mode: fast, ticket: t, retry: {wait: x}}",
        expect!["r.yaml:1:33: error decoding parameters: 'retry[wait]' expected type 'integer', got type 'string'"],
    );
    check("{mode: fast, ticket: t, retry: {}}", expect!["r.yaml:1:32: missing parameter 'retry[wait]'"]);
}

/// As pydantic writes it.
fn of_pydantic() -> Value {
    json!({
        "title": "Page",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "severity": {"$ref": "#/$defs/Severity", "default": "high"},
            "old": {"allOf": [{"$ref": "#/$defs/Severity"}], "default": "low", "title": "Old"},
            "team": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": null, "title": "Team"},
            "steps": {"items": {"$ref": "#/$defs/Step"}, "type": "array", "title": "Steps"},
            "labels": {"additionalProperties": {"type": "string"}, "type": "object", "default": {}},
            "wait": {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 1},
        },
        "$defs": {
            "Severity": {"enum": ["low", "high"], "type": "string", "title": "Severity"},
            "Step": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "times": {"default": 1, "type": "integer"}},
                "required": ["name", "times"],
            },
        },
    })
}

#[test]
fn a_schema_of_pydantic() {
    let check = |parameters, expected| check_against(&of_pydantic(), parameters, &expected);
    check("{}", expect![[r#"{"labels":{},"old":"low","severity":"high","team":null,"wait":1}"#]]);
    check(
        "{team: 5, labels: {a: true}, steps: [{name: 1}, {name: x, times: 2}]}",
        expect![[
            r#"{"labels":{"a":"true"},"old":"low","severity":"high","steps":[{"name":"1","times":1},{"name":"x","times":2}],"team":"5","wait":1}"#
        ]],
    );
    check(
        "{steps: [{nam: x}], wait: [], Severity: hihg}",
        expect![[r#"
        r.yaml:1:10: missing parameter 'steps[0][name]'
        r.yaml:1:11: unknown parameter 'steps[0][nam]'; did you mean 'name'?
        r.yaml:1:21: parameter 'wait' can't be '[]': it is not one of what is allowed
        r.yaml:1:31: parameter 'Severity' can be 'low' or 'high' only, not 'hihg'; did you mean 'high'?"#]],
    );
}

/// As tools write it that make draft 7 of types of TypeScript: all behind one reference, with encoded names.
fn of_typescript() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#/definitions/Parameters",
        "definitions": {
            "Parameters": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "limit": {"$ref": "#/definitions/Maybe%3Cnumber%3E"},
                    "channel": {"anyOf": [{"const": "mail", "type": "string"}, {"const": "chat", "type": "string"}]},
                },
                "required": ["channel"],
            },
            "Maybe<number>": {"type": "number", "default": 1.5},
        },
    })
}

#[test]
fn a_schema_of_typescript() {
    let check = |parameters, expected| check_against(&of_typescript(), parameters, &expected);
    check("{channel: mail}", expect![[r#"{"channel":"mail","limit":1.5}"#]]);
    check(
        "{chanel: mail, limit: x}",
        expect![[r#"
        r.yaml:1:1: missing parameter 'channel'
        r.yaml:1:2: unknown parameter 'chanel'; did you mean 'channel'?
        r.yaml:1:16: error decoding parameters: 'limit' expected type 'number', got type 'string'"#]],
    );
    check(
        "{channel: chta}",
        expect!["r.yaml:1:2: parameter 'channel' can be 'mail' or 'chat' only, not 'chta'; did you mean 'chat'?"],
    );
}

/// By hand: alternatives that are told apart by a tag, conditions, and names by pattern.
fn by_hand() -> Value {
    json!({
        "type": "object",
        "properties": {"kind": {"enum": ["exec", "label"]}},
        "required": ["kind"],
        "oneOf": [
            {
                "properties": {"kind": {"const": "exec"}, "command": {"type": "string"}, "shell": {"default": "sh"}},
                "required": ["command"],
            },
            {
                "properties": {"kind": {"const": "label"}, "label": {"type": "string"}},
                "required": ["label"],
            },
        ],
        "if": {"properties": {"kind": {"const": "exec"}}},
        "then": {"properties": {"timeout": {"type": "integer", "default": 5}}},
        "patternProperties": {"^x-": {"type": "string"}},
        "unevaluatedProperties": false,
    })
}

#[test]
fn a_schema_by_hand() {
    let check = |parameters, expected| check_against(&by_hand(), parameters, &expected);
    check("{kind: exec, command: 5, x-y: 1}", expect![[r#"{"command":"5","kind":"exec","x-y":"1"}"#]]);
    check("{kind: exec, Timeout: 5, command: id}", expect![[r#"{"command":"id","kind":"exec","timeout":5}"#]]);
    check(
        "{kind: label, label: x, command: id}",
        expect!["r.yaml:1:25: the parameter 'command' does not go with the others"],
    );
    check(
        "{kind: exec, command: id, x-y: 1, label: x}",
        expect!["r.yaml:1:35: the parameter 'label' does not go with the others"],
    );
    check(
        "{kind: label, labels: x}",
        expect![[r#"
            -: missing parameter 'command' or 'label'
            r.yaml:1:15: unknown parameter 'labels'; did you mean 'label'?"#]],
    );
}

#[test]
fn a_ring_of_references_ends() {
    let check = |schema: Value, parameters, expected: Expect| check_against(&schema, parameters, &expected);
    check(json!({"$ref": "#"}), "{a: 1}", expect!["r.yaml:1:2: unknown parameter 'a'; it takes no parameters"]);
    check(json!({"allOf": [{"$ref": "#"}], "properties": {"a": {"default": 1}}}), "{}", expect![[r#"{"a":1}"#]]);
    let tree = json!({
        "properties": {"t": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "object", "properties": {"c": {"$ref": "#/$defs/n"}, "v": {"default": 1}}}},
    });
    check(tree.clone(), "{t: {c: {c: {v: 2}}}}", expect![[r#"{"t":{"c":{"c":{"v":2},"v":1},"v":1}}"#]]);
    check(tree, "{t: {c: {d: {v: 2}}}}", expect!["r.yaml:1:10: unknown parameter 't[c][d]'; did you mean 'c'?"]);
}

#[test]
fn they_are_right_by_themselves() {
    for schema in [of_schemars(), of_pydantic(), of_typescript(), by_hand()] {
        assert_eq!(check_schema(&schema), Ok(()));
    }
}

#[test]
fn their_parameters_are_listed() {
    let check = |schema: &Value, expected: Expect| {
        let line = |it: &crate::Parameter<'_>| {
            format!("{}{}: {}\n", it.name, if it.is_required { " (required)" } else { "" }, it.schema)
        };
        expected.assert_eq(&parameters(schema).iter().map(line).collect::<String>());
    };
    check(
        &of_schemars(),
        expect![[r#"
        grace: {"format":"uint32","minimum":0,"type":["integer","null"]}
        level: {"default":"pod","description":"What is isolated.","enum":["pod","node"],"type":"string"}
        mode (required): {"enum":["fast","slow"]}
        retry: {"properties":{"times":{"default":3,"type":"integer"},"wait":{"type":"integer"}},"required":["wait"],"type":"object"}
        reason: {"default":"falco","type":"string"}
        ticket (required): {"type":"string"}
    "#]],
    );
    check(
        &of_pydantic(),
        expect![[r##"
        labels: {"additionalProperties":{"type":"string"},"default":{},"type":"object"}
        old: {"default":"low","enum":["low","high"],"title":"Old","type":"string"}
        severity: {"default":"high","enum":["low","high"],"title":"Severity","type":"string"}
        steps: {"items":{"$ref":"#/$defs/Step"},"title":"Steps","type":"array"}
        team: {"default":null,"title":"Team","type":"string"}
        wait: {"default":1}
    "##]],
    );
    check(
        &of_typescript(),
        expect![[r#"
        channel (required): {"enum":["mail","chat"]}
        limit: {"default":1.5,"type":"number"}
    "#]],
    );
    check(
        &by_hand(),
        expect![[r#"
            kind (required): {"enum":["exec","label"]}
            command: {"type":"string"}
            shell: {}
            label: {"type":"string"}
            timeout: {"type":"integer"}
        "#]],
    );
    check(&json!(true), expect![[""]]);
}
