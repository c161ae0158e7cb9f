//! The table of known resources, and what each is like. It knows nothing of their objects.

/// A resource of the API: what its objects are called, and what may be done to them.
#[derive(Debug, PartialEq)]
pub(super) struct Resource {
    /// Empty for the core group.
    pub(super) group: &'static str,
    /// The only version of the group that is served here.
    pub(super) version: &'static str,
    /// `pods`.
    pub(super) plural: &'static str,
    /// `Pod`.
    pub(super) kind: &'static str,
    pub(super) namespaced: bool,
    /// Whether the status is written through a subresource of its own.
    pub(super) has_status: bool,
    /// Whether `metadata.generation` counts the changes of the specification.
    pub(super) has_generation: bool,
    /// Whether a deletion is answered with the object instead of a status.
    pub(super) answers_deleted: bool,
    /// Whether it is defined by a custom resource definition: no strategic merge, and fields that are not in the schema
    /// are kept.
    pub(super) custom: bool,
    /// The fields, besides name and namespace, that a field selector can ask for.
    pub(super) selectable: &'static [&'static str],
}

impl Resource {
    /// `v1` or `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods` or `deployments.apps`, as messages name it.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `Pod` or `Deployment.apps`, as messages name it.
    pub(super) fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// The structure in the schema that its objects have.
    pub(super) fn structure(&self) -> &'static str {
        if self.custom { "Custom" } else { self.kind }
    }

    fn is(&'static self, group: &str, version: &str) -> bool {
        self.group == group && self.version == version
    }
}

/// The resource of this address.
pub(super) fn by_plural(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| resource.is(group, version) && resource.plural == plural)
}

/// The resource whose objects say that they are of this `apiVersion` and `kind`.
pub(super) fn by_kind(api_version: &str, kind: &str) -> Option<&'static Resource> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    RESOURCES.iter().find(|resource| resource.is(group, version) && resource.kind == kind)
}

/// Whether anything is served under this group, in whatever version.
pub(super) fn group_exists(group: &str) -> bool {
    RESOURCES.iter().any(|resource| resource.group == group)
}

/// The namespaces themselves.
pub(super) fn namespaces() -> &'static Resource {
    &RESOURCES[0]
}

/// All kinds, for messages that name the nearest one.
pub(super) fn kinds() -> impl Iterator<Item = &'static Resource> {
    RESOURCES.iter()
}

/// Marks of a row in the table.
const NAMESPACED: u8 = 1;
const STATUS: u8 = 2;
const GENERATION: u8 = 4;
const ANSWERS_DELETED: u8 = 8;
const CUSTOM: u8 = 16;

const WORKLOAD: u8 = NAMESPACED | STATUS | GENERATION;
const CUSTOM_POLICY: u8 = NAMESPACED | GENERATION | CUSTOM;

const RBAC: &str = "rbac.authorization.k8s.io";

const POD_FIELDS: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
];
const EVENT_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "reason",
    "type",
];

const fn row(
    (group, version): (&'static str, &'static str),
    (plural, kind): (&'static str, &'static str),
    marks: u8,
    selectable: &'static [&'static str],
) -> Resource {
    Resource {
        group,
        version,
        plural,
        kind,
        namespaced: marks & NAMESPACED != 0,
        has_status: marks & STATUS != 0,
        has_generation: marks & GENERATION != 0,
        answers_deleted: marks & ANSWERS_DELETED != 0,
        custom: marks & CUSTOM != 0,
        selectable,
    }
}

static RESOURCES: [Resource; 24] = [
    row(("", "v1"), ("namespaces", "Namespace"), STATUS | ANSWERS_DELETED, &["status.phase"]),
    row(("", "v1"), ("nodes", "Node"), STATUS, &["spec.unschedulable"]),
    row(("", "v1"), ("pods", "Pod"), WORKLOAD | ANSWERS_DELETED, POD_FIELDS),
    row(("", "v1"), ("configmaps", "ConfigMap"), NAMESPACED, &[]),
    row(("", "v1"), ("secrets", "Secret"), NAMESPACED, &["type"]),
    row(("", "v1"), ("services", "Service"), NAMESPACED | STATUS | ANSWERS_DELETED, &["spec.clusterIP", "spec.type"]),
    row(("", "v1"), ("serviceaccounts", "ServiceAccount"), NAMESPACED | ANSWERS_DELETED, &[]),
    row(("", "v1"), ("events", "Event"), NAMESPACED, EVENT_FIELDS),
    row(("apps", "v1"), ("deployments", "Deployment"), WORKLOAD, &[]),
    row(("apps", "v1"), ("replicasets", "ReplicaSet"), WORKLOAD, &["status.replicas"]),
    row(("apps", "v1"), ("statefulsets", "StatefulSet"), WORKLOAD, &[]),
    row(("apps", "v1"), ("daemonsets", "DaemonSet"), WORKLOAD, &[]),
    row(("batch", "v1"), ("cronjobs", "CronJob"), WORKLOAD, &[]),
    row(("batch", "v1"), ("jobs", "Job"), WORKLOAD, &["status.successful"]),
    row(("networking.k8s.io", "v1"), ("networkpolicies", "NetworkPolicy"), NAMESPACED | GENERATION, &[]),
    row(("policy", "v1"), ("poddisruptionbudgets", "PodDisruptionBudget"), WORKLOAD, &[]),
    row(("coordination.k8s.io", "v1"), ("leases", "Lease"), NAMESPACED, &[]),
    row((RBAC, "v1"), ("roles", "Role"), NAMESPACED, &[]),
    row((RBAC, "v1"), ("rolebindings", "RoleBinding"), NAMESPACED, &[]),
    row((RBAC, "v1"), ("clusterroles", "ClusterRole"), 0, &[]),
    row((RBAC, "v1"), ("clusterrolebindings", "ClusterRoleBinding"), 0, &[]),
    row(("projectcalico.org", "v3"), ("networkpolicies", "NetworkPolicy"), CUSTOM_POLICY, &[]),
    row(("projectcalico.org", "v3"), ("globalnetworkpolicies", "GlobalNetworkPolicy"), GENERATION | CUSTOM, &[]),
    row(("cilium.io", "v2"), ("ciliumnetworkpolicies", "CiliumNetworkPolicy"), CUSTOM_POLICY | STATUS, &[]),
];
