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
