//! What is told: how one stage of an action ended, as plain data.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How one stage of an action ended. It is kept as JSON until it was sent, so a field that is added needs a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Which stage it was.
    pub stage: Stage,
    /// When it ended.
    pub time: Timestamp,
    /// In the words of the log: `success`, `ignored`, `failure`, `denied`, `unknown`, `dropped`, `superseded`,
    /// `expired`, or `dry_run` where nothing was changed.
    pub status: String,
    /// What ties it to the log lines of its event.
    pub trace_id: String,
    /// The name of the rule.
    pub rule: String,
    /// The name of the action; empty where it is about the rule as a whole.
    #[serde(default)]
    pub action: String,
    /// What ran.
    #[serde(default)]
    pub actionner: String,
    /// What Falco said of the event, as one text.
    #[serde(default)]
    pub event: String,
    /// What it is about, as kind and name, both as logs have them: `namespace`, `pod`.
    #[serde(default)]
    pub objects: BTreeMap<String, String>,
    /// The uid of the pod, where the action has learnt it.
    #[serde(default)]
    pub uid: Option<String>,
    /// One sentence for a person: what was done, or why nothing was.
    #[serde(default)]
    pub output: String,
    /// Why it failed; empty where it did not.
    #[serde(default)]
    pub error: String,
    /// What was found out, as a JSON object; empty for nothing.
    #[serde(default)]
    pub details: String,
    /// The name of the output, at the stage of one: `aws:s3`.
    #[serde(default)]
    pub output_target: String,
    /// How many notices this one stands for, where equal ones are told as one.
    #[serde(default)]
    pub group: Option<Group>,
}

/// Equal notices that are told as one, of which the first stands for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// How many there are, the first included.
    pub count: u64,
    /// When the last of them ended.
    pub last: Timestamp,
    /// What the first few were about, as `namespace/pod`.
    pub targets: Vec<String>,
}

/// What has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The actionner.
    Action,
    /// The way of an artifact to where the rule says.
    Output,
}

impl Stage {
    /// As logs have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Output => "output",
        }
    }
}

impl Notice {
    /// A message that says that it is none: whether a notifier works.
    pub fn test(time: Timestamp, trace_id: String) -> Self {
        Self {
            stage: Stage::Action,
            time,
            status: "success".to_owned(),
            trace_id,
            rule: "Test of a notifier".to_owned(),
            action: "Test".to_owned(),
            actionner: "falco-talon:test".to_owned(),
            event: "This is a test. Nothing has happened.".to_owned(),
            objects: BTreeMap::new(),
            uid: None,
            output: "this is a test message of falco-talon, which somebody has asked for; nothing was done".to_owned(),
            error: String::new(),
            details: String::new(),
            output_target: String::new(),
            group: None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The example of the seed.
    pub(crate) fn notice() -> Notice {
        Notice {
            stage: Stage::Action,
            time: "2024-09-05T12:52:10.819462Z".parse().unwrap(),
            status: "success".to_owned(),
            trace_id: "c954bd8b3391a08f23079552fdd639f3".to_owned(),
            rule: "Redirect STDOUT/STDIN to Network Connection in Container".to_owned(),
            action: "Run tcpdump for 5s".to_owned(),
            actionner: "kubernetes:tcpdump".to_owned(),
            event: "Redirect <b>stdout</b> & 'stdin'".to_owned(),
            objects: [("namespace", "default"), ("pod", "cncf-1")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
            uid: Some("0b1c".to_owned()),
            output: "a tcpdump 'tcpdump.pcap' has been created".to_owned(),
            error: String::new(),
            details: String::new(),
            output_target: String::new(),
            group: None,
        }
    }

    /// The end of an output that failed.
    pub(crate) fn stored() -> Notice {
        let objects = [("bucket", "b"), ("file", "log"), ("a-b", "c")];
        Notice {
            stage: Stage::Output,
            status: "failure".to_owned(),
            actionner: String::new(),
            event: String::new(),
            objects: objects.map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
            uid: None,
            output: String::new(),
            error: "the bucket 'b' does not exist\nat all".to_owned(),
            output_target: "minio:s3".to_owned(),
            ..notice()
        }
    }

    /// Three equal ones.
    pub(crate) fn grouped() -> Notice {
        let last = "2024-09-05T12:52:40Z".parse().unwrap();
        let targets = ["default/cncf-1", "default/cncf-2"].map(str::to_owned).into();
        let details = r#"{"file":"tcpdump.pcap"}"#.to_owned();
        Notice { status: "dry_run".to_owned(), details, group: Some(Group { count: 3, last, targets }), ..notice() }
    }
}
