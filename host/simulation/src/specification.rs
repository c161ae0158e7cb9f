//! What the real API server checks of the specifications that actionners write or whose changes they might try. It is
//! not all that the real one checks: what nothing here writes is taken as it is.

use serde_json::Value;

use super::ephemeral;
use super::resource::Resource;
use super::selector::LabelSelector;
use super::status::Cause;

const POD_UPDATE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
    (allow it to be set to 1 if it was previously negative)";

/// What is wrong with the specification of an object that is to be stored.
pub(super) fn object(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &object["spec"];
    match resource.kind {
        "Pod" => {
            causes.extend(pod_spec("spec", spec));
            causes.extend(ephemeral::object(spec));
        }
        "Job" => causes.extend(job("spec.template.spec", &spec["template"]["spec"])),
        "CronJob" => causes.extend(cron_job(spec)),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => causes.extend(workload(spec)),
        "NetworkPolicy" if !resource.custom => causes.extend(network_policy(spec)),
        _ => {}
    }
    causes
}

/// What is wrong with a change of everything but the metadata.
pub(super) fn change(resource: &Resource, old: &Value, new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (old_spec, new_spec) = (&old["spec"], &new["spec"]);
    match resource.kind {
        "Pod" => causes.extend(pod_change(old_spec, new_spec)),
        "Deployment" | "ReplicaSet" | "DaemonSet" if old_spec["selector"] != new_spec["selector"] => {
            causes.push(Cause::invalid("spec.selector", &new_spec["selector"], "field is immutable"));
        }
        "RoleBinding" | "ClusterRoleBinding" if old["roleRef"] != new["roleRef"] => {
            causes.push(Cause::invalid("roleRef", &new["roleRef"], "cannot change roleRef"));
        }
        "ConfigMap" | "Secret" if old["immutable"] == true => {
            if new["immutable"] != true {
                causes.push(Cause::forbidden("immutable", "field is immutable when `immutable` is set"));
            }
            for field in ["data", "binaryData"].into_iter().filter(|field| old[*field] != new[*field]) {
                causes.push(Cause::forbidden(field, "field is immutable when `immutable` is set"));
            }
        }
        _ => {}
    }
    causes
}

fn pod_spec(field: &str, spec: &Value) -> Vec<Cause> {
    let containers = spec["containers"].as_array().map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        return vec![Cause::required(format!("{field}.containers"), "")];
    }
    let mut causes = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        for part in ["name", "image"] {
            if container[part].as_str().unwrap_or_default().is_empty() {
                causes.push(Cause::required(format!("{field}.containers[{index}].{part}"), ""));
            }
        }
    }
    causes
}

fn cron_job(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if spec["schedule"].as_str().unwrap_or_default().is_empty() {
        causes.push(Cause::required("spec.schedule", ""));
    }
    causes.extend(job("spec.jobTemplate.spec.template.spec", &spec["jobTemplate"]["spec"]["template"]["spec"]));
    causes
}

fn job(field: &str, pod: &Value) -> Vec<Cause> {
    let mut causes = pod_spec(field, pod);
    if pod["restartPolicy"] == "Always" {
        let text = "valid values: \"OnFailure\", \"Never\"";
        causes.push(Cause::required(format!("{field}.restartPolicy"), text));
    }
    causes
}

fn workload(spec: &Value) -> Vec<Cause> {
    let labels = &spec["template"]["metadata"]["labels"];
    let mut causes = Vec::new();
    if spec["selector"].is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else if !LabelSelector::of(&spec["selector"]).matches(labels) {
        let text = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, text));
    }
    causes.extend(pod_spec("spec.template.spec", &spec["template"]["spec"]));
    causes
}

fn network_policy(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (rule_index, rule) in spec[direction].as_array().into_iter().flatten().enumerate() {
            for (peer_index, peer) in rule[peers].as_array().into_iter().flatten().enumerate() {
                let field = format!("spec.{direction}[{rule_index}].{peers}[{peer_index}]");
                causes.extend(peer_causes(&field, peer));
            }
        }
    }
    causes
}

fn peer_causes(field: &str, peer: &Value) -> Vec<Cause> {
    const CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    let Some(block) = peer.get("ipBlock") else {
        return Vec::new();
    };
    if peer.get("podSelector").is_some() || peer.get("namespaceSelector").is_some() {
        return vec![Cause::forbidden(field, "may not specify both ipBlock and another peer")];
    }
    let exceptions = block["except"].as_array().into_iter().flatten().enumerate();
    let exceptions = exceptions.map(|(index, value)| (format!("{field}.ipBlock.except[{index}]"), value));
    let all = std::iter::once((format!("{field}.ipBlock.cidr"), &block["cidr"])).chain(exceptions);
    let wrong = all.filter(|(_, value)| value.as_str().is_none_or(|text| text.parse::<ipnet::IpNet>().is_err()));
    wrong.map(|(field, value)| Cause::invalid(field, value, CIDR)).collect()
}

fn pod_change(old: &Value, new: &Value) -> Vec<Cause> {
    let count = |spec: &Value, list: &str| spec[list].as_array().map_or(0, Vec::len);
    for list in ["containers", "initContainers"] {
        if count(old, list) != count(new, list) {
            return vec![Cause::forbidden(format!("spec.{list}"), "pod updates may not add or remove containers")];
        }
    }
    let old_tolerations = old["tolerations"].as_array().map_or(&[][..], Vec::as_slice);
    let new_tolerations = new["tolerations"].as_array().map_or(&[][..], Vec::as_slice);
    if !old_tolerations.iter().all(|toleration| new_tolerations.contains(toleration)) {
        let text = "existing toleration can not be modified except its tolerationSeconds";
        return vec![Cause::forbidden("spec.tolerations", text)];
    }
    if without_mutable(old) == without_mutable(new) { Vec::new() } else { vec![Cause::forbidden("spec", POD_UPDATE)] }
}

/// A pod's specification without what may change.
fn without_mutable(spec: &Value) -> Value {
    let mut spec = spec.clone();
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            container.remove("image");
        }
    }
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|field, value| {
            !matches!(field.as_str(), "tolerations" | "activeDeadlineSeconds" | "schedulingGates") && !value.is_null()
        });
    }
    spec
}
