//! Which components there are: the program's own, and those files whose digest the policy names.
//!
//! A file of which no entry of the policy knows is neither compiled nor run: it is strange code, and what it says of
//! itself is of no use. Which of the others say what they are, the rules decide; each in its limits, side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actionners::Bundled;
use bytes::Bytes;
use futures_util::future::join_all;
use outputs::Room;
use policy::{Entry, Facts, Grants, Policy};
use rules::ActionnerName;
use tokio::task::{JoinSet, spawn_blocking};

use super::component_file;
use super::load::Loader;
use super::problem::Problem;
use crate::actionner::{Actionner, Candidate, Inspection, LoadError, Origin, digest};
use crate::capability::Call;
use crate::clients::Clients;

/// The digests that the policy names, each with the actionners.
type Pinned = BTreeMap<String, Vec<ActionnerName>>;

/// A component that the policy knows, and that has not been asked what it is.
pub(super) struct Component {
    /// As entries of the policy call it, or the program itself.
    names: Vec<ActionnerName>,
    candidate: Candidate,
    /// What it says of itself, where that is known.
    described: Option<&'static str>,
}

impl Component {
    /// Why it could not be loaded, as far as that shows without asking it.
    pub(super) fn refusal(&self, policy: &Policy) -> Option<Problem> {
        let Candidate { imports, digest, origin, .. } = &self.candidate;
        let refused = |name: &ActionnerName| Actionner::admit_as(name, imports, digest, origin, policy).err();
        let mut refusals: Vec<LoadError> = self.names.iter().filter_map(refused).collect();
        let is_refused = refusals.len() == self.names.len();
        refusals.pop().filter(|_| is_refused).map(|error| Problem::Component { origin: origin.clone(), error })
    }
}

impl Loader {
    /// What the bundled components that are wanted and those of the operator's own say of themselves.
    pub async fn inspect(&self, policy: &Policy, wanted: impl Fn(&str) -> bool) -> (Vec<Inspection>, Vec<Problem>) {
        let (mut files, mut problems) = self.files(policy).await;
        let (inspections, more) = self.ask(&mut files, policy, wanted).await;
        problems.extend(more);
        (inspections, problems)
    }

    /// What one file imports and says of itself, be it one that the policy knows nothing of.
    ///
    /// # Errors
    ///
    /// Where it can't be read, is no component that fits this host, or can't say what it is.
    pub async fn inspect_file(&self, policy: &Policy, path: &Path) -> Result<Inspection, Problem> {
        let (file, pinned) = (path.to_owned(), pinned(policy));
        let reading = spawn_blocking(move || {
            let bytes = component_file::read(&file).map_err(|error| Problem::Read { path: file.clone(), error })?;
            let digest = digest(&bytes);
            let names = pinned.get(&digest).cloned().unwrap_or_default();
            let origin = Origin::File(file);
            let candidate = Candidate::new(origin.clone(), bytes.into(), digest);
            let refuse = |error| Problem::Component { origin, error };
            candidate.map(|candidate| Component { names, candidate, described: None }).map_err(refuse)
        });
        self.ask_one(policy, reading.await.map_err(|error| Problem::Host(error.to_string()))??).await
    }

    /// The operator's components that the policy knows, and what is wrong with other files that are named as one.
    pub(super) async fn files(&self, policy: &Policy) -> (Vec<Component>, Vec<Problem>) {
        let Some(directory) = self.actionners_dir.clone() else { return (Vec::new(), Vec::new()) };
        let pinned = pinned(policy);
        let looking = spawn_blocking(move || files(directory, &pinned));
        looking.await.unwrap_or_else(|error| (Vec::new(), vec![Problem::Host(error.to_string())]))
    }

    /// Ask those that are wanted what they are, bundled or not, all at once. They are taken out of `files`.
    pub(super) async fn ask(
        &self,
        files: &mut Vec<Component>,
        policy: &Policy,
        wanted: impl Fn(&str) -> bool,
    ) -> (Vec<Inspection>, Vec<Problem>) {
        let of_program = actionners::BUNDLE.iter().filter(|bundled| wanted(bundled.name));
        let of_program = of_program.map(async |it| self.ask_one(policy, bundled(it).await?).await);
        let is_wanted = |component: &mut Component| component.names.iter().any(|name| wanted(name));
        let files = files.extract_if(.., is_wanted).map(|component| self.ask_one(policy, component));
        let (of_program, files) = tokio::join!(join_all(of_program), join_all(files));
        let (mut inspections, mut problems, mut taken) = (Vec::new(), Vec::new(), BTreeSet::new());
        for answer in of_program.into_iter().chain(files) {
            match answer.and_then(|inspection| one_a_name(&mut taken, inspection)) {
                Ok(inspection) => inspections.push(inspection),
                Err(problem) => problems.push(problem),
            }
        }
        (inspections, problems)
    }

    /// While it describes itself, it may use what the entry allows that names it, and reach nothing.
    async fn ask_one(&self, policy: &Policy, component: Component) -> Result<Inspection, Problem> {
        let Component { names, candidate, described } = component;
        let origin = candidate.origin.clone();
        let mut grants = Grants::none(origin.to_string());
        if let Some(Entry::Granted(granted)) = names.first().map(|name| policy.entry(name)) {
            grants.limits = granted.limits.clone();
        }
        let (facts, clients) = (Facts::default(), Clients::default());
        let call =
            Call::new(Arc::new(grants), facts, true, String::new(), clients, Room::new(0), self.reporting.clone());
        let (engine, cache) = (self.engine.clone(), self.cache.clone());
        // A task of its own, so that one which computes takes no time of others; it ends where nobody waits any more.
        let mut inspecting = JoinSet::new();
        inspecting.spawn(async move { Inspection::new(&engine, cache.as_ref(), candidate, described, call).await });
        let Some(inspected) = inspecting.join_next().await else {
            return Err(Problem::Host("a task is missing".to_owned()));
        };
        let refuse = |error| Problem::Component { origin, error };
        match inspected.map_err(|error| Problem::Host(error.to_string()))? {
            Ok(Inspection { description, .. }) if !(names.is_empty() || names.contains(&description.name)) => {
                Err(refuse(LoadError::OtherName { entry: names[0].clone(), name: description.name }))
            }
            inspected => inspected.map_err(refuse),
        }
    }
}

fn pinned(policy: &Policy) -> Pinned {
    let mut pinned = Pinned::new();
    for (digest, name) in policy.digests() {
        pinned.entry(digest.to_owned()).or_default().push(name.clone());
    }
    pinned
}

/// One of the program's own.
async fn bundled(bundled: &'static Bundled) -> Result<Component, Problem> {
    let looking = spawn_blocking(|| {
        let bytes = Bytes::from_static(bundled.component);
        let digest = digest(&bytes);
        Candidate::new(Origin::Bundled, bytes, digest)
    });
    let candidate = looking.await.map_err(|error| Problem::Host(error.to_string()))?;
    let candidate = candidate.map_err(|error| Problem::Component { origin: Origin::Bundled, error })?;
    let names = bundled.name.parse().into_iter().collect();
    Ok(Component { names, candidate, described: Some(bundled.description) })
}

/// The components of a folder, in the order of their names.
fn files(folder: PathBuf, pinned: &Pinned) -> (Vec<Component>, Vec<Problem>) {
    let (mut components, mut problems) = (Vec::new(), Vec::new());
    let paths = match component_file::in_folder(&folder) {
        Ok(paths) => paths,
        Err(error) => return (components, vec![Problem::Read { path: folder, error }]),
    };
    let (mut found, mut strange) = (BTreeSet::new(), Vec::new());
    for path in paths {
        let bytes = match component_file::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                problems.push(Problem::Read { path, error });
                continue;
            }
        };
        let digest = digest(&bytes);
        let refuse = |error| Problem::Component { origin: Origin::File(path.clone()), error };
        match pinned.get(&digest) {
            Some(names) => {
                found.insert(digest.clone());
                match Candidate::new(Origin::File(path.clone()), bytes.into(), digest) {
                    Ok(candidate) => components.push(Component { names: names.clone(), candidate, described: None }),
                    Err(error) => problems.push(refuse(error)),
                }
            }
            None => match Candidate::refusal(&bytes) {
                Some(error) => problems.push(refuse(error)),
                None => strange.push((path, digest)),
            },
        }
    }
    let idle = pinned.iter().filter(|(digest, _)| !found.contains(*digest)).flat_map(|(_, names)| names);
    let idle: Vec<ActionnerName> = idle.filter(|name| !is_bundled(name)).cloned().collect();
    problems.extend(strange.into_iter().map(|(file, digest)| {
        let error = LoadError::NotPinned { digest, file: file.clone(), idle: idle.clone() };
        Problem::Component { origin: Origin::File(file), error }
    }));
    (components, problems)
}

/// Refuse files whose name is that of a bundled actionner, and of several with one name all but the first.
fn one_a_name(taken: &mut BTreeSet<ActionnerName>, inspection: Inspection) -> Result<Inspection, Problem> {
    let (name, origin) = (inspection.description.name.clone(), inspection.origin.clone());
    if origin == Origin::Bundled || (!is_bundled(&name) && taken.insert(name.clone())) {
        return Ok(inspection);
    }
    Err(Problem::Component { origin, error: LoadError::NameTaken { name } })
}

fn is_bundled(name: &ActionnerName) -> bool {
    actionners::BUNDLE.iter().any(|bundled| bundled.name == name.as_str())
}
