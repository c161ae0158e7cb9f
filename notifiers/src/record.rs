//! The record of a notice as JSON, as webhooks and Elasticsearch get it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::limits::cut;
use crate::notice::{Group, Notice};
use crate::words::title;

/// The longest text of one member.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// In the order in which it is written, without what is empty.
#[derive(Serialize)]
pub(crate) struct Record {
    time: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    objects: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    trace_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    rule: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    event: String,
    message: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    result: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    output: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    category: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    output_target: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    actionner: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    action: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Group>,
}

impl Record {
    pub(crate) fn of(notice: &Notice) -> Self {
        let text = |text: &str| cut(text, TEXT_BYTES_MAX).into_owned();
        let category = notice.output_target.split_once(':').map_or("", |(category, _)| category);
        Self {
            time: notice.time.to_string(),
            objects: notice.objects.iter().map(|(kind, name)| (title(kind), text(name))).collect(),
            trace_id: text(&notice.trace_id),
            rule: text(&notice.rule),
            event: text(&notice.event),
            message: notice.stage.name(),
            result: text(&notice.details),
            output: text(&notice.output),
            category: text(category),
            output_target: text(&notice.output_target),
            actionner: text(&notice.actionner),
            action: text(&notice.action),
            error: text(&notice.error),
            status: text(&notice.status),
            group: notice.group.clone(),
        }
    }

    /// As it is sent.
    pub(crate) fn to_json(&self) -> String {
        // Texts, and maps whose keys are texts, always have a form in JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// With all members, also those that are empty: what a template may name.
    pub(crate) fn members(&self) -> Value {
        let mut members = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = members.as_object_mut() {
            for name in TEXTS {
                members.entry(name).or_insert_with(|| "".into());
            }
            members.entry("objects").or_insert_with(|| Value::Object(serde_json::Map::new()));
            members.entry("group").or_insert(Value::Null);
        }
        members
    }
}

/// The members that are texts.
const TEXTS: [&str; 13] = [
    "time",
    "trace_id",
    "rule",
    "event",
    "message",
    "result",
    "output",
    "category",
    "output_target",
    "actionner",
    "action",
    "error",
    "status",
];

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::notice::tests::{grouped, notice, stored};

    fn check(notice: &Notice, expected: Expect) {
        expected.assert_eq(&Record::of(notice).to_json());
    }

    #[test]
    fn the_members_are_those_of_the_original() {
        check(
            &notice(),
            expect![[
                r#"{"time":"2024-09-05T12:52:10.819462Z","objects":{"Namespace":"default","Pod":"cncf-1"},"trace_id":"c954bd8b3391a08f23079552fdd639f3","rule":"Redirect STDOUT/STDIN to Network Connection in Container","event":"Redirect <b>stdout</b> & 'stdin'","message":"action","output":"a tcpdump 'tcpdump.pcap' has been created","actionner":"kubernetes:tcpdump","action":"Run tcpdump for 5s","status":"success"}"#
            ]],
        );
        check(
            &stored(),
            expect![[
                r#"{"time":"2024-09-05T12:52:10.819462Z","objects":{"A-B":"c","Bucket":"b","File":"log"},"trace_id":"c954bd8b3391a08f23079552fdd639f3","rule":"Redirect STDOUT/STDIN to Network Connection in Container","message":"output","category":"minio","output_target":"minio:s3","action":"Run tcpdump for 5s","error":"the bucket 'b' does not exist\nat all","status":"failure"}"#
            ]],
        );
        check(
            &grouped(),
            expect![[
                r#"{"time":"2024-09-05T12:52:10.819462Z","objects":{"Namespace":"default","Pod":"cncf-1"},"trace_id":"c954bd8b3391a08f23079552fdd639f3","rule":"Redirect STDOUT/STDIN to Network Connection in Container","event":"Redirect <b>stdout</b> & 'stdin'","message":"action","result":"{\"file\":\"tcpdump.pcap\"}","output":"a tcpdump 'tcpdump.pcap' has been created","actionner":"kubernetes:tcpdump","action":"Run tcpdump for 5s","status":"dry_run","group":{"count":3,"last":"2024-09-05T12:52:40Z","targets":["default/cncf-1","default/cncf-2"]}}"#
            ]],
        );
    }

    #[test]
    fn long_texts_are_cut() {
        let long = Notice { event: "ä".repeat(TEXT_BYTES_MAX), ..notice() };
        assert!(Record::of(&long).event.len() <= TEXT_BYTES_MAX);
    }
}
