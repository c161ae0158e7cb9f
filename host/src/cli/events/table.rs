//! Entries as text for people. What comes from outside moves no cursor.

use jiff::Timestamp;

use crate::cli::output::cut;
use crate::store::{Record, Shown, StepRecord};
use crate::telemetry::clean;

/// What a cell of the table has at most, in characters.
const CELL_MAX: usize = 40;

/// The same of the last one, which says why.
const REASON_MAX: usize = 120;

const HEAD: [&str; 7] = ["ID", "STATUS", "RECEIVED", "RULE", "NAMESPACE", "POD", "REASON"];

/// A table, a line an entry.
pub(super) fn listed(records: &[Record]) -> String {
    let rows: Vec<[String; 7]> = [HEAD.map(str::to_owned)].into_iter().chain(records.iter().map(row)).collect();
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn row(record: &Record) -> [String; 7] {
    let Record { id, status, received, falco_rule, namespace, pod, reason, .. } = record;
    let cell =
        |text: &Option<String>, chars_max| text.as_deref().map_or_else(|| "-".into(), |text| cut(text, chars_max));
    [
        id.to_string(),
        status.clone(),
        seconds(received),
        cut(falco_rule, CELL_MAX),
        cell(namespace, CELL_MAX),
        cell(pod, CELL_MAX),
        reason.as_deref().map_or_else(String::new, |reason| cut(reason, REASON_MAX)),
    ]
}

/// Everything, in lines.
pub(super) fn shown(Shown { record, event, steps }: &Shown) -> String {
    let Record { id, status, falco_rule, hostname, namespace, pod, rules, reason, trace_id, uid, .. } = record;
    let pod = pod.as_ref().map(|pod| format!("{}/{pod}", namespace.as_deref().unwrap_or_default()));
    let crashes = (record.crashes > 0).then(|| format!("{} ends of the process meanwhile", record.crashes));
    let lines = [
        ("id", Some(id.to_string())),
        ("status", Some(status.clone())),
        ("reason", reason.clone()),
        ("received", Some(record.received.to_string())),
        ("ended", record.ended.map(|ended| ended.to_string())),
        ("crashes", crashes),
        ("falco rule", Some(falco_rule.clone())),
        ("hostname", Some(hostname.clone())),
        ("pod", pod),
        ("rules", Some(rules.join(", "))),
        ("trace id", Some(trace_id.clone())),
        ("uid", Some(uid.clone())),
        ("event", Some(event.to_string())),
    ];
    let with_value = lines.into_iter().filter_map(|(name, value)| Some((name, value.filter(|it| !it.is_empty())?)));
    let fields = with_value.map(|(name, value)| format!("{name:12}{}\n", whole(&value)));
    fields.chain(steps.iter().enumerate().map(|(at, step)| step_text(at + 1, step))).collect()
}

fn step_text(number: usize, step: &StepRecord) -> String {
    let StepRecord { rule, action, status, attempts, begun, ended, message, calls } = step;
    let until = ended.map_or_else(String::new, |ended| format!(" to {ended}"));
    let attempts = if *attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
    let head = format!("{number}. {} of {}: {status}, {attempts}, {begun}{until}\n", whole(action), whole(rule));
    let message = message.as_deref().filter(|message| !message.is_empty());
    let message = message.map(|message| format!("   {}\n", whole(message)));
    let calls = calls.iter().map(|call| format!("     {}\n", whole(call)));
    [head].into_iter().chain(message).chain(calls).collect()
}

fn seconds(time: &Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn whole(text: &str) -> String {
    clean(text, usize::MAX).into_owned()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn record() -> Record {
        Record {
            id: 7,
            status: "dead".to_owned(),
            received: "2026-07-22T14:24:41.123Z".parse().unwrap(),
            ended: "2026-07-22T14:24:42Z".parse().ok(),
            falco_rule: "Terminal shell in container".to_owned(),
            hostname: "node-1".to_owned(),
            namespace: Some("shop".to_owned()),
            pod: Some("web-0".to_owned()),
            rules: vec!["End it".to_owned(), "Label it".to_owned()],
            reason: Some("End it: failure: no\u{1b}[2Jluck".to_owned()),
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            uid: "00000000000000000000000000000001".to_owned(),
            crashes: 0,
        }
    }

    #[test]
    fn a_table_is_aligned_cut_and_clean() {
        let other = Record {
            id: 1_234,
            falco_rule: "é\n".repeat(100),
            namespace: None,
            pod: None,
            reason: None,
            status: "waiting".to_owned(),
            ..record()
        };
        expect![[r#"
            ID    STATUS   RECEIVED              RULE                                      NAMESPACE  POD    REASON
            7     dead     2026-07-22T14:24:41Z  Terminal shell in container               shop       web-0  End it: failure: no�[2Jluck
            1234  waiting  2026-07-22T14:24:41Z  é�é�é�é�é�é�é�é�é�é�é�é�é�é�é�é�é�é�é�é…  -          -
        "#]]
        .assert_eq(&listed(&[record(), other]));
        expect![[r#"
            ID  STATUS  RECEIVED  RULE  NAMESPACE  POD  REASON
        "#]]
        .assert_eq(&listed(&[]));
    }

    #[test]
    fn all_of_an_entry_is_shown() {
        let step = StepRecord {
            rule: "End it".to_owned(),
            action: "Terminate".to_owned(),
            status: "failure".to_owned(),
            attempts: 2,
            begun: "2026-07-22T14:24:41.2Z".parse().unwrap(),
            ended: "2026-07-22T14:24:42Z".parse().ok(),
            message: Some("no\nluck".to_owned()),
            calls: vec!["kubernetes-read.get: get pods shop/web-0: success".to_owned()],
        };
        let waiting =
            StepRecord { status: "waiting".to_owned(), attempts: 1, ended: None, message: None, ..step.clone() };
        let event = json!({"rule": "Terminal shell in container", "output": "a\u{9b}b"});
        let entry = Shown { record: Record { crashes: 1, ..record() }, event, steps: vec![step, waiting] };
        expect![[r#"
            id          7
            status      dead
            reason      End it: failure: no�[2Jluck
            received    2026-07-22T14:24:41.123Z
            ended       2026-07-22T14:24:42Z
            crashes     1 ends of the process meanwhile
            falco rule  Terminal shell in container
            hostname    node-1
            pod         shop/web-0
            rules       End it, Label it
            trace id    0af7651916cd43dd8448eb211c80319c
            uid         00000000000000000000000000000001
            event       {"output":"a�b","rule":"Terminal shell in container"}
            1. Terminate of End it: failure, 2 attempts, 2026-07-22T14:24:41.2Z to 2026-07-22T14:24:42Z
               no�luck
                 kubernetes-read.get: get pods shop/web-0: success
            2. Terminate of End it: waiting, 1 attempt, 2026-07-22T14:24:41.2Z
                 kubernetes-read.get: get pods shop/web-0: success
        "#]]
        .assert_eq(&shown(&entry));
    }
}
