//! What a person changes: asked of the host that has the folder, or done in the folder where there is none.

use std::path::Path;
use std::process::ExitCode;

use super::answered::Answered;
use crate::control::{Answer, AskError, Planned, Request, ask, planned};
use crate::generation::{Generation, Loader};
use crate::store::{EditError, EntryId, Offline, OpenError};
use crate::telemetry::clean;

/// Changes of one store, one after the other.
pub(super) struct Changes<'a> {
    data_dir: &'a Path,
    /// Once it was found that no host has it.
    offline: Option<Offline>,
    answered: Answered,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
enum ChangeError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("{0}; it does not listen yet, or is about to end: try again")]
    Locked(OpenError),
    #[error(transparent)]
    Open(OpenError),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error("{0}")]
    Refused(String),
    #[error("the host answers something else than it was asked for")]
    Otherwise,
}

impl<'a> Changes<'a> {
    pub(super) fn new(data_dir: &'a Path) -> Self {
        Self { data_dir, offline: None, answered: Answered::default() }
    }

    /// Let the events of entries arrive once more.
    pub(super) async fn replay(mut self, ids: &[EntryId]) -> Answered {
        for id in ids.iter().copied() {
            let replayed = self.replay_one(id).await;
            self.note(replayed);
        }
        self.answered
    }

    /// Remove entries.
    pub(super) async fn remove(mut self, ids: &[EntryId]) -> Answered {
        for id in ids.iter().copied() {
            let removed = self.remove_one(id).await;
            self.note(removed);
        }
        self.answered
    }

    /// Say what would answer the events of entries: the rules of the host, or those that `loader` loads.
    pub(super) async fn plan(mut self, ids: &[EntryId], loader: impl FnOnce() -> Result<Loader, ExitCode>) -> Answered {
        let (mut loader, mut generation) = (Some(loader), None);
        for id in ids.iter().copied() {
            let planned = match self.host(Request::Plan(id)).await {
                Ok(Some(Answer::Planned(planned))) => Ok(planned),
                Ok(Some(_)) => Err(ChangeError::Otherwise),
                Ok(None) => {
                    if let Some(loader) = loader.take() {
                        generation = load(loader, &mut self.answered).await;
                    }
                    // What is wrong was said.
                    let Some(generation) = &generation else { break };
                    self.plan_offline(id, generation)
                }
                Err(error) => Err(error),
            };
            self.note(planned.map(|planned| plan_text(id, &planned)));
        }
        self.answered
    }

    async fn replay_one(&mut self, id: EntryId) -> Result<String, ChangeError> {
        match self.host(Request::Replay(id)).await? {
            Some(Answer::Replayed(new)) => Ok(format!("{id} is replayed as {new}")),
            Some(_) => Err(ChangeError::Otherwise),
            None => {
                let offline = self.offline()?;
                let new = offline.replay(offline.stored(id)?)?;
                Ok(format!("{id} is replayed as {new} once the host runs"))
            }
        }
    }

    async fn remove_one(&mut self, id: EntryId) -> Result<String, ChangeError> {
        match self.host(Request::Drop(id)).await? {
            Some(Answer::Dropped) => {}
            Some(_) => return Err(ChangeError::Otherwise),
            None => self.offline()?.remove(id)?,
        }
        Ok(format!("{id} is dropped"))
    }

    fn plan_offline(&mut self, id: EntryId, generation: &Generation) -> Result<Vec<Planned>, ChangeError> {
        Ok(planned(generation, &self.offline()?.stored(id)?.event))
    }

    /// Ask the host; none where there is none.
    async fn host(&self, request: Request) -> Result<Option<Answer>, ChangeError> {
        if self.offline.is_some() {
            return Ok(None);
        }
        match ask(self.data_dir, request).await? {
            Some(Answer::Refused(why)) => Err(ChangeError::Refused(why)),
            answer => Ok(answer),
        }
    }

    fn offline(&mut self) -> Result<&mut Offline, ChangeError> {
        if self.offline.is_none() {
            let opened = Offline::open(self.data_dir);
            self.offline = Some(opened.map_err(|error| match error {
                OpenError::Locked(_) => ChangeError::Locked(error),
                error => ChangeError::Open(error),
            })?);
        }
        self.offline.as_mut().ok_or(ChangeError::Otherwise)
    }

    fn note(&mut self, result: Result<String, ChangeError>) {
        match result {
            Ok(text) => self.answered.text.push_str(&(text + "\n")),
            Err(error) => self.answered.refused.push(error.to_string()),
        }
    }
}

async fn load(loader: impl FnOnce() -> Result<Loader, ExitCode>, answered: &mut Answered) -> Option<Generation> {
    let Ok(loader) = loader() else {
        answered.refused.push("the rules can't be loaded".to_owned());
        return None;
    };
    match loader.load().await {
        Ok(loaded) => Some(loaded.generation),
        Err(problems) => {
            answered.refused.extend(problems.iter().map(ToString::to_string));
            None
        }
    }
}

/// What would be done of an event.
fn plan_text(id: EntryId, planned: &[Planned]) -> String {
    if planned.is_empty() {
        return format!("{id}: no rule would answer it");
    }
    let rules = planned.iter().map(|Planned { rule, actions, dry_run, is_protected }| {
        let actions = actions.iter().map(|(action, actionner)| format!("{} ({actionner})", clean(action, usize::MAX)));
        let rehearses = if *dry_run { ", which only rehearses" } else { "" };
        let protected = if *is_protected { "; the policy protects the namespace" } else { "" };
        let actions = actions.collect::<Vec<_>>().join(", ");
        format!("\n  {}{rehearses}: {actions}{protected}", clean(rule, usize::MAX))
    });
    format!("{id} would be answered by{}", rules.collect::<String>())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_plan_names_rules_and_actions() {
        let id = "7".parse().unwrap();
        let planned = |rule: &str, dry_run, is_protected| Planned {
            rule: rule.to_owned(),
            actions: vec![
                ("Label\nit".to_owned(), "kubernetes:label".to_owned()),
                ("End it".to_owned(), "kubernetes:terminate".to_owned()),
            ],
            dry_run,
            is_protected,
        };
        expect!["7: no rule would answer it"].assert_eq(&plan_text(id, &[]));
        expect![[r#"
            7 would be answered by
              One: Label�it (kubernetes:label), End it (kubernetes:terminate)
              Two, which only rehearses: Label�it (kubernetes:label), End it (kubernetes:terminate); the policy protects the namespace"#]]
        .assert_eq(&plan_text(id, &[planned("One", false, false), planned("Two", true, true)]));
    }
}
