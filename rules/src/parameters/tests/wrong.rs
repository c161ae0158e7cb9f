//! Schemas that are wrong by themselves, and those that would cost too much.

use expect_test::{Expect, expect};
use serde_json::{Map, Value, json};

use crate::{SchemaErrorKind, check_schema};

#[track_caller]
fn check(schema: &Value, expected: &Expect) {
    let lines = match check_schema(schema) {
        Ok(()) => "right".to_owned(),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    };
    expected.assert_eq(&lines);
}

/// A schema of one parameter.
fn one(parameter: Value) -> Value {
    json!({"type": "object", "properties": {"p": parameter}})
}

#[test]
fn what_is_no_schema_of_an_object() {
    check(
        &json!("object"),
        &expect![[r#"a schema of parameters is a JSON object such as {"type": "object"}, not a text"#]],
    );
    check(
        &json!(true),
        &expect![[r#"a schema of parameters is a JSON object such as {"type": "object"}, not a truth value"#]],
    );
    check(&json!(null), &expect![[r#"a schema of parameters is a JSON object such as {"type": "object"}, not null"#]]);
    check(&json!([]), &expect![[r#"a schema of parameters is a JSON object such as {"type": "object"}, not a list"#]]);
    check(
        &json!({"type": "array"}),
        &expect![[r#"/type: parameters are an object, so "type" must be "object", not "array""#]],
    );
    check(
        &json!({"$ref": "#/$defs/x", "$defs": {"x": {"type": ["string", "null"]}}}),
        &expect![[r#"/$defs/x/type: parameters are an object, so "type" must be "object", not ["string","null"]"#]],
    );
    check(&json!({"type": ["object", "null"]}), &expect!["right"]);
    check(&json!({}), &expect!["right"]);
}

#[test]
fn what_is_no_json_schema() {
    check(&json!({"type": "abject"}), &expect![[r#"/type: "abject" is not a type; did you mean 'object'?"#]]);
    check(
        &one(json!({"type": "objekt"})),
        &expect![[r#"/properties/p/type: "objekt" is not a type; did you mean 'object'?"#]],
    );
    check(
        &one(json!({"type": "strin", "minLength": -1})),
        &expect![[r#"
        /properties/p/minLength: this is not JSON Schema: -1 is less than the minimum of 0
        /properties/p/type: "strin" is not a type; did you mean 'string'?"#]],
    );
    check(
        &one(json!({"required": true})),
        &expect![[r#"/properties/p/required: this is not JSON Schema: true is not of type "array""#]],
    );
    check(
        &one(json!("string")),
        &expect![[r#"/properties/p: this is not JSON Schema: "string" is not of types "boolean", "object""#]],
    );
    check(
        &one(json!({"enum": "a"})),
        &expect![[r#"/properties/p/enum: this is not JSON Schema: "a" is not of type "array""#]],
    );
    check(
        &json!({"$schema": "https://json-schema.org/draft/2099-01/schema"}),
        &expect![[
            r#"/$schema: the draft "https://json-schema.org/draft/2099-01/schema" is not known; leave "$schema" out, or name draft 2020-12, 2019-09, 7, 6 or 4, as in "https://json-schema.org/draft/2020-12/schema""#
        ]],
    );
    check(&json!({"$schema": 7}), &expect![[r#"/$schema: this is not JSON Schema: 7 is not of type "string""#]]);
    let draft_4 = json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "id": "http://acme.example/page",
        "properties": {"p": {"type": "integer", "minimum": 1, "exclusiveMinimum": true, "default": 2}},
    });
    check(&draft_4, &expect!["right"]);
    for draft in ["draft-06/schema#", "draft-07/schema", "draft/2019-09/schema", "draft/2020-12/schema#"] {
        let scheme = if draft.contains("20") { "https" } else { "http" };
        let schema = json!({"$schema": format!("{scheme}://json-schema.org/{draft}"), "type": "object"});
        check(&schema, &expect!["right"]);
    }
}

#[test]
fn patterns_that_are_none() {
    check(
        &one(json!({"pattern": "(["})),
        &expect![[r#"/properties/p/pattern: the pattern "([" is not a regular expression: unclosed character class"#]],
    );
    check(
        &one(json!({"pattern": "^(?=.*x)\\d+$"})),
        &expect![[
            r#"/properties/p/pattern: the pattern "^(?=.*x)\\d+$" is not a regular expression: look-around, including look-ahead and look-behind, is not supported"#
        ]],
    );
    check(
        &one(json!({"pattern": "(a)\\1"})),
        &expect![[
            r#"/properties/p/pattern: the pattern "(a)\\1" is not a regular expression: backreferences are not supported"#
        ]],
    );
    check(
        &one(json!({"pattern": "((a{500}){500}){500}"})),
        &expect![[
            r#"/properties/p/pattern: the pattern "((a{500}){500}){500}" takes more than 524288 bytes once compiled; repeat less"#
        ]],
    );
    check(
        &json!({"patternProperties": {"*": {"pattern": "+"}}}),
        &expect![[r#"
            /patternProperties: the pattern "*" is not a regular expression: repetition operator missing expression
            /patternProperties/*/pattern: the pattern "+" is not a regular expression: repetition operator missing expression"#]],
    );
    check(&one(json!({"pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"})), &expect!["right"]);
    check(&one(json!({"pattern": "^\\p{L}[\\w.\\/-]{0,252}$"})), &expect!["right"]);
}

#[test]
fn references_that_lead_nowhere() {
    let refer = |to: &str| json!({"properties": {"p": {"$ref": to}}, "$defs": {"level": {}, "a/b": {}}});
    check(
        &refer("#/$defs/levle"),
        &expect![[r##"/properties/p/$ref: there is no schema at "#/$defs/levle"; did you mean '#/$defs/level'?"##]],
    );
    check(&refer("#/$defs/none"), &expect![[r##"/properties/p/$ref: there is no schema at "#/$defs/none""##]]);
    check(&refer("#/properties"), &expect!["right"]);
    check(
        &refer("#level"),
        &expect![[r##"/properties/p/$ref: there is no schema at "#level"; did you mean '#/$defs/level'?"##]],
    );
    check(
        &refer("#/$defs/a<b>"),
        &expect![[r##"/properties/p/$ref: there is no schema at "#/$defs/a<b>"; it is written '#/$defs/a%3Cb%3E'"##]],
    );
    check(
        &refer("#/$defs/%zz"),
        &expect![[r##"/properties/p/$ref: there is no schema at "#/$defs/%zz"; a '%' is written '%25'"##]],
    );
    check(
        &refer("https://127.0.0.1:9/x.json#/a"),
        &expect![[
            r##"/properties/p/$ref: "https://127.0.0.1:9/x.json#/a" is not within this schema, and nothing is fetched; bring it under "$defs" and write "#/$defs/…""##
        ]],
    );
    check(
        &refer("./other.json"),
        &expect![[
            r##"/properties/p/$ref: "./other.json" is not within this schema, and nothing is fetched; bring it under "$defs" and write "#/$defs/…""##
        ]],
    );
    check(
        &refer("file:///etc/passwd"),
        &expect![[
            r##"/properties/p/$ref: "file:///etc/passwd" is not within this schema, and nothing is fetched; bring it under "$defs" and write "#/$defs/…""##
        ]],
    );
    check(&refer("#/$defs/a~1b"), &expect!["right"]);
    check(&refer("#"), &expect!["right"]);
    // Neither a property nor a value is a reference because of its name.
    check(&json!({"properties": {"$ref": {"default": {"$ref": "x"}}, "$id": {}}}), &expect!["right"]);
    check(
        &one(json!({"$dynamicRef": "#n"})),
        &expect![[r##"/properties/p/$dynamicRef: "$dynamicRef" is not read; refer by "$ref": "#/$defs/…""##]],
    );
    check(
        &one(json!({"$id": "http://acme.example/p", "$ref": "#/x"})),
        &expect![[r##"
        /properties/p/$ref: there is no schema at "#/x"
        /properties/p/$id: "$id" is not read; refer by "$ref": "#/$defs/…""##]],
    );
    // A place that only a reference makes one of a schema.
    let elsewhere = json!({"properties": {"p": {"$ref": "#/components/x"}}, "components": {"x": {"pattern": "("}}});
    check(
        &elsewhere,
        &expect![[r#"/components/x/pattern: the pattern "(" is not a regular expression: unclosed group"#]],
    );
}

#[test]
fn defaults_that_are_not_valid() {
    check(
        &one(json!({"type": "integer", "default": "ten"})),
        &expect![[
            r#"/properties/p/default: the default "ten" is not valid by its own schema: "ten" is not of type "integer""#
        ]],
    );
    check(
        &one(json!({"type": "integer", "default": 3, "maximum": 2})),
        &expect![
            "/properties/p/default: the default 3 is not valid by its own schema: 3 is greater than the maximum of 2"
        ],
    );
    check(
        &one(json!({"format": "cidr", "default": "10.0.0/8"})),
        &expect![[
            r#"/properties/p/default: the default "10.0.0/8" is not valid by its own schema: "10.0.0/8" is not a "cidr""#
        ]],
    );
    check(
        &one(json!({"enum": ["pod", "node"], "default": "nod"})),
        &expect![[
            r#"/properties/p/default: the default "nod" is not valid by its own schema: "nod" is not one of "pod" or "node""#
        ]],
    );
    check(
        &one(json!({"type": "string", "default": null})),
        &expect![[
            r#"/properties/p/default: the default null is not valid by its own schema: null is not of type "string""#
        ]],
    );
    let of_other = json!({
        "properties": {"p": {"$ref": "#/$defs/a%3Cb%3E", "default": {"n": "x"}}},
        "$defs": {"a<b>": {"properties": {"n": {"type": "integer"}}}},
    });
    check(
        &of_other,
        &expect![[
            r#"/properties/p/default: the default {"n":"x"} is not valid by its own schema: "x" is not of type "integer""#
        ]],
    );
    // A default lacks nothing that has a default of its own.
    let nested = one(json!({"default": {}, "properties": {"n": {"default": 1}}, "required": ["n"]}));
    check(&nested, &expect!["right"]);
    check(
        &one(json!({"default": {}, "required": ["n"]})),
        &expect![[
            r#"/properties/p/default: the default {} is not valid by its own schema: "n" is a required property"#
        ]],
    );
    check(
        &one(json!({"items": {"type": "string"}, "default": ["a", 1]})),
        &expect![[
            r#"/properties/p/default: the default ["a",1] is not valid by its own schema: 1 is not of type "string""#
        ]],
    );
}

/// `count` definitions, each made from a reference to the next.
fn chain(count: usize, link: impl Fn(Value) -> Value) -> Value {
    let reference = |index: usize| json!({"$ref": format!("#/$defs/{index}")});
    let mut defs: Map<String, Value> =
        (0..count).map(|index| (index.to_string(), link(reference(index + 1)))).collect();
    defs.insert(count.to_string(), json!({}));
    json!({"$ref": "#/$defs/0", "$defs": defs})
}

fn nested(depth: usize, link: impl Fn(Value) -> Value) -> Value {
    (0..depth).fold(json!({}), |inner, _| link(inner))
}

#[test]
fn what_costs_too_much() {
    let endless = json!({"properties": {"p": {"$ref": "#/properties/p", "default": {}, "properties": {"q": {"$ref": "#/properties/p"}}}}});
    check(&endless, &expect!["the default of 'q' leads to further defaults without an end; leave one out"]);
    let twice = |one: Value| json!({"allOf": [one.clone(), one]});
    let mut doubled = chain(40, twice);
    check(&doubled, &expect!["right"]);
    doubled["default"] = json!({});
    check(&doubled, &expect!["checking takes more than 200000 steps; refer to fewer schemas from within each other"]);
    let wide = chain(40, |one| json!({"default": {}, "properties": {"a": one, "b": one}}));
    check(&wide, &expect!["the default of 'a' leads to further defaults without an end; leave one out"]);
    let wide = chain(12, |one| json!({"default": {}, "properties": {"a": one, "b": one}}));
    check(&wide, &expect!["right"]);
    let mut again = nested(25, |one| json!({"anyOf": [one], "unevaluatedProperties": false}));
    check(&again, &expect!["right"]);
    again["default"] = json!({"a": 1});
    check(&again, &expect!["checking takes more than 200000 steps; refer to fewer schemas from within each other"]);
    let mut long = chain(1_000, |one| one);
    check(
        &long,
        &expect!["/$defs/318: checking takes more than 200000 steps; refer to fewer schemas from within each other"],
    );
    long["default"] = json!({});
    check(&long, &expect!["schemas refer to each other more than 256 deep"]);
    check(&nested(40, |one| json!({"properties": {"a": one}})), &expect!["the schema is nested more than 64 deep"]);
    check(
        &nested(500, |one| json!([one])),
        &expect![[r#"a schema of parameters is a JSON object such as {"type": "object"}, not a list"#]],
    );
    check(&one(json!({"enum": vec!["x"; 100_000]})), &expect!["the schema has more than 262144 bytes"]);
    check(&json!({"allOf": vec![json!({}); 3_000]}), &expect!["the schema consists of more than 2000 schemas"]);
    check(&json!({"allOf": vec![json!({"pattern": "a"}); 100]}), &expect!["the schema has more than 64 patterns"]);
}

#[test]
fn nothing_takes_long() {
    let text = "a".repeat(100_000);
    let slow = vec![json!({"pattern": "(a?){200}b"}); 60];
    check(
        &one(json!({"default": text, "allOf": slow})),
        &expect!["/properties/p: checking takes more than 200000 steps; refer to fewer schemas from within each other"],
    );
    let many: Map<String, Value> = (0..1_500).map(|index| (format!("p{index}"), json!({"default": index}))).collect();
    check(&json!({ "properties": many }), &expect!["right"]);
    let all: Vec<Value> = (0..700).map(|index| json!({"properties": {format!("p{index}"): {"default": 1}}})).collect();
    check(
        &json!({ "allOf": all }),
        &expect!["checking takes more than 200000 steps; refer to fewer schemas from within each other"],
    );
    // What costs as much as is allowed.
    let within_limits = |keyword: &str| {
        let link = |one| match keyword {
            "not" => json!({"not": one, "unevaluatedProperties": false}),
            _ => json!({keyword: [one, {}], "unevaluatedProperties": false}),
        };
        let mut schema = nested(13, link);
        schema["default"] = json!({"a": 1});
        schema
    };
    for keyword in ["allOf", "anyOf", "oneOf", "not"] {
        let errors = check_schema(&within_limits(keyword)).unwrap_err();
        assert!(errors.iter().all(|error| matches!(error.kind, SchemaErrorKind::Default { .. })), "{errors:?}");
    }
}
