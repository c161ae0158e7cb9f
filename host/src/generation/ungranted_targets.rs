//! Rules whose events could be about objects that the policy does not let their action delete.
//!
//! What gives power over the cluster, or holds more than itself, is granted to no bundled actionner. Whoever wrote the
//! rule should learn of it before the first event. Does not know what the policy proposes, nor why.

use policy::{Entry, Grants, Policy, Proposal, ResourceName, to_delete_targets};
use rules::{Action, Diagnostic, Rule, Severity};

use crate::actionner::Inspection;

const SOURCE: &str = "k8s_audit";
const RESOURCE: &str = "ka.target.resource";

/// What the original deletes, and the bundled policy does not grant.
const WITHHELD: [(&str, &str); 2] = [("", "namespaces"), ("rbac.authorization.k8s.io", "clusterroles")];

/// No resource has this name.
const ANOTHER: &str = "-";

/// One warning an action that deletes whatever its event names, with the lines to add.
pub(super) fn ungranted_targets(rules: &[Rule], inspections: &[Inspection], policy: &Policy) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for rule in rules {
        for action in &rule.actions {
            let named = inspections.iter().find(|inspection| inspection.description.name == action.actionner);
            let Entry::Granted(grants) = policy.entry(&action.actionner) else { continue };
            if named.is_some_and(acts_upon_any_target) {
                warnings.extend(warning(rule, action, &grants));
            }
        }
    }
    warnings
}

/// Whether an actionner takes whatever object an audit event names, of any kind.
fn acts_upon_any_target(inspection: &Inspection) -> bool {
    let sets = &inspection.description.required_fields;
    !sets.is_empty() && sets.iter().all(|set| set.iter().any(|field| field == RESOURCE))
}

fn warning(rule: &Rule, action: &Action, grants: &Grants) -> Option<Diagnostic> {
    let may_answer = |resource: &str| rule.may_answer(SOURCE, RESOURCE, resource);
    let is_open = may_answer(ANOTHER);
    let is_withheld = |it: &ResourceName| WITHHELD.iter().any(|(group, resource)| it.is(group, resource, None));
    // A rule that names what it answers is taken at its word; one that does not could mean anything.
    let meant = ResourceName::known().filter(|it| may_answer(&it.resource) && (!is_open || is_withheld(it)));
    let lacking: Vec<(ResourceName, Proposal)> =
        meant.filter_map(|it| to_delete_targets(grants, &it).map(|proposal| (it, proposal))).collect();
    if lacking.is_empty() {
        return None;
    }
    let resources: Vec<String> = lacking.iter().map(|(resource, _)| format!("`{}`", resource.resource)).collect();
    let lines: Vec<String> = lacking.iter().map(|(_, proposal)| proposal.to_string()).collect();
    let narrow =
        if is_open { format!("say by '{RESOURCE}' which events the rule answers, or ") } else { String::new() };
    Some(Diagnostic {
        severity: Severity::Warning,
        message: format!(
            "events about {} would be denied, since the policy does not let '{}' delete them; {narrow}add under \
             `kubernetes:` of `{}` in the policy:\n{}",
            resources.join(" or "),
            action.actionner,
            action.actionner,
            lines.join("\n"),
        ),
        position: Some(action.position.clone()),
        rule: Some(rule.name.clone()),
        action: Some(action.name.clone()),
        actionner: Some(action.actionner.to_string()),
        output_target: None,
    })
}
