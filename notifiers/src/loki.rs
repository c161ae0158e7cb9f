//! A log line for Loki, with what it is about as labels.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::limits::cut;
use crate::notice::Notice;

/// Where lines are pushed to, below the address of the server.
pub const PATH: &str = "/loki/api/v1/push";

/// What Loki takes of a line unless it is told otherwise.
const LINE_BYTES_MAX: usize = 256_000;

/// What it takes of a label's value.
const VALUE_BYTES_MAX: usize = 2_048;

/// What it takes of a label's name.
const NAME_BYTES_MAX: usize = 1_024;

/// So many labels it takes.
const LABELS_MAX: usize = 15;

/// What is pushed.
pub fn body(notice: &Notice) -> Value {
    let time = notice.time.as_nanosecond().to_string();
    json!({"streams": [{"stream": labels(notice), "values": [[time, line(notice)]]}]})
}

fn labels(notice: &Notice) -> BTreeMap<String, String> {
    let action = notice.action.to_lowercase().replace(' ', "_");
    let mut labels = BTreeMap::new();
    for (name, value) in [
        ("status", notice.status.as_str()),
        ("message", notice.stage.name()),
        ("traceid", &notice.trace_id),
        ("rule", &notice.rule),
        ("action", &action),
        ("actionner", &notice.actionner),
        ("outputtarget", &notice.output_target),
    ] {
        if !value.is_empty() {
            labels.insert(name.to_owned(), cut(value, VALUE_BYTES_MAX).into_owned());
        }
    }
    for (kind, name) in &notice.objects {
        let is_full = labels.len() >= LABELS_MAX;
        if !is_full && !name.is_empty() {
            // What is ours is not given up for an object of the same name.
            labels.entry(label(kind)).or_insert_with(|| cut(name, VALUE_BYTES_MAX).into_owned());
        }
    }
    labels
}

/// The name as Loki takes it: letters, digits and `_`, of which the first is no digit.
fn label(kind: &str) -> String {
    let char = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '_' };
    let name: String = kind.chars().take(NAME_BYTES_MAX - 1).map(char).collect();
    if name.starts_with(|char: char| char.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name }
}

fn line(notice: &Notice) -> String {
    let line = [&notice.error, &notice.details, &notice.output].into_iter().find(|text| !text.is_empty());
    let line = line.map_or("", String::as_str);
    let line = match notice.group_text() {
        Some(group) => format!("{group}: {line}"),
        None => line.to_owned(),
    };
    cut(&line, LINE_BYTES_MAX).into_owned()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::notice::tests::{grouped, notice, stored};

    fn check(notice: &Notice, expected: Expect) {
        expected.assert_eq(&format!("{:#}", body(notice)));
    }

    #[test]
    fn lines_are_those_of_the_original() {
        check(
            &notice(),
            expect![[r#"
            {
              "streams": [
                {
                  "stream": {
                    "action": "run_tcpdump_for_5s",
                    "actionner": "kubernetes:tcpdump",
                    "message": "action",
                    "namespace": "default",
                    "pod": "cncf-1",
                    "rule": "Redirect STDOUT/STDIN to Network Connection in Container",
                    "status": "success",
                    "traceid": "c954bd8b3391a08f23079552fdd639f3"
                  },
                  "values": [
                    [
                      "1725540730819462000",
                      "a tcpdump 'tcpdump.pcap' has been created"
                    ]
                  ]
                }
              ]
            }"#]],
        );
        check(
            &stored(),
            expect![[r#"
            {
              "streams": [
                {
                  "stream": {
                    "a_b": "c",
                    "action": "run_tcpdump_for_5s",
                    "bucket": "b",
                    "file": "log",
                    "message": "output",
                    "outputtarget": "minio:s3",
                    "rule": "Redirect STDOUT/STDIN to Network Connection in Container",
                    "status": "failure",
                    "traceid": "c954bd8b3391a08f23079552fdd639f3"
                  },
                  "values": [
                    [
                      "1725540730819462000",
                      "the bucket 'b' does not exist\nat all"
                    ]
                  ]
                }
              ]
            }"#]],
        );
        check(
            &grouped(),
            expect![[r#"
            {
              "streams": [
                {
                  "stream": {
                    "action": "run_tcpdump_for_5s",
                    "actionner": "kubernetes:tcpdump",
                    "message": "action",
                    "namespace": "default",
                    "pod": "cncf-1",
                    "rule": "Redirect STDOUT/STDIN to Network Connection in Container",
                    "status": "dry_run",
                    "traceid": "c954bd8b3391a08f23079552fdd639f3"
                  },
                  "values": [
                    [
                      "1725540730819462000",
                      "3 times until 2024-09-05T12:52:40Z; the first: default/cncf-1, default/cncf-2, …: {\"file\":\"tcpdump.pcap\"}"
                    ]
                  ]
                }
              ]
            }"#]],
        );
    }

    #[test]
    fn labels_are_such_as_loki_takes() {
        let objects = [("9lives", "x"), ("Status", "y"), ("ä b", "z")];
        let mut odd = Notice { objects: objects.map(|(a, b)| (a.to_owned(), b.to_owned())).into(), ..notice() };
        let names: Vec<String> = labels(&odd).into_keys().collect();
        let expected = ["_9lives", "__b", "action", "actionner", "message", "rule", "status", "traceid"];
        assert_eq!(names, expected);
        assert_eq!(labels(&odd)["status"], "success");
        odd.objects = (0..40).map(|at| (format!("k{at}"), "ä".repeat(5_000))).collect();
        let labels = labels(&odd);
        assert_eq!(labels.len(), LABELS_MAX);
        assert!(labels.values().all(|value| value.len() <= VALUE_BYTES_MAX));
    }
}
