//! The values that the API server fills in where a request leaves a field out. One table serves two ends: the
//! simulation fills in what the real one would, and [`super::normalise`] leaves it out again, so that expectations hold
//! what somebody decided.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::schema::{Shape, Type, structure};

/// Fill in the defaults of a structure and of all in it.
pub(super) fn fill(name: &str, value: &mut Value) {
    each(name, value, &mut |name, object| {
        for (_, field, default) in TABLE.iter().filter(|(owner, ..)| *owner == name) {
            let absent = object.get(*field).is_none_or(|value| value.is_null() || value == "" || *value == json!({}));
            if absent {
                object.insert((*field).to_owned(), default.clone());
            }
        }
        fill_computed(name, object);
    });
}

/// Fill in what admission gives to a pod, as opposed to a pod template. The token's volume and the tolerations of
/// broken nodes, which nothing here looks at, are not among it.
pub(super) fn admit(spec: &mut Value) {
    for (field, default) in ADMITTED {
        if spec[field].is_null() || spec[field] == "" {
            spec[field] = default();
        }
    }
}

/// Whether admission would give this value to a pod's specification.
pub(super) fn is_admitted(field: &str, value: &Value) -> bool {
    ADMITTED.iter().any(|(admitted, default)| *admitted == field && default() == *value)
}

/// A field, and what it becomes.
type Default = (&'static str, fn() -> Value);

const ADMITTED: [Default; 5] = [
    ("serviceAccountName", || json!("default")),
    ("serviceAccount", || json!("default")),
    ("priority", || json!(0)),
    ("preemptionPolicy", || json!("PreemptLowerPriority")),
    ("enableServiceLinks", || json!(true)),
];

/// Remove what [`fill`] would fill in.
pub(super) fn remove(name: &str, value: &mut Value) {
    each(name, value, &mut |name, object| {
        for (_, field, default) in TABLE.iter().filter(|(owner, ..)| *owner == name) {
            if object.get(*field) == Some(default) {
                object.remove(*field);
            }
        }
        let mut bare = object.clone();
        for (_, field) in COMPUTED.iter().filter(|(owner, _)| *owner == name) {
            bare.remove(*field);
        }
        fill_computed(name, &mut bare);
        object.retain(|field, value| !COMPUTED.contains(&(name, field.as_str())) || bare.get(field) != Some(value));
    });
}

const COMPUTED: [(&str, &str); 5] = [
    ("JobSpec", "completions"),
    ("JobSpec", "parallelism"),
    ("Container", "imagePullPolicy"),
    ("NetworkPolicySpec", "policyTypes"),
    ("ServicePort", "targetPort"),
];

/// Defaults that depend on other fields.
fn fill_computed(name: &str, object: &mut Map<String, Value>) {
    if name == "JobSpec" && !object.contains_key("parallelism") {
        if !object.contains_key("completions") {
            object.insert("completions".to_owned(), json!(1));
        }
        object.insert("parallelism".to_owned(), json!(1));
    }
    let (field, value) = match name {
        "Container" => {
            let image = object.get("image").and_then(Value::as_str).unwrap_or_default();
            let tag = image.rsplit('/').next().unwrap_or_default().split_once(':').map_or("latest", |(_, tag)| tag);
            ("imagePullPolicy", json!(if tag == "latest" { "Always" } else { "IfNotPresent" }))
        }
        "NetworkPolicySpec" => {
            let egress = object.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
            ("policyTypes", if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) })
        }
        "ServicePort" => ("targetPort", object.get("port").cloned().unwrap_or_default()),
        _ => return,
    };
    if object.get(field).is_none_or(|value| value.is_null() || value == "" || *value == json!(0)) {
        object.insert(field.to_owned(), value);
    }
}

/// Visit every structure in a value, the outer ones first.
fn each(name: &str, value: &mut Value, visit: &mut impl FnMut(&str, &mut Map<String, Value>)) {
    let Some(object) = value.as_object_mut() else {
        return;
    };
    // What an ephemeral container leaves out becomes what it would for another.
    visit(if name == "EphemeralContainer" { "Container" } else { name }, object);
    for (field, value) in object {
        if let Some(ty) = structure(name).field(field) {
            each_of(ty, value, visit);
        }
    }
}

fn each_of(ty: &Type, value: &mut Value, visit: &mut impl FnMut(&str, &mut Map<String, Value>)) {
    match &ty.shape {
        Shape::Structure(name) => each(name, value, visit),
        Shape::Map(values) => {
            value.as_object_mut().into_iter().flatten().for_each(|(_, value)| each_of(values, value, visit));
        }
        Shape::List(list) => {
            value.as_array_mut().into_iter().flatten().for_each(|item| each_of(&list.items, item, visit));
        }
        Shape::Scalar(_) => {}
    }
}

static TABLE: LazyLock<Vec<(&'static str, &'static str, Value)>> = LazyLock::new(|| {
    vec![
        ("PodSpec", "restartPolicy", json!("Always")),
        ("PodSpec", "dnsPolicy", json!("ClusterFirst")),
        ("PodSpec", "terminationGracePeriodSeconds", json!(30)),
        ("PodSpec", "securityContext", json!({})),
        ("PodSpec", "schedulerName", json!("default-scheduler")),
        ("Container", "terminationMessagePath", json!("/dev/termination-log")),
        ("Container", "terminationMessagePolicy", json!("File")),
        ("Container", "resources", json!({})),
        ("ContainerPort", "protocol", json!("TCP")),
        ("ObjectFieldSelector", "apiVersion", json!("v1")),
        ("HTTPGetAction", "path", json!("/")),
        ("HTTPGetAction", "scheme", json!("HTTP")),
        ("Probe", "timeoutSeconds", json!(1)),
        ("Probe", "periodSeconds", json!(10)),
        ("Probe", "successThreshold", json!(1)),
        ("Probe", "failureThreshold", json!(3)),
        ("HostPathVolumeSource", "type", json!("")),
        ("SecretVolumeSource", "defaultMode", json!(420)),
        ("ConfigMapVolumeSource", "defaultMode", json!(420)),
        ("DownwardAPIVolumeSource", "defaultMode", json!(420)),
        ("ProjectedVolumeSource", "defaultMode", json!(420)),
        ("ReplicaSetSpec", "replicas", json!(1)),
        ("DeploymentSpec", "replicas", json!(1)),
        ("DeploymentSpec", "revisionHistoryLimit", json!(10)),
        ("DeploymentSpec", "progressDeadlineSeconds", json!(600)),
        (
            "DeploymentSpec",
            "strategy",
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}),
        ),
        ("StatefulSetSpec", "replicas", json!(1)),
        ("StatefulSetSpec", "podManagementPolicy", json!("OrderedReady")),
        ("StatefulSetSpec", "revisionHistoryLimit", json!(10)),
        ("StatefulSetSpec", "updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})),
        (
            "StatefulSetSpec",
            "persistentVolumeClaimRetentionPolicy",
            json!({"whenDeleted": "Retain", "whenScaled": "Retain"}),
        ),
        ("DaemonSetSpec", "revisionHistoryLimit", json!(10)),
        (
            "DaemonSetSpec",
            "updateStrategy",
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}),
        ),
        ("CronJobSpec", "concurrencyPolicy", json!("Allow")),
        ("CronJobSpec", "suspend", json!(false)),
        ("CronJobSpec", "successfulJobsHistoryLimit", json!(3)),
        ("CronJobSpec", "failedJobsHistoryLimit", json!(1)),
        // Also of the template of a cron job, where the real one fills them in no earlier than in its jobs.
        ("JobSpec", "backoffLimit", json!(6)),
        ("JobSpec", "completionMode", json!("NonIndexed")),
        ("JobSpec", "suspend", json!(false)),
        ("JobSpec", "manualSelector", json!(false)),
        ("JobSpec", "podReplacementPolicy", json!("TerminatingOrFailed")),
        ("NetworkPolicyPort", "protocol", json!("TCP")),
        ("ServiceSpec", "type", json!("ClusterIP")),
        ("ServiceSpec", "sessionAffinity", json!("None")),
        ("ServiceSpec", "internalTrafficPolicy", json!("Cluster")),
        ("ServicePort", "protocol", json!("TCP")),
        ("Secret", "type", json!("Opaque")),
        ("NamespaceSpec", "finalizers", json!(["kubernetes"])),
        ("RoleRef", "apiGroup", json!("rbac.authorization.k8s.io")),
    ]
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_removed_again() {
        let bare = json!({"spec": {"containers": [{"name": "a", "image": "a:1", "ports": [{"containerPort": 80}]}]}});
        let mut pod = bare.clone();
        fill("Pod", &mut pod);
        assert_eq!(pod["spec"]["containers"][0]["ports"][0]["protocol"], "TCP");
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
        remove("Pod", &mut pod);
        assert_eq!(pod, bare);
    }

    #[test]
    fn a_decision_stays() {
        let mut pod =
            json!({"spec": {"restartPolicy": "Never", "containers": [{"image": "a", "imagePullPolicy": "Never"}]}});
        fill("Pod", &mut pod);
        remove("Pod", &mut pod);
        assert_eq!(
            pod,
            json!({"spec": {"restartPolicy": "Never", "containers": [{"image": "a", "imagePullPolicy": "Never"}]}})
        );
    }
}
