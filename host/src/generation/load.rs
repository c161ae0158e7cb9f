//! From the files that the configuration names to a generation that can be put in force.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outputs::Room;
use policy::{Entry, Facts, Grants, OperatorPolicy, Policy, PolicyError};
use rules::{Action, ActionnerName, ActionnerSpec, Catalogue, Document, Rule, RuleSet, Source};

use super::component_file;
use super::inline::inline;
use super::loaded::{Generation, Loaded};
use super::needs::clients;
use super::problem::Problem;
use crate::actionner::{self, Actionner, Cache, Engine, Inspection, LoadError, Origin, OutputUse};
use crate::capability::Call;
use crate::clients::{Clients, Clouds, Cluster};
use crate::config::Config;
use crate::telemetry::Reporting;

/// Where a generation is read from, and what it is built with.
pub struct Loader {
    /// The rule files, in the order in which they apply.
    pub rules_files: Vec<PathBuf>,
    /// The operator's policy, if there is one.
    pub policy_file: Option<PathBuf>,
    /// Where components of the operator's own lie, if there are any.
    pub actionners_dir: Option<PathBuf>,
    /// The namespace that the host runs in, which it protects.
    pub own_namespace: Option<String>,
    /// Notifiers that every action is reported to.
    pub default_notifiers: Vec<String>,
    /// How to reach the cluster; asked the first time that a rule needs it.
    pub cluster: Cluster,
    /// How to reach clouds; each is asked the first time that a rule needs it.
    pub clouds: Clouds,
    /// The engine that compiles and runs components.
    pub engine: Engine,
    /// Where compiled components are kept.
    pub cache: Option<Cache>,
    /// Where components report to while they describe themselves.
    pub reporting: Reporting,
}

impl Loader {
    /// A loader of what `config` names.
    pub fn new(config: &Config, cluster: Cluster, engine: Engine, cache: Option<Cache>, reporting: Reporting) -> Self {
        Self {
            rules_files: config.rules_files.clone(),
            policy_file: config.policy_file.clone(),
            actionners_dir: config.actionners_dir.clone(),
            own_namespace: config.own_namespace.clone(),
            default_notifiers: config.default_notifiers.clone(),
            cluster,
            clouds: Clouds::new(config.clouds.clone()),
            engine,
            cache,
            reporting,
        }
    }

    /// All files and directories that it reads.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.rules_files.iter().chain(&self.policy_file).chain(&self.actionners_dir).cloned().collect()
    }

    /// Read everything, check it, and put it together.
    ///
    /// # Errors
    ///
    /// All that is wrong, not only the first.
    pub async fn load(&self) -> Result<Loaded, Vec<Problem>> {
        let document = self.document();
        let policy = self.policy();
        let (document, policy) = match (document, policy) {
            (Ok(document), Ok(policy)) => (document, policy),
            (document, policy) => return Err([document.err(), policy.err()].into_iter().flatten().flatten().collect()),
        };
        let needed = document.actionners();
        let (mut inspections, mut warnings) = self.inspect(&policy, |name| needed.contains(name)).await;
        let is_known = |name: &ActionnerName| inspections.iter().any(|inspection| inspection.description.name == *name);
        if !needed.iter().all(is_known) {
            // A mistake, and the name that was meant may be that of any bundled one.
            (inspections, warnings) = self.inspect(&policy, |_| true).await;
        }
        warnings.extend(inspections.iter().flat_map(Problem::of_description));
        let catalogue = catalogue(&inspections);
        let (mut rules, rule_warnings) = match document.check(&catalogue) {
            Ok(checked) => checked,
            Err(diagnostics) => {
                // A component that was refused explains why its name is unknown.
                return Err(diagnostics.into_iter().map(Problem::Rule).chain(warnings).collect());
            }
        };
        warnings.extend(rule_warnings.into_iter().map(Problem::Rule));
        warnings.extend(policy.warnings().iter().cloned().map(Problem::Policy));
        let files = inline(&mut rules, &inspections, &policy)?;
        warnings.extend(without_effect(&rules, &inspections));
        let mut problems = self.unknown_notifiers();
        let mut actionners = BTreeMap::new();
        for inspection in inspections {
            let (name, origin) = (inspection.description.name.clone(), inspection.origin.clone());
            let is_needed = needed.contains(&name);
            let loaded = match Actionner::admit(&inspection, &policy) {
                Ok(_) if !is_needed => continue,
                Ok(grants) => Actionner::load(&self.engine, self.cache.as_ref(), inspection, grants).await,
                Err(error) => Err(error),
            };
            match loaded {
                Ok(actionner) => drop(actionners.insert(name, Arc::new(actionner))),
                Err(error) if is_needed => problems.push(Problem::Component { origin, error }),
                Err(error) => warnings.push(Problem::Component { origin, error }),
            }
        }
        let clients = match clients(&self.cluster, &self.clouds, &actionners).await {
            Ok(clients) => clients,
            Err(of_clients) => {
                problems.extend(of_clients);
                Clients::default()
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Loaded { generation: Generation { rules: RuleSet::new(rules), actionners, clients, files }, warnings })
    }

    /// The rules as written, merged.
    ///
    /// # Errors
    ///
    /// All that is wrong with them by themselves.
    pub fn document(&self) -> Result<Document, Vec<Problem>> {
        let mut sources = Vec::new();
        for path in &self.rules_files {
            sources.push(Source { path: path.display().to_string(), text: read(path)? });
        }
        Document::parse(&sources).map_err(|diagnostics| diagnostics.into_iter().map(Problem::Rule).collect())
    }

    /// The policy in force: the bundled one, and the operator's over it.
    ///
    /// # Errors
    ///
    /// All that is wrong with the operator's.
    pub fn policy(&self) -> Result<Policy, Vec<Problem>> {
        let refuse = |errors: Vec<PolicyError>| errors.into_iter().map(Problem::Policy).collect::<Vec<_>>();
        let bundled = actionners::BUNDLE.iter().map(|bundled| (bundled.name, bundled.policy));
        let operator = match &self.policy_file {
            Some(path) => Policy::parse(&path.display().to_string(), &read(path)?).map_err(refuse)?,
            None => OperatorPolicy::default(),
        };
        let policy = Policy::bundled(bundled).map_err(refuse)?;
        let policy = match &self.own_namespace {
            Some(namespace) => policy.protecting(namespace),
            None => policy,
        };
        policy.with(operator).map_err(refuse)
    }

    /// Whether the policy grants to each component, bundled or not, what it imports.
    ///
    /// One problem a component; those that the policy forbids are as they should be.
    pub async fn check_policy(&self, policy: &Policy) -> Vec<Problem> {
        let (inspections, mut problems) = self.inspect(policy, |_| true).await;
        for inspection in inspections {
            match Actionner::admit(&inspection, policy) {
                Ok(_) | Err(LoadError::Forbidden { .. }) => {}
                Err(error) => problems.push(Problem::Component { origin: inspection.origin, error }),
            }
        }
        problems
    }

    /// The bundled components that are wanted, and all of the operator's own: which of those
    /// are wanted is known once they have described themselves.
    ///
    /// Of several files with one name the one that the policy pins counts.
    pub async fn inspect(&self, policy: &Policy, wanted: impl Fn(&str) -> bool) -> (Vec<Inspection>, Vec<Problem>) {
        let mut inspections: Vec<Inspection> = Vec::new();
        let mut problems = Vec::new();
        let mut keep = |inspection: Result<Inspection, (Origin, LoadError)>| match inspection {
            Ok(inspection) => inspections.push(inspection),
            Err((origin, error)) => problems.push(Problem::Component { origin, error }),
        };
        for bundled in actionners::BUNDLE.iter().filter(|bundled| wanted(bundled.name)) {
            let (origin, bytes) = (Origin::Bundled, Cow::Borrowed(bundled.component));
            let inspected = self.inspect_one(policy, origin.clone(), bytes, Some(bundled.description)).await;
            keep(inspected.map_err(|error| (origin, error)));
        }
        let (files, unreadable) = self.component_files();
        let mut inspected = Vec::new();
        for (path, bytes) in files {
            let origin = Origin::File(path);
            let inspection = self.inspect_one(policy, origin.clone(), bytes.into(), None).await;
            inspected.push(inspection.map_err(|error| (origin, error)));
        }
        for inspection in one_a_name(inspected, policy) {
            keep(inspection);
        }
        problems.extend(unreadable);
        (inspections, problems)
    }

    /// What one component imports and says of itself. While it describes itself, it may use what the entry allows
    /// that pins it, and reach nothing.
    ///
    /// # Errors
    ///
    /// As [`Inspection::new`].
    pub async fn inspect_one(
        &self,
        policy: &Policy,
        origin: Origin,
        bytes: Cow<'static, [u8]>,
        described: Option<&str>,
    ) -> Result<Inspection, LoadError> {
        let mut grants = Grants::none(origin.to_string());
        if let Some(limits) = policy.limits_of_digest(&actionner::digest(&bytes)) {
            grants.limits = limits;
        }
        let (facts, clients) = (Facts::default(), Clients::default());
        let (room, reporting) = (Room::new(0), self.reporting.clone());
        let call = Call::new(Arc::new(grants), facts, true, String::new(), clients, room, reporting);
        Inspection::new(&self.engine, self.cache.as_ref(), origin, bytes, described, call).await
    }

    fn component_files(&self) -> (Vec<(PathBuf, Vec<u8>)>, Vec<Problem>) {
        let mut files = Vec::new();
        let mut problems = Vec::new();
        let Some(directory) = &self.actionners_dir else { return (files, problems) };
        let mut paths: Vec<PathBuf> = match std::fs::read_dir(directory) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) => return (files, vec![Problem::Read { path: directory.clone(), error }]),
        };
        paths.retain(|path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wasm")));
        paths.sort();
        for path in paths {
            match component_file::read(&path) {
                Ok(bytes) => files.push((path, bytes)),
                Err(error) => problems.push(Problem::Read { path, error }),
            }
        }
        (files, problems)
    }

    fn unknown_notifiers(&self) -> Vec<Problem> {
        let known = |name: &&String| notifiers::Notifier::ALL.iter().any(|notifier| notifier.name() == name.as_str());
        self.default_notifiers.iter().filter(|name| !known(name)).cloned().map(Problem::Notifier).collect()
    }
}

/// Refuse files whose name is that of a bundled actionner, and of several with one name all but the one that the policy
/// pins.
fn one_a_name(
    inspected: Vec<Result<Inspection, (Origin, LoadError)>>,
    policy: &Policy,
) -> Vec<Result<Inspection, (Origin, LoadError)>> {
    let mut counts = BTreeMap::<ActionnerName, usize>::new();
    for inspection in inspected.iter().flatten() {
        *counts.entry(inspection.description.name.clone()).or_default() += 1;
    }
    let mut taken: BTreeSet<ActionnerName> =
        actionners::BUNDLE.iter().filter_map(|bundled| bundled.name.parse().ok()).collect();
    let mut check = |inspection: Inspection| {
        let Inspection { description, digest, origin, .. } = &inspection;
        let name = &description.name;
        let pinned = match policy.entry(name) {
            Entry::Granted(grants) => grants.digest.as_ref() == Some(digest),
            Entry::Forbidden | Entry::Missing => false,
        };
        let error = if taken.contains(name) {
            LoadError::NameTaken { name: name.clone() }
        } else if !pinned && counts.get(name) != Some(&1) {
            LoadError::SeveralOfOneName { name: name.clone(), digest: digest.clone() }
        } else {
            taken.insert(name.clone());
            return Ok(inspection);
        };
        Err((origin.clone(), error))
    };
    inspected.into_iter().map(|inspection| inspection.and_then(&mut check)).collect()
}

/// What rules ask for and nobody does: silence would look as if it were done.
fn without_effect(rules: &[Rule], inspections: &[Inspection]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in rules {
        if !rule.notifiers.is_empty() {
            problems.push(format!("'notifiers' of the rule '{}'", rule.name));
        }
        for action in &rule.actions {
            for name in deprecated(action, inspections) {
                problems.push(format!("the parameter '{name}' of the action '{}'", action.name));
            }
            let reads_context = |inspection: &Inspection| {
                inspection.description.name == action.actionner && inspection.description.use_context
            };
            if let Some(output) = &action.output
                && outputs::Target::find(&output.target) != Some(outputs::Target::LocalFile)
            {
                problems.push(format!("the output '{}' of the action '{}'", output.target, action.name));
            }
            if !action.additional_contexts.is_empty() && !inspections.iter().any(reads_context) {
                problems.push(format!("'additional_contexts' of the action '{}'", action.name));
            }
        }
    }
    problems.into_iter().map(Problem::NoEffect).collect()
}

/// The parameters of an action that its actionner only accepts because old rules have them.
fn deprecated<'a>(action: &'a Action, inspections: &'a [Inspection]) -> impl Iterator<Item = &'a str> {
    let inspection = inspections.iter().find(|inspection| inspection.description.name == action.actionner);
    let given = action.parameters.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let known = inspection.map(|it| rules::parameters(&it.description.parameters)).unwrap_or_default();
    given.filter(move |name| known.iter().any(|known| known.name == *name && known.schema["deprecated"] == true))
}

/// What rules are checked against.
fn catalogue(inspections: &[Inspection]) -> Catalogue {
    let spec = |inspection: &Inspection| {
        let description = &inspection.description;
        let spec = ActionnerSpec {
            parameters: description.parameters.clone(),
            required_fields: description.required_fields.clone(),
            continue_by_default: description.continue_by_default,
            output: match description.output {
                OutputUse::None => rules::OutputUse::None,
                OutputUse::Optional => rules::OutputUse::Optional,
                OutputUse::Required => rules::OutputUse::Required,
            },
        };
        (description.name.clone(), spec)
    };
    Catalogue {
        actionners: inspections.iter().map(spec).collect(),
        outputs: outputs::Target::ALL
            .iter()
            .map(|target| (target.name().to_owned(), target.parameters_schema()))
            .collect(),
        notifiers: notifiers::Notifier::ALL.iter().map(|notifier| notifier.name().to_owned()).collect(),
    }
}

fn read(path: &Path) -> Result<String, Vec<Problem>> {
    std::fs::read_to_string(path).map_err(|error| vec![Problem::Read { path: path.to_owned(), error }])
}

#[cfg(test)]
mod tests;
