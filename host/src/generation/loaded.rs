//! Everything that one state of the files means, as one value.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rules::{ActionnerName, RuleSet};

use super::problem::Problem;
use crate::actionner::Actionner;
use crate::clients::Clients;

/// Everything that one state of the files means.
pub struct Generation {
    /// The rules, checked.
    pub rules: RuleSet,
    /// The actionners that the rules name, by name.
    pub actionners: BTreeMap<ActionnerName, Arc<Actionner>>,
    /// The clients that those actionners need.
    pub clients: Clients,
    /// The files that the rules themselves name.
    pub files: Vec<PathBuf>,
}

/// A generation that can be put in force, and what is odd about it.
pub struct Loaded {
    /// What was loaded.
    pub generation: Generation,
    /// What is not wrong enough to refuse it.
    pub warnings: Vec<Problem>,
}

impl Generation {
    /// How many rules came into force, in the original's words.
    pub(crate) fn loaded_text(&self) -> String {
        match self.rules.len() {
            1 => "1 rule has been successfully loaded".to_owned(),
            count => format!("{count} rules have been successfully loaded"),
        }
    }
}
