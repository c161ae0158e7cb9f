//! From the files that the configuration names to a generation that can be put in force.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use policy::{OperatorPolicy, Policy, PolicyError};
use rules::{Action, ActionnerName, ActionnerSpec, Catalogue, Document, Rule, RuleSet, Source};
use tokio::task::spawn_blocking;

use super::component_file;
use super::inline::inline;
use super::loaded::{Generation, Loaded};
use super::needs::{Asked, clients, contexts};
use super::problem::Problem;
use super::ungranted_targets::ungranted_targets;
use crate::actionner::{Actionner, Cache, Engine, Inspection, LoadError, OutputUse};
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
            clouds: Clouds::new(config.clouds.clone(), reporting.logger.clone()),
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
    /// Only what the rules need is compiled and asked what it is.
    ///
    /// # Errors
    ///
    /// All that is wrong, not only the first.
    pub async fn load(&self) -> Result<Loaded, Vec<Problem>> {
        let (document, policy) = match self.read().await {
            (Ok(document), Ok(policy)) => (document, policy),
            (document, policy) => return Err([document.err(), policy.err()].into_iter().flatten().flatten().collect()),
        };
        let needed = document.actionners();
        let (mut files, mut warnings) = self.files(&policy).await;
        let (mut inspections, problems) = self.ask(&mut files, &policy, |name| needed.contains(name)).await;
        warnings.extend(problems);
        let is_known = |name: &ActionnerName| inspections.iter().any(|inspection| inspection.description.name == *name);
        if !needed.iter().all(is_known) {
            // A mistake, and the name that was meant may be that of any other one.
            let (others, problems) = self.ask(&mut files, &policy, |name| !needed.contains(name)).await;
            inspections.extend(others);
            warnings.extend(problems);
        }
        warnings.extend(files.iter().filter_map(|file| file.refusal(&policy)));
        warnings.extend(inspections.iter().flat_map(Problem::of_description));
        let catalogue = catalogue(&inspections);
        let (mut rules, rule_warnings) = match document.check(&catalogue) {
            Ok(checked) => checked,
            Err(diagnostics) => {
                // A component that was refused explains why its name is unknown.
                return Err(diagnostics.into_iter().map(Problem::from).chain(warnings).collect());
            }
        };
        warnings.extend(rule_warnings.into_iter().map(Problem::from));
        warnings.extend(policy.warnings().iter().cloned().map(Problem::Policy));
        let files = inline(&mut rules, &inspections, &policy)?;
        warnings.extend(without_effect(&rules, &inspections));
        warnings.extend(ungranted_targets(&rules, &inspections, &policy).into_iter().map(Problem::from));
        let mut problems = self.unknown_notifiers();
        let mut actionners = BTreeMap::new();
        let loads = inspections.into_iter().map(async |inspection| {
            let (name, origin) = (inspection.description.name.clone(), inspection.origin.clone());
            let is_needed = needed.contains(&name);
            let loaded = match Actionner::admit(&inspection, &policy) {
                Ok(_) if !is_needed => return None,
                Ok(grants) => Actionner::load(&self.engine, self.cache.as_ref(), inspection, grants).await,
                Err(error) => Err(error),
            };
            Some((name, origin, is_needed, loaded))
        });
        for (name, origin, is_needed, loaded) in join_all(loads).await.into_iter().flatten() {
            match loaded {
                Ok(actionner) => drop(actionners.insert(name, Arc::new(actionner))),
                Err(error) if is_needed => problems.push(Problem::Component { origin, error }),
                Err(error) => warnings.push(Problem::Component { origin, error }),
            }
        }
        let contexts = contexts(rules.iter().flat_map(|rule| &rule.actions), &actionners);
        let tells_the_cluster = self.tells_the_cluster(&rules);
        let asked = Asked { rules: &rules, contexts: &contexts, tells_the_cluster };
        let clients = match clients(&self.cluster, &self.clouds, &actionners, asked, &self.reporting.logger).await {
            Ok(clients) => clients,
            Err(of_clients) => {
                problems.extend(of_clients);
                Clients::default()
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Loaded {
            generation: Generation { rules: RuleSet::new(rules), actionners, clients, files, tells_the_cluster },
            warnings,
        })
    }

    /// The rules as written, merged.
    ///
    /// # Errors
    ///
    /// All that is wrong with them by themselves.
    pub fn document(&self) -> Result<Document, Vec<Problem>> {
        document(sources(&self.rules_files))
    }

    /// The policy in force: the bundled one, and the operator's over it.
    ///
    /// # Errors
    ///
    /// All that is wrong with the operator's.
    pub fn policy(&self) -> Result<Policy, Vec<Problem>> {
        self.policy_of(sources(self.policy_file.as_slice()))
    }

    /// Both, without the runtime's threads: nobody knows how long a file can't be read.
    async fn read(&self) -> (Result<Document, Vec<Problem>>, Result<Policy, Vec<Problem>>) {
        let (rules, policy) = (self.rules_files.clone(), self.policy_file.clone());
        let reading = spawn_blocking(move || (sources(&rules), sources(policy.as_slice())));
        match reading.await {
            Ok((rules, policy)) => (document(rules), self.policy_of(policy)),
            Err(error) => (Err(vec![Problem::Host(error.to_string())]), Err(Vec::new())),
        }
    }

    /// At most one file of the operator's counts.
    fn policy_of(&self, operator: Result<Vec<Source>, Vec<Problem>>) -> Result<Policy, Vec<Problem>> {
        let refuse = |errors: Vec<PolicyError>| errors.into_iter().map(Problem::Policy).collect::<Vec<_>>();
        let bundled = actionners::BUNDLE.iter().map(|bundled| (bundled.name, bundled.policy));
        let operator = match operator?.first() {
            Some(Source { path, text }) => Policy::parse(path, text).map_err(refuse)?,
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

    /// Whether any rule's actions are reported by events of the cluster.
    fn tells_the_cluster(&self, rules: &[Rule]) -> bool {
        let mut names = self.default_notifiers.iter().chain(rules.iter().flat_map(|rule| &rule.notifiers));
        names.any(|name| notifiers::Notifier::find(name) == Some(notifiers::Notifier::K8sEvents))
    }

    fn unknown_notifiers(&self) -> Vec<Problem> {
        let known = |name: &&String| notifiers::Notifier::find(name).is_some();
        self.default_notifiers.iter().filter(|name| !known(name)).cloned().map(Problem::Notifier).collect()
    }
}

/// What rules ask for and nobody does: silence would look as if it were done.
fn without_effect(rules: &[Rule], inspections: &[Inspection]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in rules {
        for action in &rule.actions {
            for name in deprecated(action, inspections) {
                problems.push(format!("the parameter '{name}' of the action '{}'", action.name));
            }
            let reads_context = |inspection: &Inspection| {
                inspection.description.name == action.actionner && inspection.description.use_context
            };
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

fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, Vec<Problem>> {
    let text = |bytes| String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
    let read = |path: &PathBuf| match component_file::read(path).and_then(text) {
        Ok(text) => Ok(Source { path: path.display().to_string(), text }),
        Err(error) => Err(vec![Problem::Read { path: path.clone(), error }]),
    };
    paths.iter().map(read).collect()
}

fn document(sources: Result<Vec<Source>, Vec<Problem>>) -> Result<Document, Vec<Problem>> {
    Document::parse(&sources?).map_err(|diagnostics| diagnostics.into_iter().map(Problem::from).collect())
}

#[cfg(test)]
mod tests;
