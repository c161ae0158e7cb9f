//! Names of resources: how the policy writes them, and which ones Kubernetes has itself.
//!
//! The grammar is RBAC's `resources` with the group before it: `[group/]resource[/subresource]`,
//! for example `pods`, `pods/eviction`, `apps/deployments`, `apps/deployments/scale`,
//! `networking.k8s.io/networkpolicies`. Where there are two parts, the first is a group if it
//! contains a dot or is one of Kubernetes' groups without one ([`DOTLESS_GROUPS`]); else it is
//! a resource of the core group. No core resource has the name of a group, so this reads one way.

use std::fmt;

use rules::nearest::valid_names;

use super::name::{AddressError, check, is_label, is_name};

/// The groups whose name contains no dot; the core group's is empty.
pub(crate) const DOTLESS_GROUPS: [&str; 5] = ["apps", "autoscaling", "batch", "extensions", "policy"];

/// Subresources that are not objects: each opens a connection or mints a credential, and no
/// capability reaches it.
const OUT_OF_REACH: [&str; 4] = ["attach", "portforward", "proxy", "token"];

/// A resource as one grant names it; the subresource is distinct from its resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceName {
    /// Empty for the core group.
    pub group: String,
    /// Plural and in lower case.
    pub resource: String,
    /// What follows the object's name in its address, e.g. `eviction`.
    pub subresource: Option<String>,
}

impl ResourceName {
    /// Those of Kubernetes itself that are known here.
    pub fn known() -> impl Iterator<Item = ResourceName> {
        KNOWN.iter().map(|known| ResourceName {
            group: known.group.to_owned(),
            resource: known.resource.to_owned(),
            subresource: None,
        })
    }

    /// Whether this is the resource of an address.
    pub fn is(&self, group: &str, resource: &str, subresource: Option<&str>) -> bool {
        self.resource == resource && self.group == group && self.subresource.as_deref() == subresource
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResourceName { group, resource, subresource } = self;
        write_address(formatter, group, resource, subresource.as_deref())
    }
}

/// Write the three parts as the policy does.
pub(crate) fn write_address(
    out: &mut impl fmt::Write,
    group: &str,
    resource: &str,
    subresource: Option<&str>,
) -> fmt::Result {
    if !group.is_empty() {
        write!(out, "{group}/")?;
    }
    out.write_str(resource)?;
    match subresource {
        Some(subresource) => write!(out, "/{subresource}"),
        None => Ok(()),
    }
}

impl std::str::FromStr for ResourceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_group = |part: &str| part.contains('.') || DOTLESS_GROUPS.contains(&part);
        let (group, resource, subresource) = match parts.as_slice() {
            [resource] => ("", *resource, None),
            [group, resource] if is_group(group) => (*group, *resource, None),
            [resource, subresource] => ("", *resource, Some(*subresource)),
            [group, resource, subresource] => (*group, *resource, Some(*subresource)),
            _ => return Err(format!("`{text}` has too many parts: {GRAMMAR}")),
        };
        if let Err(part) = check_resource(group, resource, subresource) {
            return Err(format!("{part}: {GRAMMAR}"));
        }
        if parts.len() == 3 && !is_group(group) {
            let groups = valid_names(group, &DOTLESS_GROUPS);
            return Err(format!("`{group}` is not a group: one contains a dot or is Kubernetes' own{groups}"));
        }
        if let Some(subresource) = subresource.filter(|name| OUT_OF_REACH.contains(name)) {
            return Err(format!(
                "`{resource}/{subresource}` is not an object: this version has no capability that reaches it"
            ));
        }
        check_known(group, resource)?;
        Ok(ResourceName {
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.map(str::to_owned),
        })
    }
}

const GRAMMAR: &str = "a resource is `pods`, `pods/eviction`, `apps/deployments` or `apps/deployments/scale`";

/// The core group and `apps` grow no more, so that a name unknown there is a mistake. Other
/// groups may have resources that this program has never heard of.
fn check_known(group: &str, resource: &str) -> Result<(), String> {
    if !matches!(group, "" | "apps") || known(group, resource).is_some() {
        return Ok(());
    }
    if let Some(elsewhere) = KNOWN.iter().find(|known| known.resource == resource) {
        let group = elsewhere.group;
        let prefix = if group.is_empty() { String::new() } else { format!("{group}/") };
        return Err(format!("`{resource}` is not in this group: write `{prefix}{resource}`"));
    }
    let names: Vec<&str> = KNOWN.iter().filter(|known| known.group == group).map(|known| known.resource).collect();
    let group = if group.is_empty() { "core" } else { group };
    Err(format!("the {group} group has no resource `{resource}`{}", valid_names(resource, &names)))
}

/// A resource that Kubernetes itself has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) group: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) in_namespace: bool,
}

/// The resource with this address, if Kubernetes itself has it.
pub(crate) fn known(group: &str, resource: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.resource == resource && known.group == group)
}

/// The resource with this plural, where only one of Kubernetes' own groups has it: audit
/// events name no group.
pub(crate) fn known_by_plural(resource: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.resource == resource)
}

/// The resource whose objects are of this kind, if Kubernetes itself has it.
pub(crate) fn known_by_kind(group: &str, kind: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.kind == kind && known.group == group)
}

/// Whether pods can belong to objects of a resource: a workload of Kubernetes itself, or what others have added.
pub(crate) fn may_own_pods(group: &str, resource: &str) -> bool {
    match group {
        "" => resource == "replicationcontrollers",
        "apps" => matches!(resource, "daemonsets" | "deployments" | "replicasets" | "statefulsets"),
        "batch" => matches!(resource, "cronjobs" | "jobs"),
        group => !is_own_group(group),
    }
}

/// Whether it is a group of Kubernetes itself.
pub(crate) fn is_own_group(group: &str) -> bool {
    group.is_empty() || DOTLESS_GROUPS.contains(&group) || group.ends_with(".k8s.io")
}

/// Check the words that name a resource.
pub(crate) fn check_resource(group: &str, resource: &str, subresource: Option<&str>) -> Result<(), AddressError> {
    if !group.is_empty() {
        check("group", group, is_name)?;
    }
    check("resource", resource, is_label)?;
    subresource.map_or(Ok(()), |name| check("subresource", name, is_label))
}

/// Check that a namespace is named where the resource lies in one, and only there. Only of
/// Kubernetes' own resources is it known.
pub(crate) fn check_place(
    group: &str,
    resource: &str,
    namespace: Option<&str>,
    is_list: bool,
) -> Result<(), AddressError> {
    match (known(group, resource), namespace) {
        // A list without a namespace is one over all of them.
        (Some(known), None) if known.in_namespace && !is_list => Err(AddressError::NoNamespace(known.resource)),
        (Some(known), Some(_)) if !known.in_namespace => Err(AddressError::OutsideNamespaces(known.resource)),
        _ => Ok(()),
    }
}

const fn namespaced(group: &'static str, resource: &'static str, kind: &'static str) -> Known {
    Known { group, resource, kind, in_namespace: true }
}

const fn clusterwide(group: &'static str, resource: &'static str, kind: &'static str) -> Known {
    Known { group, resource, kind, in_namespace: false }
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// Complete for the core group and `apps`; elsewhere what events name and workloads need.
const KNOWN: &[Known] = &[
    namespaced("", "bindings", "Binding"),
    clusterwide("", "componentstatuses", "ComponentStatus"),
    namespaced("", "configmaps", "ConfigMap"),
    namespaced("", "endpoints", "Endpoints"),
    namespaced("", "events", "Event"),
    namespaced("", "limitranges", "LimitRange"),
    clusterwide("", "namespaces", "Namespace"),
    clusterwide("", "nodes", "Node"),
    namespaced("", "persistentvolumeclaims", "PersistentVolumeClaim"),
    clusterwide("", "persistentvolumes", "PersistentVolume"),
    namespaced("", "pods", "Pod"),
    namespaced("", "podtemplates", "PodTemplate"),
    namespaced("", "replicationcontrollers", "ReplicationController"),
    namespaced("", "resourcequotas", "ResourceQuota"),
    namespaced("", "secrets", "Secret"),
    namespaced("", "serviceaccounts", "ServiceAccount"),
    namespaced("", "services", "Service"),
    namespaced("apps", "controllerrevisions", "ControllerRevision"),
    namespaced("apps", "daemonsets", "DaemonSet"),
    namespaced("apps", "deployments", "Deployment"),
    namespaced("apps", "replicasets", "ReplicaSet"),
    namespaced("apps", "statefulsets", "StatefulSet"),
    namespaced("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    namespaced("batch", "cronjobs", "CronJob"),
    namespaced("batch", "jobs", "Job"),
    namespaced("networking.k8s.io", "ingresses", "Ingress"),
    namespaced("networking.k8s.io", "networkpolicies", "NetworkPolicy"),
    namespaced("policy", "poddisruptionbudgets", "PodDisruptionBudget"),
    clusterwide(RBAC, "clusterrolebindings", "ClusterRoleBinding"),
    clusterwide(RBAC, "clusterroles", "ClusterRole"),
    namespaced(RBAC, "rolebindings", "RoleBinding"),
    namespaced(RBAC, "roles", "Role"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, &str, Option<&str>), &str>) {
        match (text.parse::<ResourceName>(), expected) {
            (Ok(name), Ok((group, resource, subresource))) => {
                assert!(name.is(group, resource, subresource), "{name:?}");
                assert_eq!(name.to_string(), text);
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (parsed, expected) => panic!("{parsed:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn one_part_is_a_core_resource() {
        check("pods", Ok(("", "pods", None)));
        check("pod", Err("valid are `pods`"));
        check("deployments", Err("write `apps/deployments`"));
        check("apps", Err("the core group has no resource `apps`"));
    }

    #[test]
    fn two_parts_are_distinguished_by_the_group() {
        check("pods/eviction", Ok(("", "pods", Some("eviction"))));
        check("apps/deployments", Ok(("apps", "deployments", None)));
        check("networking.k8s.io/networkpolicies", Ok(("networking.k8s.io", "networkpolicies", None)));
        check("argoproj.io/rollouts", Ok(("argoproj.io", "rollouts", None)));
        check("deployments/scale", Err("write `apps/deployments`"));
        check("apps/pods", Err("write `pods`"));
        check("apps/deployment", Err("valid are `deployments`"));
    }

    #[test]
    fn three_parts_begin_with_a_group() {
        check("apps/deployments/scale", Ok(("apps", "deployments", Some("scale"))));
        check("app/deployments/scale", Err("valid are `apps`"));
        check("apps/deployments/scale/x", Err("too many parts"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["pods/attach", "pods/portforward", "services/proxy", "nodes/proxy", "serviceaccounts/token"] {
            check(text, Err("no capability that reaches it"));
        }
    }

    #[test]
    fn odd_characters_are_refused() {
        for text in ["", "/", "pods/", "/pods", "Pods", "*", "pods/*", "a.b/../x", "pods?x", "apps//scale"] {
            check(text, Err("a resource is"));
        }
    }
}
