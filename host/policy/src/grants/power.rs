//! Fields that give power over a node or an account: a grant of what lies around them is none of them.
//!
//! They are known by their names, wherever they stand: a pod's template is at another place in each
//! kind, custom resources among them. A field of another meaning that has such a name must be
//! written out too.

use super::field::Segment;

/// Names of fields that are, or hold, such power.
const NAMES: [&str; 30] = [
    // To remove it is to lift what it holds back.
    "securityContext",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "seLinuxOptions",
    "appArmorProfile",
    "seccompProfile",
    "sysctls",
    "hostPath",
    "hostPID",
    "hostIPC",
    "hostNetwork",
    "hostPort",
    "hostUsers",
    "hostProcess",
    "serviceAccountName",
    "serviceAccount",
    "serviceAccountToken",
    "automountServiceAccountToken",
    "shareProcessNamespace",
    "flexVolume",
    // What other accounts are known by.
    "secretName",
    "secretKeyRef",
    "secretRef",
    "nodePublishSecretRef",
    "imagePullSecrets",
    "podCertificate",
    // Code that runs with what the rest of the pod has.
    "image",
    "command",
    "args",
];

/// Those whose name means it in one place only.
const IN_PARENTS: [(&str, &str); 4] =
    [("capabilities", "add"), ("capabilities", "drop"), ("local", "path"), ("secret", "name")];

/// Maps whose keys are chosen by whoever writes them: `image` in one of them is a label.
const FREE_MAPS: [&str; 5] = ["labels", "annotations", "matchLabels", "nodeSelector", "selector"];

/// The contents of a ConfigMap or a Secret, which are texts.
const CONTENTS: [&str; 3] = ["data", "stringData", "binaryData"];

/// How many steps of a path a grant must write out to cover it: up to the last one that gives power,
/// and none where no step does.
pub(crate) fn steps_to_write_out(path: &[Segment]) -> usize {
    if is_metadata(path) {
        return 0;
    }
    (0..path.len()).rev().find(|at| gives_power(&path[..=*at])).map_or(0, |at| at + 1)
}

/// Whether what lies in a field, whatever it is, could give power.
pub(crate) fn may_hold_power(path: &[Segment]) -> bool {
    !is_metadata(path)
}

/// Whether its last step gives power.
fn gives_power(steps: &[Segment]) -> bool {
    match steps {
        [first, _] if is_key(first, &CONTENTS) => false,
        [.., parent, _] if is_key(parent, &FREE_MAPS) => false,
        [.., Segment::Key(parent), Segment::Key(name)] if IN_PARENTS.contains(&(parent, name)) => true,
        [.., step] => is_key(step, &NAMES),
        [] => false,
    }
}

/// Whether it lies in the part of an object that is the same for all kinds, and holds texts.
fn is_metadata(path: &[Segment]) -> bool {
    path.first().is_some_and(|first| is_key(first, &["metadata"]))
}

fn is_key(step: &Segment, names: &[&str]) -> bool {
    matches!(step, Segment::Key(key) if names.contains(&key.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::FieldPath;

    fn path(text: &str) -> Vec<Segment> {
        text.parse::<FieldPath>().unwrap().segments().to_vec()
    }

    #[track_caller]
    fn check(text: &str, expected: usize) {
        assert_eq!(steps_to_write_out(&path(text)), expected);
    }

    #[test]
    fn a_path_is_written_out_up_to_its_last_step_of_power() {
        check("spec", 0);
        check("spec.template.spec", 0);
        check("spec.containers[*].securityContext", 4);
        check("spec.containers[*].securityContext.runAsNonRoot", 4);
        check("spec.hostPID", 2);
        check("spec.containers[*].image", 4);
        check("spec.ephemeralContainers[*].securityContext.capabilities.add", 6);
        check("spec.ephemeralContainers[*].securityContext.capabilities.drop", 6);
        check("spec.jobTemplate.spec.template.spec.volumes[*].hostPath.path", 8);
        check("template.spec.serviceAccountName", 3);
        check("spec.image.privileged", 3);
        check("spec.image.tag", 2);
        check("spec.local.path", 3);
        check("spec.paths[*].path", 0);
        check("any.thing.at.all.hostNetwork", 5);
        check("image", 1);
    }

    #[test]
    fn names_that_people_choose_give_no_power() {
        check("metadata.labels.image", 0);
        check("metadata.annotations.privileged", 0);
        check("spec.template.metadata.labels.image", 0);
        check("spec.selector.matchLabels.serviceAccount", 0);
        check("spec.selector.image", 0);
        check("data.image", 0);
        check("data.pod.image", 3);
        check("spec.template.metadata.labels.x.image", 6);
    }

    #[test]
    fn the_reference_names_them() {
        let reference = include_str!("../../README.md");
        let in_parents = IN_PARENTS.map(|(parent, name)| format!("{parent}.{name}"));
        let names = NAMES.iter().chain(&FREE_MAPS).map(ToString::to_string).chain(in_parents);
        for name in names {
            assert!(reference.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn what_is_not_known_may_hold_power_but_in_metadata() {
        for (text, expected) in [
            ("spec", true),
            ("spec.replicas", true),
            ("spec.labels", true),
            ("spec.template.metadata.labels.a", true),
            ("metadata.labels", false),
            ("metadata.labels.a", false),
            ("data.a", true),
        ] {
            assert_eq!(may_hold_power(&path(text)), expected, "{text}");
        }
    }
}
