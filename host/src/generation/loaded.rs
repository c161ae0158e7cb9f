//! Everything that one state of the files means, as one value.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use policy::{Granted, Grants};
use rules::{ActionnerName, RuleSet};

use super::needs::contexts;
use super::problem::Problem;
use crate::actionner::Actionner;
use crate::clients::Clients;
use crate::contexts::ContextName;

/// Everything that one state of the files means.
pub struct Generation {
    /// The rules, checked.
    pub rules: RuleSet,
    /// The actionners that the rules name, by name.
    pub actionners: BTreeMap<ActionnerName, Arc<Actionner>>,
    /// The clients that those actionners need.
    pub clients: Clients,
    /// The files that the rules themselves name, each with the digest of what it held.
    pub files: BTreeMap<PathBuf, String>,
    /// Whether events of the cluster tell of what was done.
    pub tells_the_cluster: bool,
}

/// A generation that can be put in force, and what is odd about it.
pub struct Loaded {
    /// What was loaded.
    pub generation: Generation,
    /// What is not wrong enough to refuse it.
    pub warnings: Vec<Problem>,
}

impl Generation {
    /// What the actions of the rules need, of each actionner that says what it needs.
    pub fn needs(&self) -> BTreeMap<ActionnerName, Vec<Granted>> {
        let mut needs = BTreeMap::<ActionnerName, Vec<Granted>>::new();
        for action in self.rules.rules().iter().flat_map(|rule| &rule.actions) {
            let actionner = self.actionners.get(&action.actionner);
            if let Some(of_action) = actionner.and_then(|it| it.description.needs(&action.parameters)) {
                needs.entry(action.actionner.clone()).or_default().extend(of_action);
            }
        }
        needs
    }

    /// What the policy grants to the actionners of the rules, as far as their actions need it: what the cluster must
    /// allow, and not what decides.
    pub fn grants_in_use(&self) -> Vec<Grants> {
        let needs = self.needs();
        let in_use = |(name, actionner): (&ActionnerName, &Arc<Actionner>)| match needs.get(name) {
            Some(needs) => actionner.grants().narrowed(needs),
            None => Grants::clone(actionner.grants()),
        };
        self.actionners.iter().map(in_use).collect()
    }

    /// Resources of the core group that the host itself reads for the contexts that rules ask for.
    pub fn reads_of_host(&self) -> &'static [&'static str] {
        let actions = self.rules.rules().iter().flat_map(|rule| &rule.actions);
        if contexts(actions, &self.actionners).contains(&ContextName::Node) { &["nodes", "pods"] } else { &[] }
    }

    /// How many rules came into force, in the original's words.
    pub(crate) fn loaded_text(&self) -> String {
        match self.rules.len() {
            1 => "1 rule has been successfully loaded".to_owned(),
            count => format!("{count} rules have been successfully loaded"),
        }
    }
}
