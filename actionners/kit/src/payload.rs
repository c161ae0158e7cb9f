//! An event as a function in the cloud gets it: one JSON object, the keys in Falco Talon's order.
//!
//! Functions in use read it as it was, so its form is Go's: maps are sorted by key, what is
//! absent is null, and the characters that HTML gives a meaning are escaped. Numbers are written
//! as the event has them: integers of 64 bits digit by digit, others as the shortest text
//! of the same double (`1.50` becomes `1.5`). Does not know who gets it.

use std::fmt::Write;

use falco_talon_sdk::{Context, Event};
use serde_json::{Map, Value, json};

/// Go's zero time, for an event that does not say when it happened.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// How much of an answer a message shows.
const ANSWER_BYTES_MAX: usize = 4096;

/// The payload of an event: the event itself, its trace id, and all that is known about its
/// surroundings.
#[must_use]
pub fn of(event: &Event, context: &Context) -> Vec<u8> {
    let Event { rule, priority, source, output, hostname, time, tags, output_fields } = event;
    let time = if time.is_empty() { NO_TIME } else { time };
    let tags = match tags.as_slice() {
        [] => Value::Null,
        tags => tags.iter().map(String::as_str).collect(),
    };
    let mut known = context.values.clone();
    // Functions know the event by its trace id, and have never been sent another.
    known.retain(|key, value| key != "falco-talon.event.uid" && !value.is_null() && *value != "");
    let text = |text: &str| Value::from(text).to_string();
    let members = [
        ("trace_id", text(&context.trace_id)),
        ("output", text(output)),
        ("priority", text(priority)),
        ("rule", text(rule)),
        ("hostname", text(hostname)),
        ("time", text(time)),
        ("source", text(source)),
        ("output_fields", map(output_fields)),
        ("context", map(&known)),
        ("tags", tags.to_string()),
    ];
    let members = members.map(|(key, value)| format!("\"{key}\":{value}"));
    escaped(&format!("{{{}}}", members.join(","))).into_bytes()
}

/// An answer for a message: as text, cut where it is long.
#[must_use]
pub fn shown(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let text = text.trim();
    let shown = &text[..text.floor_char_boundary(ANSWER_BYTES_MAX)];
    match text.len() - shown.len() {
        0 => shown.to_owned(),
        cut => format!("{shown}…[{cut} bytes cut]"),
    }
}

/// An answer for what comes after the action: its status, and what it says where that is JSON and not long.
#[must_use]
pub fn details(status: u16, answer: &[u8]) -> Value {
    let mut details = json!({ "status": status });
    if answer.len() <= ANSWER_BYTES_MAX
        && let Ok(value) = serde_json::from_slice::<Value>(answer)
    {
        details["answer"] = value;
    }
    details
}

/// An empty map can't be distinguished from one that was not sent.
fn map(map: &Map<String, Value>) -> String {
    if map.is_empty() { "null".to_owned() } else { serde_json::to_string(map).unwrap_or_default() }
}

/// JSON in Go's manner. The characters only occur inside of texts, where escapes mean the same.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a text never fails.
                let _ = write!(escaped, "\\u{:04x}", u32::from(char));
            }
            _ => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(event: &Value, context: Value) -> String {
        let event = Event::from_json(&event.to_string()).unwrap();
        let Value::Object(values) = context else { panic!("a context is an object") };
        let context = Context { trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(), values };
        String::from_utf8(of(&event, &context)).unwrap()
    }

    #[test]
    fn a_whole_event() {
        let event = json!({
            "rule": "Falco rule name", "priority": "Warning", "source": "syscall", "output": "text",
            "hostname": "node-1", "time": "2026-01-02T03:04:05.000000006Z", "tags": ["network", "<b>"],
            "output_fields": {"proc.name": null, "fd.rport": 443, "fd.rip": "203.0.113.7"},
        });
        let context = json!({"falco-talon.rule": "R", "falco-talon.action": "A", "falco-talon.event.uid": "1f", "falco-talon.empty": "", "aws.region": null});
        let expected = concat!(
            r#"{"trace_id":"0af7651916cd43dd8448eb211c80319c","output":"text","priority":"Warning","#,
            r#""rule":"Falco rule name","hostname":"node-1","time":"2026-01-02T03:04:05.000000006Z","#,
            r#""source":"syscall","output_fields":{"fd.rip":"203.0.113.7","fd.rport":443,"proc.name":null},"#,
            r#""context":{"falco-talon.action":"A","falco-talon.rule":"R"},"tags":["network","\u003cb\u003e"]}"#,
        );
        assert_eq!(payload(&event, context), expected);
    }

    #[test]
    fn what_is_absent_is_as_in_go() {
        let expected = concat!(
            r#"{"trace_id":"0af7651916cd43dd8448eb211c80319c","output":"","priority":"","rule":"","#,
            r#""hostname":"","time":"0001-01-01T00:00:00Z","source":"","output_fields":null,"context":null,"#,
            r#""tags":null}"#,
        );
        assert_eq!(payload(&json!({}), json!({})), expected);
    }

    #[test]
    fn texts_are_escaped_as_in_go() {
        fn check(text: &str, expected: &str) {
            let found = payload(&json!({ "output": text }), json!({}));
            assert!(found.contains(&format!(r#""output":{expected},"#)), "{found}");
            let read: Value = serde_json::from_str(&found).unwrap();
            assert_eq!(read["output"], text);
        }
        check("a <b> & \"c\"", r#""a \u003cb\u003e \u0026 \"c\"""#);
        check("\u{2028}\u{2029}", r#""\u2028\u2029""#);
        check("\n\t\\ \u{1}\u{7f}é", "\"\\n\\t\\\\ \\u0001\u{7f}é\"");
    }

    #[test]
    fn numbers_keep_their_digits() {
        fn check(number: &str, expected: &str) {
            let event = Event::from_json(&format!(r#"{{"output_fields": {{"n": {number}}}}}"#)).unwrap();
            let found = String::from_utf8(of(&event, &Context::default())).unwrap();
            assert!(found.contains(&format!(r#""output_fields":{{"n":{expected}}}"#)), "{found}");
        }
        check("1725538330819462123", "1725538330819462123");
        check("18446744073709551615", "18446744073709551615");
        check("-9223372036854775808", "-9223372036854775808");
        check("2097152", "2097152");
        check("0.1", "0.1");
        check("1.50", "1.5");
    }

    #[test]
    fn details_are_json_or_left_out() {
        assert_eq!(details(200, b"{\"ok\": true}"), json!({"status": 200, "answer": {"ok": true}}));
        assert_eq!(details(500, b"oh"), json!({"status": 500}));
        assert_eq!(details(200, &[b'1'; ANSWER_BYTES_MAX + 1]), json!({"status": 200}));
    }

    #[test]
    fn long_answers_are_cut() {
        fn check(answer: &[u8], expected: &str) {
            assert_eq!(shown(answer), expected);
        }
        check(b"{\"ok\":true}\n", "{\"ok\":true}");
        check(b"a\xffb", "a\u{fffd}b");
        check(b"", "");
        check(&[b'x'; 4096], &"x".repeat(4096));
        check("é".repeat(2049).as_bytes(), &format!("{}…[2 bytes cut]", "é".repeat(2048)));
    }
}
