//! The policy in words: what an actionner may do to one event, and why a call was denied.
//!
//! It asks [`decide`] itself, so that what is explained is what is enforced. Only what the event
//! names is known here; owners and nodes become targets when the host reads them.

use std::fmt::Write;

use super::decision::{Request, decide};
use super::denial::{Decision, DenialReason};
use super::facts::Facts;
use super::kubernetes::KubernetesRequest;
use super::targets::{Target, Targets};
use crate::address::ResourceName;
use crate::grants::{Entry, Granted, Grants, KubernetesGrant, Pattern, Scope, flow_list};

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
/// grant or why not.
pub fn call(actionner: &str, entry: &Entry, facts: &Facts, request: &KubernetesRequest<'_>) -> String {
    let grants = match granted(actionner, entry) {
        Ok(grants) => grants,
        Err(text) => return text,
    };
    match decide(&Request::Kubernetes(*request), grants, facts) {
        Decision::Denied(denial) => format!("Denied. {denial}\n"),
        Decision::Allowed { grant } => {
            let line = grants.granted.kubernetes.get(grant).map(ToString::to_string);
            let line = line.unwrap_or_default();
            format!("Allowed by grant {} of `{actionner}`:\n  - {line}\n", grant + 1)
        }
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
    let is_it = |target: &&Target| target.group == resource.group && target.resource == resource.resource;
    for target in facts.targets.iter().filter(is_it) {
        let (mut verbs, mut is_protected) = (Vec::new(), false);
        for verb in &grant.verbs {
            let request = KubernetesRequest {
                verb: *verb,
                group: &resource.group,
                resource: &resource.resource,
                subresource: resource.subresource.as_deref(),
                namespace: target.namespace.as_deref(),
                name: Some(&target.name),
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
        let place = match &target.namespace {
            Some(namespace) => format!("{namespace}/{}", target.name),
            None => target.name.clone(),
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

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;
    use crate::grants::{Policy, Verb};

    const GRANTS: &str = "kubernetes:
      - {verbs: [get], resources: [pods, nodes, apps/replicasets]}
      - {verbs: [delete], resources: [pods]}
      - {verbs: [create, patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}
      - {verbs: [get], resources: [namespaces], scope: any, names: [a, b]}
";

    fn entry() -> Entry {
        let policy = Policy::bundled([("acme:test", GRANTS)]).unwrap();
        policy.entry("acme:test")
    }

    fn facts(namespace: &str, name: &str) -> Facts {
        let event = json!({"rule": "r", "priority": "Warning", "source": "syscall", "output": "o",
                           "hostname": "h", "time": "2026-07-22T14:24:41.123456789Z", "tags": [],
                           "output_fields": {"k8s.pod.name": name, "k8s.ns.name": namespace}});
        Facts::of(&rules::Event::from_json(event.to_string().as_bytes()).unwrap())
    }

    #[track_caller]
    fn check(text: &str, expected: &Expect) {
        expected.assert_eq(text);
    }

    #[test]
    fn each_grant_is_shown_with_the_objects_that_it_reaches() {
        check(
            &abilities("acme:test", &entry(), &facts("shop", "web-0")),
            &expect![[r#"
                The event names pods shop/web-0.
                Whatever is granted, no write in the namespaces [kube-system].
                `acme:test` is granted:
                  1. {verbs: [get], resources: [pods, nodes, apps/replicasets], scope: event-target}
                    pods: get shop/web-0
                    nodes: none that is known before an object is read
                    apps/replicasets: none that is known before an object is read
                  2. {verbs: [delete], resources: [pods], scope: event-target}
                    pods: delete shop/web-0
                  3. {verbs: [create, patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}
                    networking.k8s.io/networkpolicies: any in shop named [falco-talon-*]
                  4. {verbs: [get], resources: [namespaces], scope: any, names: [a, b]}
                    namespaces: any named [a, b]
                Each call may use at most {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}.
            "#]],
        );
    }

    #[test]
    fn protected_and_hostile_names_are_shown_as_such() {
        check(
            &abilities("acme:test", &entry(), &facts("kube-system", "coredns")),
            &expect![[r#"
                The event names pods kube-system/coredns.
                Whatever is granted, no write in the namespaces [kube-system].
                `acme:test` is granted:
                  1. {verbs: [get], resources: [pods, nodes, apps/replicasets], scope: event-target}
                    pods: get kube-system/coredns
                    nodes: none that is known before an object is read
                    apps/replicasets: none that is known before an object is read
                  2. {verbs: [delete], resources: [pods], scope: event-target}
                    pods: not kube-system/coredns, which is protected
                  3. {verbs: [create, patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}
                    networking.k8s.io/networkpolicies: none in kube-system, which is protected
                  4. {verbs: [get], resources: [namespaces], scope: any, names: [a, b]}
                    namespaces: any named [a, b]
                Each call may use at most {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}.
            "#]],
        );
        check(
            &abilities("acme:test", &entry(), &facts("shop", "../x")),
            &expect![[r#"
                The event names no object.
                It also names what can be no object: pods: `../x` can't be a name: lower-case letters, digits, `-` and `.` only, at most 253.
                Whatever is granted, no write in the namespaces [kube-system].
                `acme:test` is granted:
                  1. {verbs: [get], resources: [pods, nodes, apps/replicasets], scope: event-target}
                    pods: none that is known before an object is read
                    nodes: none that is known before an object is read
                    apps/replicasets: none that is known before an object is read
                  2. {verbs: [delete], resources: [pods], scope: event-target}
                    pods: none that is known before an object is read
                  3. {verbs: [create, patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}
                    networking.k8s.io/networkpolicies: none that is known before an object is read
                  4. {verbs: [get], resources: [namespaces], scope: any, names: [a, b]}
                    namespaces: any named [a, b]
                Each call may use at most {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}.
            "#]],
        );
    }

    #[test]
    fn an_actionner_that_may_not_run_is_reported_so() {
        check(
            &abilities("acme:test", &Entry::Missing, &Facts::default()),
            &expect![[r#"
                `acme:test` may not run: the policy has no entry for it. `falco-talon actionners inspect FILE` prints one.
            "#]],
        );
        check(
            &abilities("acme:test", &Entry::Forbidden, &Facts::default()),
            &expect![[r#"
                `acme:test` may not run: the policy forbids it.
            "#]],
        );
    }

    #[test]
    fn a_call_is_allowed_by_a_grant_or_denied_with_the_reason() {
        let mut request = KubernetesRequest {
            verb: Verb::Delete,
            group: "",
            resource: "pods",
            subresource: None,
            namespace: Some("shop"),
            name: Some("web-0"),
            fields: &[],
            node: None,
        };
        let (entry, facts) = (entry(), facts("shop", "web-0"));
        check(
            &call("acme:test", &entry, &facts, &request),
            &expect![[r#"
                Allowed by grant 2 of `acme:test`:
                  - {verbs: [delete], resources: [pods], scope: event-target}
            "#]],
        );
        request.name = Some("web-1");
        check(
            &call("acme:test", &entry, &facts, &request),
            &expect![[r#"
                Denied. `acme:test` may not delete pods shop/web-1: its grants reach only what the event names, and what that names once it was read: `pods shop/web-0`; to allow it, add under `kubernetes:` of `acme:test` in the policy:
                  - {verbs: [delete], resources: [pods], scope: event-namespace, names: [web-1]}
            "#]],
        );
    }

    const OTHERS: &str = "functions:
  - {provider: aws}
http:
  - {url: 'https://hooks.acme.example/falco/', methods: [POST], headers: {Authorization: {env: ACME_TOKEN}}}
objects:
  - {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}
";

    #[test]
    fn grants_that_no_event_narrows_are_shown_as_they_stand() {
        let entry = Policy::bundled([("acme:test", OTHERS)]).unwrap().protecting("falco").entry("acme:test");
        check(
            &abilities("acme:test", &entry, &Facts::default()),
            &expect![[r#"
                The event names no object.
                Whatever is granted, no write in the namespaces [kube-system, falco].
                `acme:test` is granted:
                  functions: {provider: aws}
                  http: {url: https://hooks.acme.example/falco/, methods: [POST], headers: {Authorization: {env: ACME_TOKEN}}}
                  objects: {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}
                Each call may use at most {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}.
            "#]],
        );
    }
}
