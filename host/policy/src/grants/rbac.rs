//! What the host itself must be allowed in the cluster for a set of grants: RBAC's roles.
//!
//! Grants are written in RBAC's words, so that this is a sorting of them. What RBAC can't say
//! stays with the policy: scopes, fields, and names by their prefix.

use std::collections::{BTreeMap, BTreeSet};

use super::granted::Grants;
use super::kubernetes::{KubernetesGrant, Scope, Verb};
use super::pattern::Pattern;
use super::write::flow_list;
use crate::address::{ResourceName, check_name};

/// The name of every role, and of the bindings: the one that the original's manifests use.
const NAME: &str = "falco-talon";

/// Why roles can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RbacError {
    /// A grant is about the host's namespace, and nobody knows which that is.
    #[error("`{0}` works in the namespace that the host runs in: set it in the environment, as NAMESPACE=falco-talon")]
    NoNamespace(String),
}

/// The service account that the host runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::str::FromStr for ServiceAccount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) = text.split_once('/').ok_or("write `namespace/name`")?;
        let checked = check_name(namespace).and_then(|()| check_name(name));
        checked.map_err(|error| error.to_string())?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

/// Where a rule of RBAC holds: everywhere, or in one namespace.
type Place = Option<String>;

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct About {
    group: String,
    /// With its subresource.
    resource: String,
    /// Of the objects; none for all.
    names: Vec<String>,
}

/// One rule of a role.
struct Rule {
    group: String,
    resources: Vec<String>,
    names: Vec<String>,
    verbs: Vec<&'static str>,
}

/// The manifests of the least that these grants need: a ClusterRole, and a Role for each
/// namespace to which a grant is narrowed. With an account, their bindings too.
/// `reads` are resources of the core group that the host gets by itself, whatever is granted.
///
/// Where it is known what actionners need, their grants should come narrowed ([`Grants::narrowed`]).
///
/// # Errors
///
/// Where a grant is about the host's own namespace and that is not known.
pub fn manifests<'a>(
    grants: impl IntoIterator<Item = &'a Grants>,
    reads: &[&str],
    account: Option<&ServiceAccount>,
) -> Result<String, RbacError> {
    let mut places: BTreeMap<Place, BTreeMap<About, BTreeSet<&'static str>>> = BTreeMap::new();
    for grants in grants {
        for grant in &grants.granted.kubernetes {
            for place in places_of(grants, grant)? {
                let rules = places.entry(place).or_default();
                for (about, verb) in rules_of(grant) {
                    rules.entry(about).or_default().insert(verb);
                }
            }
        }
    }
    for resource in reads {
        let about = About { group: String::new(), resource: (*resource).to_owned(), names: Vec::new() };
        places.entry(None).or_default().entry(about).or_default().insert(Verb::Get.name());
    }
    let mut documents = Vec::new();
    for (place, rules) in &places {
        documents.push(role(place.as_deref(), &merged(rules)));
        documents.extend(account.map(|account| binding(place.as_deref(), account)));
    }
    Ok(documents.join("---\n"))
}

fn places_of(grants: &Grants, grant: &KubernetesGrant) -> Result<Vec<Place>, RbacError> {
    if grant.scope == Scope::HostNamespace {
        let own = grants.own_namespace.as_deref();
        let own = own.ok_or_else(|| RbacError::NoNamespace(grants.actionner.clone()))?;
        return Ok(vec![Some(own.to_owned())]);
    }
    let exact = |pattern: &Pattern| match pattern {
        Pattern::Exact(name) => Some(name.clone()),
        Pattern::Prefix(_) => None,
    };
    let namespaces: Option<Vec<String>> = grant.namespaces.iter().map(exact).collect();
    Ok(match namespaces {
        Some(namespaces) if !namespaces.is_empty() => namespaces.into_iter().map(Some).collect(),
        // RBAC knows no prefixes.
        _ => vec![None],
    })
}

/// One for each resource and verb of a grant.
fn rules_of(grant: &KubernetesGrant) -> Vec<(About, &'static str)> {
    let names: Vec<String> = grant
        .names
        .iter()
        .filter_map(|name| match name {
            Pattern::Exact(name) => Some(name.clone()),
            Pattern::Prefix(_) => None,
        })
        .collect();
    let mut rules = Vec::new();
    for resource in &grant.resources {
        let ResourceName { group, resource: plural, subresource } = resource;
        let plural =
            subresource.as_ref().map_or_else(|| plural.clone(), |subresource| format!("{plural}/{subresource}"));
        for verb in &grant.verbs {
            // A prefix among the names can't be said, and neither can the name of what is yet to be.
            let can_be_named = names.len() == grant.names.len() && !matches!(verb, Verb::Create | Verb::List);
            let names = if can_be_named { names.clone() } else { Vec::new() };
            let about = About { group: group.clone(), resource: plural.clone(), names };
            // A command is run over a WebSocket, which begins with a GET.
            if resource.is("", "pods", Some("exec")) {
                rules.push((about.clone(), Verb::Get.name()));
            }
            // What an apply gives up is looked up first.
            if *verb == Verb::Patch && grant.verbs.contains(&Verb::Create) {
                rules.push((about.clone(), Verb::Get.name()));
            }
            rules.push((about, verb.name()));
        }
    }
    rules
}

/// Resources of one group with the same verbs and names stand in one rule.
fn merged(rules: &BTreeMap<About, BTreeSet<&'static str>>) -> Vec<Rule> {
    let mut merged: Vec<Rule> = Vec::new();
    for (About { group, resource, names }, verbs) in rules {
        let verbs: Vec<&'static str> = verbs.iter().copied().collect();
        let same = |rule: &&mut Rule| rule.group == *group && rule.names == *names && rule.verbs == verbs;
        match merged.iter_mut().find(same) {
            Some(rule) => rule.resources.push(resource.clone()),
            None => merged.push(Rule {
                group: group.clone(),
                resources: vec![resource.clone()],
                names: names.clone(),
                verbs,
            }),
        }
    }
    merged
}

fn role(namespace: Option<&str>, rules: &[Rule]) -> String {
    let mut text = head(if namespace.is_some() { "Role" } else { "ClusterRole" }, namespace);
    text.push_str("rules:\n");
    for Rule { group, resources, names, verbs } in rules {
        text.push_str(&format!("  - apiGroups: {}\n    resources: {}\n", flow_list(&[group]), flow_list(resources)));
        if !names.is_empty() {
            text.push_str(&format!("    resourceNames: {}\n", flow_list(names)));
        }
        text.push_str(&format!("    verbs: {}\n", flow_list(verbs)));
    }
    text
}

fn binding(namespace: Option<&str>, account: &ServiceAccount) -> String {
    let (kind, role) = match namespace {
        Some(_) => ("RoleBinding", "Role"),
        None => ("ClusterRoleBinding", "ClusterRole"),
    };
    let ServiceAccount { namespace: of, name } = account;
    format!(
        "{}roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {role}, name: {NAME}}}\n\
         subjects:\n  - {{kind: ServiceAccount, namespace: {of}, name: {name}}}\n",
        head(kind, namespace)
    )
}

fn head(kind: &str, namespace: Option<&str>) -> String {
    let namespace = namespace.map(|namespace| format!("  namespace: {namespace}\n")).unwrap_or_default();
    format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {NAME}\n{namespace}")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::grants::{Entry, Policy};

    #[track_caller]
    fn check(own_namespace: Option<&str>, grants: &str, account: Option<&str>, expected: &Expect) {
        let policy = Policy::bundled([("acme:test", grants)]).unwrap();
        let policy = own_namespace.into_iter().fold(policy, Policy::protecting);
        let Entry::Granted(grants) = policy.entry("acme:test") else { panic!("no grants") };
        let account: Option<ServiceAccount> = account.map(|account| account.parse().unwrap());
        let text = manifests([&*grants], &[], account.as_ref()).unwrap_or_else(|error| error.to_string());
        expected.assert_eq(&text);
    }

    #[test]
    fn grants_of_one_place_make_one_role() {
        check(
            None,
            "kubernetes:
  - {verbs: [get], resources: [pods, nodes, apps/replicasets], scope: event-target}
  - {verbs: [delete], resources: [pods]}
  - {verbs: [create], resources: [pods/exec, pods/eviction]}
  - {verbs: [create, patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}
",
            None,
            &expect![[r#"
                apiVersion: rbac.authorization.k8s.io/v1
                kind: ClusterRole
                metadata:
                  name: falco-talon
                rules:
                  - apiGroups: [""]
                    resources: [nodes]
                    verbs: [get]
                  - apiGroups: [""]
                    resources: [pods]
                    verbs: [delete, get]
                  - apiGroups: [""]
                    resources: [pods/eviction]
                    verbs: [create]
                  - apiGroups: [""]
                    resources: [pods/exec]
                    verbs: [create, get]
                  - apiGroups: [apps]
                    resources: [replicasets]
                    verbs: [get]
                  - apiGroups: [networking.k8s.io]
                    resources: [networkpolicies]
                    verbs: [create, get, patch]
            "#]],
        );
    }

    #[test]
    fn the_host_reads_by_itself() {
        let text = manifests([], &["nodes", "pods"], None).unwrap();
        assert!(text.ends_with("- apiGroups: [\"\"]\n    resources: [nodes, pods]\n    verbs: [get]\n"), "{text}");
    }

    #[test]
    fn events_of_the_host_need_little() {
        expect![[r#"
            apiVersion: rbac.authorization.k8s.io/v1
            kind: ClusterRole
            metadata:
              name: falco-talon
            rules:
              - apiGroups: [""]
                resources: [events]
                verbs: [create]
              - apiGroups: [""]
                resources: [pods]
                verbs: [get]
        "#]]
        .assert_eq(&manifests([&Grants::of_events()], &[], None).unwrap());
    }

    #[test]
    fn a_grant_for_namespaces_makes_roles_there() {
        check(
            Some("falco"),
            "kubernetes:
  - {verbs: [get, list], resources: [pods], scope: any, namespaces: [a, b]}
  - {verbs: [get], resources: [configmaps], scope: any, namespaces: [a, team-*], names: [x]}
  - {verbs: [create], resources: [batch/jobs], scope: host-namespace, names: [falco-talon-*], fields: [spec]}
  - {verbs: [delete], resources: [batch/jobs], scope: host-namespace, names: [falco-talon-*]}
",
            Some("falco/talon"),
            &expect![[r#"
                apiVersion: rbac.authorization.k8s.io/v1
                kind: ClusterRole
                metadata:
                  name: falco-talon
                rules:
                  - apiGroups: [""]
                    resources: [configmaps]
                    resourceNames: [x]
                    verbs: [get]
                ---
                apiVersion: rbac.authorization.k8s.io/v1
                kind: ClusterRoleBinding
                metadata:
                  name: falco-talon
                roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: falco-talon}
                subjects:
                  - {kind: ServiceAccount, namespace: falco, name: talon}
                ---
                apiVersion: rbac.authorization.k8s.io/v1
                kind: Role
                metadata:
                  name: falco-talon
                  namespace: a
                rules:
                  - apiGroups: [""]
                    resources: [pods]
                    verbs: [get, list]
                ---
                apiVersion: rbac.authorization.k8s.io/v1
                kind: RoleBinding
                metadata:
                  name: falco-talon
                  namespace: a
                roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: falco-talon}
                subjects:
                  - {kind: ServiceAccount, namespace: falco, name: talon}
                ---
                apiVersion: rbac.authorization.k8s.io/v1
                kind: Role
                metadata:
                  name: falco-talon
                  namespace: b
                rules:
                  - apiGroups: [""]
                    resources: [pods]
                    verbs: [get, list]
                ---
                apiVersion: rbac.authorization.k8s.io/v1
                kind: RoleBinding
                metadata:
                  name: falco-talon
                  namespace: b
                roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: falco-talon}
                subjects:
                  - {kind: ServiceAccount, namespace: falco, name: talon}
                ---
                apiVersion: rbac.authorization.k8s.io/v1
                kind: Role
                metadata:
                  name: falco-talon
                  namespace: falco
                rules:
                  - apiGroups: [batch]
                    resources: [jobs]
                    verbs: [create, delete]
                ---
                apiVersion: rbac.authorization.k8s.io/v1
                kind: RoleBinding
                metadata:
                  name: falco-talon
                  namespace: falco
                roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: falco-talon}
                subjects:
                  - {kind: ServiceAccount, namespace: falco, name: talon}
            "#]],
        );
        check(
            None,
            "kubernetes: [{verbs: [get], resources: [pods], scope: host-namespace}]",
            None,
            &expect![
                "`acme:test` works in the namespace that the host runs in: set it in the environment, as NAMESPACE=falco-talon"
            ],
        );
    }
}
