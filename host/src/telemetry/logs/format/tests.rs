//! Lines byte for byte, as published for the original or seen in its output.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const TRACE: &str = "c954bd8b3391a08f23079552fdd639f3";

fn line(format: Format, level: Level, tag: &str, fields: &[(&'static str, &str)]) -> String {
    let error = fields.iter().find(|(key, _)| *key == "error").map(|(_, value)| *value);
    let fields = fields.iter().filter(|(key, _)| *key != "error");
    let fields = fields.map(|(key, value)| Field::named(key, value)).collect();
    let mut out = String::new();
    let mut record = Record { level, tag, fields, error };
    render(&mut out, format, "2024-09-05T14:52:03+02:00", &mut record);
    out
}

#[track_caller]
fn check(level: Level, tag: &str, fields: &[(&'static str, &str)], expected: &str) {
    assert_eq!(line(Format::Text, level, tag, fields), format!("2024-09-05T14:52:03+02:00 {expected}\n"));
}

#[test]
fn lines_of_the_announcement() {
    let event = "Redirect STDOUT/STDIN to Network Connection in Container";
    check(
        Level::Info,
        "match",
        &[
            ("rule", "Reverse shell detected"),
            ("event", event),
            ("priority", "Critical"),
            ("output", "<truncated>"),
            ("source", "syscall"),
            ("trace_id", TRACE),
        ],
        r#"INF match event="Redirect STDOUT/STDIN to Network Connection in Container" output=<truncated> priority=Critical rule="Reverse shell detected" source=syscall trace_id=c954bd8b3391a08f23079552fdd639f3"#,
    );
    check(
        Level::Info,
        "action",
        &[
            ("action", "Run tcpdump for 5s"),
            ("actionner", "kubernetes:tcpdump"),
            ("event", "test"),
            ("rule", "Reverse shell detected"),
            ("status", "success"),
            ("trace_id", TRACE),
            ("pod", "cncf-55696bc998-5xjcb"),
            ("namespace", "default"),
            ("output", "a tcpdump 'tcpdump.pcap' has been created"),
        ],
        r#"INF action action="Run tcpdump for 5s" actionner=kubernetes:tcpdump event=test namespace=default output="a tcpdump 'tcpdump.pcap' has been created" pod=cncf-55696bc998-5xjcb rule="Reverse shell detected" status=success trace_id=c954bd8b3391a08f23079552fdd639f3"#,
    );
    check(
        Level::Error,
        "rules",
        &[
            ("rule", "Terminal shell in container"),
            ("actionner", "foor:bar"),
            ("action", "Label Pod as Suspicious"),
            ("error", "unknown actionner"),
        ],
        r#"ERR rules error="unknown actionner" action="Label Pod as Suspicious" actionner=foor:bar rule="Terminal shell in container""#,
    );
    check(Level::Fatal, "rules", &[("error", "invalid rules")], r#"FTL rules error="invalid rules""#);
    check(Level::Info, "rules", &[("result", "rules file valid")], r#"INF rules result="rules file valid""#);
}

#[test]
fn the_json_line_of_the_original() {
    let pod = Field::object("pod", "p1");
    let namespace = Field::object("namespace", "prod");
    let named = [
        ("action", "Label Pod"),
        ("actionner", "kubernetes:label"),
        ("event", "L1"),
        ("output", "the pod 'p1' in the namespace 'prod' has been labeled"),
        ("rule", "lab"),
        ("status", "success"),
        ("trace_id", "9dac16d25575d5ef265bb73ef488bd8a"),
    ];
    let named = named.map(|(key, value)| Field::named(key, value));
    let fields = [pod, namespace].into_iter().chain(named).collect();
    let mut record = Record { level: Level::Info, tag: "action", fields, error: None };
    let mut out = String::new();
    render(&mut out, Format::Json, "2026-11-22T01:28:39Z", &mut record);
    assert_eq!(
        out,
        r#"{"level":"info","rule":"lab","event":"L1","output":"the pod 'p1' in the namespace 'prod' has been labeled","actionner":"kubernetes:label","action":"Label Pod","status":"success","trace_id":"9dac16d25575d5ef265bb73ef488bd8a","pod":"p1","namespace":"prod","time":"2026-11-22T01:28:39Z","message":"action"}"#
            .to_owned()
            + "\n"
    );
}

#[test]
fn colours() {
    let check = |level, expected: Expect| {
        let fields = [("error", "no such file"), ("rule", "r")];
        expected.assert_eq(&line(Format::Color, level, "rules", &fields).replace('\x1b', "^"));
    };
    check(
        Level::Info,
        expect![[r#"
        ^[90m2024-09-05T14:52:03+02:00^[0m ^[32mINF^[0m ^[1mrules^[0m ^[36merror=^[0m^[31m^[1m"no such file"^[0m^[0m ^[36mrule=^[0mr
    "#]],
    );
    check(
        Level::Debug,
        expect![[r#"
        ^[90m2024-09-05T14:52:03+02:00^[0m DBG ^[1mrules^[0m ^[36merror=^[0m^[31m^[1m"no such file"^[0m^[0m ^[36mrule=^[0mr
    "#]],
    );
}

#[test]
fn quotes_as_go_does() {
    let quoted = |value: &str, expected: &str| check(Level::Info, "t", &[("k", value)], &format!("INF t k={expected}"));
    quoted("bare-'value'=<1>", "bare-'value'=<1>");
    quoted("two words", r#""two words""#);
    quoted("a\"b\\c", r#""a\"b\\c""#);
    quoted("é日🦀", r#""é日🦀""#);
    quoted("\n\r\t\u{7}\u{8}\u{b}\u{c}\0\u{1b}\u{7f}", r#""\n\r\t\a\b\v\f\x00\x1b\x7f""#);
    quoted("\u{85}\u{202e}\u{2028}\u{feff}\u{e0001}", r#""\u0085\u202e\u2028\ufeff\U000e0001""#);
}

#[test]
fn cuts_a_long_value_with_a_mark() {
    let long = "x".repeat(VALUE_BYTES_MAX + 7);
    let shown = format!("{}…[7 bytes cut]", "x".repeat(VALUE_BYTES_MAX));
    check(Level::Info, "t", &[("k", &long)], &format!("INF t k=\"{shown}\""));
    let json: serde_json::Value = serde_json::from_str(&line(Format::Json, Level::Info, "t", &[("k", &long)])).unwrap();
    assert_eq!(json["k"], shown);
}

#[test]
fn an_object_can_not_pose_as_a_field() {
    let key = |key: &'static str| Field::object(key, "v").key.into_owned();
    assert_eq!(key("Namespace"), "namespace");
    assert_eq!(key("trace_id"), "object.trace_id");
    assert_eq!(key("Level"), "object.level");
    assert_eq!(key("a b=\u{1b}[31m\n"), "a_b___31m_");
    assert_eq!(key(""), "object");
}

proptest! {
    #[test]
    fn one_record_is_one_line_without_controls(tag in any::<String>(), key in any::<String>(), value in any::<String>(), error in any::<String>()) {
        for format in [Format::Text, Format::Json] {
            let fields = vec![Field::object(&key, &value)];
            let mut record = Record { level: Level::Warn, tag: &tag, fields, error: Some(&error) };
            let mut out = String::new();
            render(&mut out, format, "now", &mut record);
            prop_assert!(out.ends_with('\n'));
            prop_assert!(out[..out.len() - 1].chars().all(is_printable), "{out:?}");
        }
    }

    #[test]
    fn json_keeps_the_value(value in any::<String>()) {
        let parsed: serde_json::Value = serde_json::from_str(&line(Format::Json, Level::Info, "t", &[("output", &value)])).unwrap();
        prop_assert_eq!(parsed["output"].as_str(), Some(&*value));
    }
}
