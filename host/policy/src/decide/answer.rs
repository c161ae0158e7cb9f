//! What the policy says to a call before anything was read for the event.
//!
//! What a run decides on, it has learnt from the cluster; here it is said what would follow from that. Knows nothing of
//! how that is put into words.

use super::decision::decide_kubernetes;
use super::denial::{Decision, Denial};
use super::facts::Facts;
use super::kubernetes::{Known, KubernetesRequest, Lesson, is_look};
use super::targets::Targets;
use crate::address::may_own_pods;
use crate::grants::Grants;

/// What the policy says to a call before anything was read for the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It may be made.
    Allowed {
        /// The grant that allows it, as an index into the list that speaks of such requests.
        grant: usize,
    },
    /// It may be made once a read in the same call has taught this of its object.
    AllowedOnce {
        /// The grant that allows it then.
        grant: usize,
        /// What must be learnt.
        learnt: Lesson,
    },
    /// It may not be made.
    Denied {
        /// Why not.
        denial: Denial,
        /// What is taken to have been learnt by then, and does not suffice.
        despite: Option<Lesson>,
    },
}

/// What the policy says to a call before anything was read for the event.
///
/// Never stricter than the run: where an object could become one of the event's, it is told what would follow.
pub fn answer(grants: &Grants, facts: &Facts, request: &KubernetesRequest<'_>) -> Answer {
    let denial = match decide_kubernetes(request, grants, Known::by(facts)) {
        Decision::Allowed { grant } => return Answer::Allowed { grant },
        Decision::Denied(denial) => denial,
    };
    let mut denied = Answer::Denied { denial, despite: None };
    for learnt in [Lesson::FromPod, Lesson::FromNode] {
        if !could_be_learnt(learnt, &facts.targets, request) {
            continue;
        }
        match decide_kubernetes(request, grants, Known { facts, assumed: Some(learnt) }) {
            Decision::Allowed { grant } => return Answer::AllowedOnce { grant, learnt },
            // Of a node there are too many others to take an object for one of its own.
            Decision::Denied(denial) if learnt == Lesson::FromPod => {
                denied = Answer::Denied { denial, despite: Some(learnt) };
            }
            Decision::Denied(_) => {}
        }
    }
    denied
}

/// Whether the object of a request is of a kind, and at a place, that a read could make one of the event's.
fn could_be_learnt(learnt: Lesson, targets: &Targets, request: &KubernetesRequest<'_>) -> bool {
    let KubernetesRequest { group, resource, namespace, name, .. } = *request;
    let is = |core: &str| group.is_empty() && resource == core;
    let names_a =
        |core: &str| targets.iter().any(|target| target.object.group.is_empty() && target.object.resource == core);
    let is_owner = name.is_some() && namespace.is_some() && may_own_pods(group, resource);
    match learnt {
        Lesson::FromPod => {
            let is_node = name.is_some() && is("nodes") && names_a("pods");
            is_node || (is_owner && namespace.is_some_and(|namespace| targets.has_namespace(namespace)))
        }
        Lesson::FromNode => (names_a("pods") || names_a("nodes")) && (is("pods") || (is_owner && is_look(request))),
    }
}
