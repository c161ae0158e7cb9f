//! What is taken for an event, and what of it is kept.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use rules::{Event, Priority};
use serde_json::{Map, Value, json};

/// An event with some keys replaced; null takes a key away.
fn body(changes: Value) -> String {
    let mut event = json!({
        "rule": "Terminal shell in container", "priority": "Notice", "source": "syscall",
        "output": "14:24:41.123456789: Notice A shell was spawned", "hostname": "node-1",
        "time": "2024-09-05T14:24:41.123456789Z", "tags": ["shell"], "output_fields": {"proc.name": "bash"},
    });
    for (key, value) in changes.as_object().expect("an object") {
        event[key] = value.clone();
    }
    event.to_string()
}

fn accept(body: &str) -> Event {
    Event::from_json(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn check_refused(body: impl AsRef<[u8]>, expected: &Expect) {
    let error = Event::from_json(body.as_ref()).expect_err("not an event");
    expected.assert_eq(&error.to_string());
}

#[test]
fn an_event_of_falco_is_kept_exactly() {
    let event = accept(&body(json!({"output_fields": {
        "evt.time": 1_725_538_330_819_462_123_u64, "neg": i64::MIN, "max": u64::MAX, "float": 2576.0,
        "null": null, "yes": true, "list": ["a", 1], "container": {"image": {"tag": "latest"}}, "empty": "",
    }})));
    let fields = r#"{"container":{"image":{"tag":"latest"}},"empty":"","evt.time":1725538330819462123,"float":2576.0,"list":["a",1],"max":18446744073709551615,"neg":-9223372036854775808,"null":null,"yes":true}"#;
    assert_eq!(Value::Object(event.output_fields.clone()).to_string(), fields);
    expect![[r#"{"rule":"Terminal shell in container","priority":"Notice","source":"syscall","output":"A shell was spawned","hostname":"node-1","time":"2024-09-05T14:24:41.123456789Z","tags":["shell"],"output_fields":{"container":{"image":{"tag":"latest"}},"empty":"","evt.time":1725538330819462123,"float":2576.0,"list":["a",1],"max":18446744073709551615,"neg":-9223372036854775808,"null":null,"yes":true}}"#]].assert_eq(&event.to_json());
}

#[test]
fn what_senders_leave_out_has_a_default() {
    let event = accept(r#"{"rule":"x","priority":"debug","time":"2024-09-05T14:24:41Z"}"#);
    let without = (event.source.as_str(), event.output.as_str(), event.hostname.as_str());
    assert_eq!(without, ("syscall", "", ""));
    assert!(event.tags.is_empty() && event.output_fields.is_empty());
    let nulls = json!({"source": null, "output": null, "hostname": null, "tags": null, "output_fields": null});
    assert_eq!(accept(&body(nulls)).source, "syscall");
    assert_eq!(accept(&body(json!({"source": ""}))).source, "syscall");
    assert_eq!(accept(&body(json!({"source": "syscalls"}))).source, "syscalls");
}

#[test]
fn the_prefix_of_falco_is_cut() {
    let check = |output: &str, expected: &str| {
        assert_eq!(accept(&body(json!({"output": output}))).output, expected, "{output}");
    };
    check("10:05:05.123456789: Notice A shell", "A shell");
    check("10:05:05.123456789: Informational Foo", "Foo");
    check("10:05:05.123456789: INFO Foo", "Foo");
    check("2024-09-05T10:05:05.123456789+0000: Error Foo", "Foo");
    check("10:05:05.123456789: Notice ", "");
    check("10:05:05.123456789: Noticed Foo", "10:05:05.123456789: Noticed Foo");
    check("10:05:05.1234567: Notice Foo", "10:05:05.1234567: Notice Foo");
    check("A shell at 10:05:05.123456789: Notice me", "A shell at 10:05:05.123456789: Notice me");
    check("Critical Foo", "Critical Foo");
}

#[test]
fn keys_are_known_in_any_letter_case_and_the_exact_one_wins() {
    let time = r#""time":"2024-09-05T14:24:41Z""#;
    assert_eq!(accept(&format!(r#"{{"Rule":"a","PRIORITY":"info",{time}}}"#)).priority, Priority::Informational);
    for keys in [r#""Rule":"b","rule":"a""#, r#""rule":"a","RULE":"b""#] {
        assert_eq!(accept(&format!(r#"{{{keys},"priority":"info",{time}}}"#)).rule, "a");
    }
    check_refused(
        format!(r#"{{"Rule":"b","RULE":"a","priority":"info",{time}}}"#),
        &expect!["the key 'rule' is there twice at line 1 column 18"],
    );
}

#[test]
fn nothing_from_outside_forges_what_the_host_adds() {
    let forged = body(json!({"trace_id": "x", "uuid": "../..", "context": {"falco-talon.rule": "y"}}));
    assert_eq!(accept(&forged), accept(&body(json!({}))));
}

#[test]
fn times_are_rfc_3339() {
    for time in [
        "2024-09-05T14:24:41Z",
        "2024-09-05T14:24:41.1Z",
        "2024-09-05T16:24:41.123456789+02:00",
        "2024-09-05t14:24:41z",
        "2024-02-29T23:59:60Z",
        "9999-12-31T23:59:59.999999999Z",
    ] {
        assert_eq!(accept(&body(json!({"time": time}))).time, time);
    }
    for time in [
        "",
        "yesterday",
        "2024-09-05",
        "2024-09-05 14:24:41Z",
        "2024-09-05T14:24:41",
        "2024-09-05T14:24Z",
        "2024-13-05T14:24:41Z",
        "2023-02-29T14:24:41Z",
        "2024-09-05T25:24:41Z",
        "2019-05-17T15:31:56Z+2",
        "2024-09-05T14:24:41.Z",
        "2024-09-05T14:24:41+0200",
        "2024-09-05T14:24:41Z[UTC]",
        "2024-09-05T14:24:41+24:00",
        "2024-09-05T14:24:41*02:00",
        "２024-09-05T14:24:41Z",
    ] {
        assert!(Event::from_json(body(json!({"time": time})).as_bytes()).is_err(), "{time}");
    }
}

#[test]
fn reasons_name_the_key() {
    check_refused("", &expect!["EOF while parsing a value at line 1 column 0"]);
    check_refused(
        "null",
        &expect!["invalid type: null, expected a Falco event, which is a JSON object at line 1 column 4"],
    );
    check_refused(
        "[1]",
        &expect!["invalid type: sequence, expected a Falco event, which is a JSON object at line 1 column 0"],
    );
    check_refused("{}", &expect!["'rule' is missing at line 1 column 2"]);
    check_refused(body(json!({"rule": ""})), &expect!["'rule' is empty at line 1 column 222"]);
    check_refused(body(json!({"rule": null})), &expect!["'rule' is missing at line 1 column 224"]);
    check_refused(
        body(json!({"rule": {}})),
        &expect!["'rule': invalid type: map, expected a string at line 1 column 143"],
    );
    check_refused(
        body(json!({"priority": "high\nest"})),
        &expect![[r#"'priority': 'high\nest' is not a priority of Falco at line 1 column 138"#]],
    );
    check_refused(
        body(json!({"priority": 3})),
        &expect!["'priority': invalid type: integer `3`, expected a text at line 1 column 128"],
    );
    check_refused(
        body(json!({"time": 5})),
        &expect!["'time': invalid type: integer `5`, expected a string at line 1 column 217"],
    );
    check_refused(
        body(json!({"tags": "a"})),
        &expect![[r#"'tags': invalid type: string "a", expected a sequence at line 1 column 202"#]],
    );
    check_refused(
        body(json!({"tags": ["a", 1]})),
        &expect!["'tags': invalid type: integer `1`, expected a string at line 1 column 205"],
    );
    check_refused(
        body(json!({"output_fields": []})),
        &expect!["'output_fields': invalid type: sequence, expected an object at line 1 column 95"],
    );
    check_refused(
        body(json!({"source": "a".repeat(3), "hostname": ["x".repeat(500)]})),
        &expect!["'hostname': invalid type: sequence, expected a string at line 1 column 12"],
    );
    check_refused(
        format!("{}{}", body(json!({})), body(json!({}))),
        &expect!["trailing characters at line 1 column 250"],
    );
    check_refused(b"{\"rule\":\"\xff\"}", &expect!["'rule': invalid unicode code point at line 1 column 10"]);
}

#[test]
fn numbers_that_would_lose_digits_are_refused() {
    let with = |number: &str| body(json!({"output_fields": {"n": "N"}})).replace("\"N\"", number);
    check_refused(with("1e400"), &expect!["'output_fields': number out of range at line 1 column 105"]);
    check_refused(with("NaN"), &expect!["'output_fields': expected value at line 1 column 101"]);
    check_refused(
        with("18446744073709551616"),
        &expect!["'output_fields': a number is too large to be kept exactly: at most 64 bits at line 1 column 120"],
    );
    check_refused(
        with("1234567890123456789012345678901234567890"),
        &expect!["'output_fields': a number is too large to be kept exactly: at most 64 bits at line 1 column 140"],
    );
    assert_eq!(accept(&with("-0")).output_fields["n"], json!(0));
    assert_eq!(accept(&with("-1e-400")).output_fields["n"], json!(0));
}

#[test]
fn twins_are_refused_at_every_depth() {
    let with = |fields: &str| body(json!({"output_fields": "F"})).replace("\"F\"", fields);
    check_refused(
        with(r#"{"a":1,"a":1}"#),
        &expect!["'output_fields': the field 'a' is there twice at line 1 column 108"],
    );
    check_refused(
        with(r#"{"a":[{"b":1,"b":2}]}"#),
        &expect!["'output_fields': the field 'b' is there twice at line 1 column 114"],
    );
    check_refused(
        body(json!({})).replacen('{', r#"{"rule":"x","#, 1),
        &expect!["the key 'rule' is there twice at line 1 column 153"],
    );
    check_refused(
        with(&format!("{{\"a\":{}", "[".repeat(100_000))),
        &expect!["'output_fields': recursion limit exceeded at line 1 column 226"],
    );
}

#[test]
fn values_are_counted_wherever_they_are() {
    let check = |fields: String| {
        let text = body(json!({"output_fields": "FIELDS"})).replace("\"FIELDS\"", &fields);
        Event::from_json(text.as_bytes()).map(|_| ()).map_err(|error| {
            // The place is where the first one too many begins.
            error.to_string().split(" at line").next().unwrap_or_default().to_owned()
        })
    };
    let fields = |count: usize| (0..count).map(|at| format!("\"{at}\":0")).collect::<Vec<_>>().join(",");
    assert_eq!(check(format!("{{{}}}", fields(25_000))), Ok(()));
    let refused = Err("'output_fields': more than 25000 values".to_owned());
    for fields in [
        format!("{{{}}}", fields(25_001)),
        format!("{{\"a\":{{{}}}}}", fields(25_000)),
        format!("{{\"a\":[{}]}}", vec!["0"; 25_000].join(",")),
        format!("{{\"a\":[{}]}}", vec!["{}"; 25_000].join(",")),
        format!("{{\"a\":[{}],\"b\":[{}]}}", vec!["[]"; 12_500].join(","), vec!["null"; 12_500].join(",")),
        // What comes behind is not even looked at.
        format!("{{\"a\":[{}]", vec!["[]"; 25_000].join(",")),
    ] {
        assert_eq!(check(fields), refused);
    }
    let tags = body(json!({"tags": vec![""; 25_001]}));
    check_refused(tags, &expect!["'tags': more than 25000 values at line 1 column 75244"]);
}

#[test]
fn an_event_takes_what_its_values_take() {
    let bytes = |fields: Value| accept(&body(json!({"output_fields": fields}))).bytes();
    let none = bytes(json!({}));
    assert!((200..1_000).contains(&none), "{none}");
    assert!(bytes(json!({"a": "x".repeat(1_000)})) >= none + 1_000);
    assert!(bytes(json!({"x".repeat(1_000): 0})) >= none + 1_000);
    assert!(bytes(json!({"a": vec![0; 1_000]})) >= none + 1_000 * size_of::<Value>());
    // Each is a map of its own.
    let of_one = json!({"a": {"a": {"a": {"a": 0}}}});
    assert!(bytes(of_one) >= none + 4 * 11 * size_of::<Value>());
}

#[test]
fn the_pod_is_only_what_is_named_as_one() {
    let check = |fields: Value, expected: Option<(&str, &str)>| {
        let event = accept(&body(json!({"output_fields": fields})));
        assert_eq!(event.pod().map(|pod| (pod.namespace, pod.name)), expected, "{fields}");
    };
    check(json!({"k8s.ns.name": "shop", "k8s.pod.name": "web"}), Some(("shop", "web")));
    check(
        json!({"ka.target.namespace": "shop", "ka.target.pod.name": "web", "ka.target.name": "x"}),
        Some(("shop", "web")),
    );
    check(json!({"ka.target.namespace": "shop", "ka.target.name": "web"}), Some(("shop", "web")));
    check(
        json!({"ka.target.namespace": "shop", "ka.target.name": "web", "ka.target.resource": "pods"}),
        Some(("shop", "web")),
    );
    check(json!({"ka.target.namespace": "shop", "ka.target.name": "key", "ka.target.resource": "secrets"}), None);
    check(json!({"k8s.ns.name": "shop", "k8s.pod.name": ""}), None);
    for odd in [json!(null), json!(7), json!(true), json!(["web"]), json!({"a": "web"})] {
        check(json!({"k8s.ns.name": "shop", "k8s.pod.name": odd}), None);
    }
    check(json!({"k8s.pod.name": "web"}), None);
}

#[test]
fn the_audit_target_may_have_no_namespace() {
    let event = accept(&body(json!({"output_fields": {"ka.target.resource": "namespaces", "ka.target.name": "x"}})));
    let target = event.audit_target().expect("a target");
    assert_eq!((target.resource, target.name, target.namespace), ("namespaces", "x", None));
    assert!(accept(&body(json!({}))).audit_target().is_none());
}

#[test]
fn what_a_refused_request_names_is_not_what_the_event_is_about() {
    let check = |fields: Value, refused: Option<&str>| {
        let with = |names: Value| {
            let mut all = names.as_object().expect("an object").clone();
            all.extend(fields.as_object().expect("an object").clone());
            accept(&body(json!({"output_fields": all})))
        };
        let pod = with(json!({"ka.target.resource": "pods", "ka.target.name": "web", "ka.target.namespace": "shop"}));
        assert_eq!(pod.refused_request().as_deref(), refused, "{fields}");
        assert_eq!(pod.audit_target().is_none(), refused.is_some(), "{fields}");
        assert_eq!(pod.pod().is_none(), refused.is_some(), "{fields}");
        let half = with(json!({"k8s.pod.name": "web", "ka.target.namespace": "shop"}));
        assert_eq!(half.pod().is_none(), refused.is_some(), "{fields}");
        // A pod that a request does not name is none of its business.
        assert!(with(json!({"k8s.pod.name": "web", "k8s.ns.name": "shop"})).pod().is_some(), "{fields}");
    };
    check(json!({"ka.auth.decision": "forbid", "ka.response.code": "403"}), Some("ka.auth.decision=forbid"));
    check(json!({"ka.auth.decision": "Forbid"}), Some("ka.auth.decision=Forbid"));
    check(json!({"ka.auth.decision": "allow", "ka.response.code": "409"}), Some("ka.response.code=409"));
    check(json!({"ka.response.code": 404}), Some("ka.response.code=404"));
    check(json!({"ka.response.code": "400"}), Some("ka.response.code=400"));
    check(json!({"ka.response.code": "500"}), Some("ka.response.code=500"));
    for code in
        [json!("399"), json!("200"), json!(201), json!("101"), json!(""), json!("<NA>"), json!(null), json!(" 200 ")]
    {
        check(json!({"ka.auth.decision": "allow", "ka.response.code": code}), None);
    }
    // What is not understood is no success.
    check(json!({"ka.auth.decision": " forbid "}), Some("ka.auth.decision=forbid"));
    check(json!({"ka.auth.decision": "denied\n"}), Some("ka.auth.decision=denied"));
    check(json!({"ka.auth.decision": ["forbid"]}), Some(r#"ka.auth.decision=["forbid"]"#));
    check(json!({"ka.response.code": 403.0}), Some("ka.response.code=403.0"));
    check(json!({"ka.response.code": "403 Forbidden"}), Some("ka.response.code=403 Forbidden"));
    check(json!({"ka.response.code": "0"}), Some("ka.response.code=0"));
    check(json!({"ka.response.code": -1}), Some("ka.response.code=-1"));
    check(json!({"ka.auth.decision": "<NA>"}), None);
    check(json!({"ka.auth.decision": null, "ka.auth.reason": "forbid"}), None);
    check(json!({}), None);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(|float: f64| Value::from((float * 8.0).trunc() / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Event::from_json(&bytes);
    }

    #[test]
    fn a_cut_or_changed_event_does_not_panic(at in 0..300_usize, byte in any::<u8>()) {
        let mut bytes = body(json!({"output_fields": {"a": [1, {"b": null}]}})).into_bytes();
        let at = at % bytes.len();
        let _ = Event::from_json(&bytes[..at]);
        bytes[at] = byte;
        if let Err(error) = Event::from_json(&bytes) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn written_and_read_again_it_is_the_same(
        rule in "\\PC{1,20}", output in any::<String>(), tags in proptest::collection::vec(any::<String>(), 0..3),
        fields in proptest::collection::btree_map(any::<String>(), any_value(), 0..6),
        prefixes in 0..3_usize,
    ) {
        let output = format!("{}{output}", "10:05:05.123456789: Notice ".repeat(prefixes));
        let event = accept(&body(json!({"rule": rule, "output": output, "tags": tags, "output_fields": fields})));
        prop_assert_eq!(&accept(&event.to_json()), &event);
    }
}
