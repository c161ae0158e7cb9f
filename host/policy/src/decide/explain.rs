//! The policy in words: what an actionner may do to one event, and why a call was denied.
//!
//! It asks [`decide`] itself, so that what is explained is what is enforced. Only what the event names is known here;
//! owners and nodes become targets when the host reads them, so that what this could teach is an answer of its own.

#[cfg(test)]
mod tests;

use std::fmt::Write;

use super::answer::{Answer, answer};
use super::decision::{Request, decide};
use super::denial::{Decision, DenialReason};
use super::facts::Facts;
use super::kubernetes::{KubernetesRequest, Lesson};
use super::targets::Targets;
use crate::address::ResourceName;
use crate::grants::{Entry, Granted, Grants, KubernetesGrant, Pattern, Scope, flow_list};

/// In a sentence: "once it was read …".
fn once(learnt: Lesson) -> &'static str {
    match learnt {
        Lesson::FromPod => "once read from the pod, as its node or what it belongs to",
        Lesson::FromNode => "once known to be on the node of the event",
    }
}

/// What an actionner may do in answer to an event with these targets: each grant, and the
/// objects that it reaches.
pub fn abilities(actionner: &str, entry: &Entry, facts: &Facts) -> String {
    let grants = match granted(actionner, entry) {
        Ok(grants) => grants,
        Err(text) => return text,
    };
    let mut text = String::new();
    let names: Vec<String> = facts.targets.iter().map(ToString::to_string).collect();
    let names = if names.is_empty() { "no object".to_owned() } else { names.join(", ") };
    line(&mut text, 0, &format!("The event names {names}."));
    for refused in facts.targets.refused() {
        line(&mut text, 0, &format!("It also names what can be no object: {refused}."));
    }
    let protected = flow_list(&grants.all_protected());
    line(&mut text, 0, &format!("Whatever is granted, no write in the namespaces {protected}."));
    if grants.granted == Granted::default() {
        line(&mut text, 0, &format!("`{actionner}` is granted nothing."));
    } else {
        line(&mut text, 0, &format!("`{actionner}` is granted:"));
    }
    for (index, grant) in grants.granted.kubernetes.iter().enumerate() {
        line(&mut text, 1, &format!("{}. {grant}", index + 1));
        for resource in &grant.resources {
            line(&mut text, 2, &reach(grants, grant, resource, facts));
        }
    }
    if grants.granted.artifacts {
        line(&mut text, 1, "artifacts: any, for the output that the rule names");
    }
    unconditional(&mut text, "functions", &grants.granted.functions);
    unconditional(&mut text, "http", &grants.granted.http);
    unconditional(&mut text, "objects", &grants.granted.objects);
    let files: Vec<_> = grants.granted.files.iter().map(|file| file.display()).collect();
    unconditional(&mut text, "files", &files);
    line(&mut text, 0, &format!("Each call may use at most {}.", grants.limits));
    text
}

/// Whether an actionner may do one thing in answer to an event with these targets, by which
/// grant or why not: [`answer`] in words.
pub fn call(actionner: &str, entry: &Entry, facts: &Facts, request: &KubernetesRequest<'_>) -> String {
    let grants = match granted(actionner, entry) {
        Ok(grants) => grants,
        Err(text) => return text,
    };
    let allowed = |grant: usize, when: &str| {
        let line = grants.granted.kubernetes.get(grant).map(ToString::to_string).unwrap_or_default();
        format!("Allowed{when} by grant {} of `{actionner}`:\n  - {line}\n", grant + 1)
    };
    match answer(grants, facts, request) {
        Answer::Allowed { grant } => allowed(grant, ""),
        Answer::AllowedOnce { grant, learnt } => allowed(grant, &format!(" {},", once(learnt))),
        Answer::Denied { denial, despite: None } => format!("Denied. {denial}\n"),
        Answer::Denied { denial, despite: Some(learnt) } => format!("Denied, also {}. {denial}\n", once(learnt)),
    }
}

fn granted<'a>(actionner: &str, entry: &'a Entry) -> Result<&'a Grants, String> {
    match entry {
        Entry::Granted(grants) => Ok(grants),
        Entry::Forbidden => Err(format!("`{actionner}` may not run: the policy forbids it.\n")),
        Entry::Missing => Err(format!(
            "`{actionner}` may not run: the policy has no entry for it. `falco-talon actionners inspect FILE` prints one.\n"
        )),
    }
}

/// "pods: get and patch shop/web-0, any in shop".
fn reach(grants: &Grants, grant: &KubernetesGrant, resource: &ResourceName, facts: &Facts) -> String {
    // Asked of this grant alone, so that another can't lend it its reach.
    let granted = Granted { kubernetes: vec![grant.clone()], ..Granted::default() };
    let alone = Grants { granted, ..grants.clone() };
    let mut reached = Vec::new();
    let objects = facts.targets.iter().map(|target| &target.object);
    for object in objects.filter(|object| object.group == resource.group && object.resource == resource.resource) {
        let (mut verbs, mut is_protected) = (Vec::new(), false);
        for verb in &grant.verbs {
            let request = KubernetesRequest {
                verb: *verb,
                group: &resource.group,
                resource: &resource.resource,
                subresource: resource.subresource.as_deref(),
                namespace: object.namespace.as_deref(),
                name: Some(&object.name),
                fields: &[],
                node: None,
            };
            match decide(&Request::Kubernetes(request), &alone, facts) {
                Decision::Allowed { .. } => verbs.push(verb.name()),
                Decision::Denied(denial) => {
                    is_protected |= matches!(denial.reason, DenialReason::Protected(_));
                }
            }
        }
        let place = match &object.namespace {
            Some(namespace) => format!("{namespace}/{}", object.name),
            None => object.name.clone(),
        };
        if !verbs.is_empty() {
            reached.push(format!("{} {place}", verbs.join(" and ")));
        } else if is_protected {
            reached.push(format!("not {place}, which is protected"));
        }
    }
    reached.extend(beyond_targets(grants, grant, &facts.targets));
    if reached.is_empty() {
        reached.push("none that is known before an object is read".to_owned());
    }
    format!("{resource}: {}", reached.join(", "))
}

/// What a scope reaches besides the targets.
fn beyond_targets(grants: &Grants, grant: &KubernetesGrant, targets: &Targets) -> Vec<String> {
    let is_one = |patterns: &[Pattern], name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    let only_writes = grant.verbs.iter().all(|verb| verb.is_write());
    let patterns = |key: &str, patterns: &[Pattern]| {
        if patterns.is_empty() { String::new() } else { format!(" {key} {}", flow_list(patterns)) }
    };
    let named = patterns("named", &grant.names);
    match grant.scope {
        Scope::EventTarget => Vec::new(),
        Scope::EventNamespace => targets
            .namespaces()
            .filter(|name| grant.namespaces.is_empty() || is_one(&grant.namespaces, name))
            .map(|name| match only_writes && is_one(&grants.all_protected(), name) {
                true => format!("none in {name}, which is protected"),
                false => format!("any in {name}{named}"),
            })
            .collect(),
        Scope::EventNode => vec!["any on the node of the event, once its pods were listed".to_owned()],
        Scope::HostNamespace => {
            let own = grants.own_namespace.as_deref();
            vec![
                own.map_or("none, since the host runs in no namespace".to_owned(), |own| {
                    format!("any in {own}{named}")
                }),
            ]
        }
        Scope::Any => {
            let places = patterns("in the namespaces", &grant.namespaces);
            vec![format!("any{places}{named}")]
        }
    }
}

/// Grants whose reach does not depend on the event.
fn unconditional(text: &mut String, key: &str, grants: &[impl ToString]) {
    for grant in grants {
        line(text, 1, &format!("{key}: {}", grant.to_string()));
    }
}

fn line(text: &mut String, depth: usize, content: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{:1$}{content}", "", depth * 2);
}
