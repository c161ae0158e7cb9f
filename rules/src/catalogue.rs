//! What there is for rules to use: actionners, outputs, notifiers and contexts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::ActionnerName;

/// The contexts that a rule may ask for by `additional_contexts`.
pub(crate) const CONTEXTS: [&str; 2] = ["aws", "k8snode"];

/// Whether an actionner yields an artifact that needs a place to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputUse {
    /// It yields none, and `output:` is an error.
    None,
    /// It yields one, and works without an `output:` too.
    Optional,
    /// It yields one, and `output:` must be there.
    Required,
}

/// What rules must know of an actionner.
#[derive(Clone, Debug)]
pub struct ActionnerSpec {
    /// JSON Schema of its parameters. What it does not name is refused, and its defaults are
    /// filled in. The formats `cidr` and `ip` are checked besides the usual ones.
    pub parameters: Value,
    /// Sets of output fields, one of which an event must carry. Not compared with the rules.
    pub required_fields: Vec<Vec<String>>,
    /// Whether the next action runs after it where a rule does not say.
    pub continue_by_default: bool,
    /// Whether it yields an artifact.
    pub output: OutputUse,
}

/// All that a rule may name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// The actionners by name, e.g. `kubernetes:label`.
    pub actionners: BTreeMap<ActionnerName, ActionnerSpec>,
    /// JSON Schemas of the parameters of outputs, by name, e.g. `aws:s3`.
    pub outputs: BTreeMap<String, Value>,
    /// The names of the notifiers.
    pub notifiers: BTreeSet<String>,
}
