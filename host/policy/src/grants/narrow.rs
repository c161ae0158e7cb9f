//! What is left of grants where it is known what is needed of them: never more than was granted.
//!
//! Parts that can't be compared stay as they were granted: two scopes of which none is the
//! narrower, addresses of the web, buckets, and functions of one provider.

use super::field::FieldPath;
use super::fields::{FieldGrant, ValuePattern};
use super::granted::{Granted, Grants};
use super::kubernetes::{KubernetesGrant, Scope};
use super::pattern::Pattern;
use super::power::steps_to_write_out;

impl Grants {
    /// These grants as far as they are needed: see [`Granted::narrowed`].
    #[must_use]
    pub fn narrowed(&self, needs: &[Granted]) -> Grants {
        Grants { granted: self.granted.narrowed(needs), ..self.clone() }
    }
}

impl Granted {
    /// What these grants and some of the needs both allow; nothing where nothing is needed.
    ///
    /// For telling what the cluster must allow, and never for deciding: a component may ask for
    /// more than it says that it needs. Whoever says nothing of its needs is not narrowed at all, so
    /// that this must not be asked then. `files` stay: the host itself reads those.
    #[must_use]
    pub fn narrowed(&self, needs: &[Granted]) -> Granted {
        let mut kubernetes = Vec::new();
        for granted in &self.kubernetes {
            for needed in needs.iter().flat_map(|needs| &needs.kubernetes) {
                kubernetes.extend(common(granted, needed).filter(|common| !kubernetes.contains(common)));
            }
        }
        let mut narrowed = Granted {
            kubernetes,
            artifacts: self.artifacts && needs.iter().any(|needs| needs.artifacts),
            ..self.clone()
        };
        narrowed.functions.retain(|granted| {
            needs.iter().flat_map(|needs| &needs.functions).any(|needed| needed.provider == granted.provider)
        });
        narrowed.http.retain(|_| needs.iter().any(|needs| !needs.http.is_empty()));
        narrowed.objects.retain(|granted| {
            needs.iter().flat_map(|needs| &needs.objects).any(|needed| needed.label == granted.label)
        });
        narrowed
    }
}

/// What both allow; none where that is nothing.
fn common(granted: &KubernetesGrant, needed: &KubernetesGrant) -> Option<KubernetesGrant> {
    let common = KubernetesGrant {
        verbs: in_both(&granted.verbs, &needed.verbs),
        resources: in_both(&granted.resources, &needed.resources),
        scope: if is_narrower(needed.scope, granted.scope) { needed.scope } else { granted.scope },
        namespaces: common_patterns(&granted.namespaces, &needed.namespaces)?,
        names: common_patterns(&granted.names, &needed.names)?,
        fields: common_fields(&granted.fields, &needed.fields)?,
    };
    (!common.verbs.is_empty() && !common.resources.is_empty()).then_some(common)
}

fn in_both<T: PartialEq + Clone>(granted: &[T], needed: &[T]) -> Vec<T> {
    granted.iter().filter(|it| needed.contains(it)).cloned().collect()
}

/// Whether all that a scope reaches, another reaches too. The host's own namespace is reached by
/// writes of its own scope alone, so that this lies in no other.
fn is_narrower(scope: Scope, than: Scope) -> bool {
    match scope {
        Scope::EventTarget => matches!(than, Scope::EventNamespace | Scope::EventNode | Scope::Any),
        Scope::EventNamespace | Scope::EventNode => than == Scope::Any,
        Scope::HostNamespace | Scope::Any => false,
    }
}

/// Where a list is empty, it means all.
fn common_patterns(granted: &[Pattern], needed: &[Pattern]) -> Option<Vec<Pattern>> {
    common_of(granted, needed, |granted, needed| match (granted, needed) {
        (Pattern::Prefix(_), Pattern::Exact(name)) => granted.matches(name).then(|| needed.clone()),
        (Pattern::Exact(name), _) => needed.matches(name).then(|| granted.clone()),
        (Pattern::Prefix(a), Pattern::Prefix(b)) if a.starts_with(b) => Some(granted.clone()),
        (Pattern::Prefix(a), Pattern::Prefix(b)) => b.starts_with(a).then(|| needed.clone()),
    })
}

fn common_values(granted: &[ValuePattern], needed: &[ValuePattern]) -> Option<Vec<ValuePattern>> {
    common_of(granted, needed, |granted, needed| match (granted, needed) {
        (ValuePattern::Prefix(a), ValuePattern::Prefix(b)) if a.starts_with(b) => Some(granted.clone()),
        (ValuePattern::Prefix(a), ValuePattern::Prefix(b)) => b.starts_with(a).then(|| needed.clone()),
        (ValuePattern::Prefix(_), ValuePattern::Text(text)) => {
            granted.matches(&text.as_str().into()).then(|| needed.clone())
        }
        (ValuePattern::Text(text), ValuePattern::Prefix(_)) => {
            needed.matches(&text.as_str().into()).then(|| granted.clone())
        }
        _ => (granted == needed).then(|| granted.clone()),
    })
}

/// What two lists have in common, of which an empty one means all; none where that is nothing.
fn common_of<T: PartialEq + Clone>(
    granted: &[T],
    needed: &[T],
    common: impl Fn(&T, &T) -> Option<T>,
) -> Option<Vec<T>> {
    if granted.is_empty() || needed.is_empty() {
        return Some(if granted.is_empty() { needed } else { granted }.to_vec());
    }
    let mut all = Vec::new();
    for granted in granted {
        for needed in needed {
            all.extend(common(granted, needed).filter(|it| !all.contains(it)));
        }
    }
    (!all.is_empty()).then_some(all)
}

/// Where a list is empty, nothing has a body, and no field matters.
fn common_fields(granted: &[FieldGrant], needed: &[FieldGrant]) -> Option<Vec<FieldGrant>> {
    if granted.is_empty() || needed.is_empty() {
        return Some(Vec::new());
    }
    common_of(granted, needed, |granted, needed| {
        let path = if reaches(&granted.path, &needed.path) {
            &needed.path
        } else if reaches(&needed.path, &granted.path) {
            &granted.path
        } else {
            return None;
        };
        let values = common_values(&granted.values, &needed.values)?;
        Some(FieldGrant { path: path.clone(), values })
    })
}

/// Whether a grant of one path is one of the other, what gives power included.
fn reaches(path: &FieldPath, other: &FieldPath) -> bool {
    path.covers(other) && path.segments().len() >= steps_to_write_out(other.segments())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::*;
    use crate::grants::{Entry, Policy};

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "the rows of a table read more easily without references")]
    fn check(granted: &str, needs: Value, expected: &Expect) {
        let policy = Policy::bundled([("acme:test", granted)]).unwrap_or_else(|errors| panic!("{errors:#?}"));
        let Entry::Granted(grants) = policy.entry("acme:test") else { panic!("not granted") };
        let needs: Vec<Granted> =
            needs.as_array().unwrap().iter().map(|needs| Granted::from_description(needs).unwrap()).collect();
        let narrowed = grants.narrowed(&needs).granted.to_yaml("");
        expected.assert_eq(&narrowed);
        // What is printed can be read.
        assert!(Policy::bundled([("acme:test", narrowed.as_str())]).is_ok() || narrowed.is_empty());
    }

    #[test]
    fn verbs_and_resources_that_some_need_names_are_kept() {
        let granted = "kubernetes:
  - {verbs: [get, list], resources: [pods, nodes, apps/deployments], scope: any}
  - {verbs: [delete], resources: [pods]}
";
        check(
            granted,
            json!([
                {"kubernetes": [{"verbs": ["get"], "resources": ["pods", "secrets"]}]},
                {"kubernetes": [{"verbs": ["list"], "resources": ["pods"], "scope": "event-node"}]},
            ]),
            &expect![[r#"
                kubernetes:
                  - {verbs: [get], resources: [pods], scope: event-target}
                  - {verbs: [list], resources: [pods], scope: event-node}
            "#]],
        );
        check(granted, json!([{"artifacts": true}]), &expect![[r#""#]]);
        check(granted, json!([]), &expect![[r#""#]]);
    }

    #[test]
    fn names_namespaces_and_scopes_are_those_of_both() {
        let granted = "kubernetes:
  - {verbs: [get], resources: [pods], scope: any, namespaces: [shop, team-*], names: [web-*]}
  - {verbs: [create], resources: [pods/exec], scope: host-namespace, names: [a-*]}
";
        check(
            granted,
            json!([{"kubernetes": [
                {"verbs": ["get"], "resources": ["pods"], "scope": "event-namespace", "names": ["web-0", "x"]},
                {"verbs": ["get"], "resources": ["pods"], "scope": "any", "namespaces": ["team-a-*", "other"]},
                {"verbs": ["create"], "resources": ["pods/exec"], "names": ["a-b-*"]},
                {"verbs": ["create"], "resources": ["pods/exec"], "names": ["b-*"]},
            ]}]),
            &expect![[r#"
                kubernetes:
                  - {verbs: [get], resources: [pods], scope: event-namespace, namespaces: [shop, team-*], names: [web-0]}
                  - {verbs: [get], resources: [pods], scope: any, namespaces: [team-a-*], names: [web-*]}
                  - {verbs: [create], resources: [pods/exec], scope: host-namespace, names: [a-b-*]}
            "#]],
        );
        let any = "kubernetes: [{verbs: [delete], resources: [pods], scope: any}]";
        let own = json!([{"kubernetes": [{"verbs": ["delete"], "resources": ["pods"], "scope": "host-namespace"}]}]);
        check(
            any,
            own,
            &expect![[r#"
            kubernetes:
              - {verbs: [delete], resources: [pods], scope: any}
        "#]],
        );
    }

    #[test]
    fn fields_are_the_narrower_of_both_and_power_stays_written_out() {
        let granted = "kubernetes:
  - {verbs: [patch], resources: [pods], fields: [metadata.labels, spec.template, spec.hostPID, {path: spec.replicas, values: [0, 1]}]}
";
        let patch =
            |fields: Value| json!([{"kubernetes": [{"verbs": ["patch"], "resources": ["pods"], "fields": fields}]}]);
        check(
            granted,
            patch(json!(["metadata.labels.a", {"path": "spec.replicas", "values": [0, 2]}])),
            &expect![[r#"
                kubernetes:
                  - {verbs: [patch], resources: [pods], scope: event-target, fields: [metadata.labels.a, {path: spec.replicas, values: [0]}]}
            "#]],
        );
        check(granted, patch(json!(["spec.hostIPC", "spec.containers[*].image"])), &expect![[r#""#]]);
        check(
            granted,
            patch(json!(["spec"])),
            &expect![[r#"
                kubernetes:
                  - {verbs: [patch], resources: [pods], scope: event-target, fields: [spec.template, {path: spec.replicas, values: [0, 1]}]}
            "#]],
        );
        check(
            granted,
            patch(json!(["spec.hostPID"])),
            &expect![[r#"
            kubernetes:
              - {verbs: [patch], resources: [pods], scope: event-target, fields: [spec.hostPID]}
        "#]],
        );
        check(granted, patch(json!(["status"])), &expect![[r#""#]]);
    }

    #[test]
    fn what_lies_outside_of_the_cluster_is_kept_where_it_is_named() {
        let granted = "functions: [{provider: aws}, {provider: gcp}]
http: [{url: 'https://a.example/', methods: [GET]}]
objects:
  - {label: a, target: aws:s3, bucket: acme, verbs: [get]}
  - {label: b, target: aws:s3, bucket: acme, verbs: [get]}
artifacts: true
files: [/etc/scripts]
";
        check(
            granted,
            json!([
                {"functions": [{"provider": "gcp", "names": ["x"]}], "artifacts": true},
                {"objects": [{"label": "b", "target": "aws:s3", "bucket": "any", "verbs": ["put"]}]},
            ]),
            &expect![[r#"
                artifacts: true
                functions:
                  - {provider: gcp}
                objects:
                  - {label: b, target: aws:s3, bucket: acme, verbs: [get]}
                files: ["/etc/scripts"]
            "#]],
        );
        check(
            granted,
            json!([{"http": [{"url": "https://b.example/", "methods": ["POST"]}]}]),
            &expect![[r#"
            http:
              - {url: https://a.example/, methods: [GET]}
            files: ["/etc/scripts"]
        "#]],
        );
    }

    #[test]
    fn a_policy_is_narrowed_where_needs_are_known() {
        let entry = "kubernetes: [{verbs: [get, delete], resources: [pods]}]";
        let policy = Policy::bundled([("acme:a", entry), ("acme:b", entry)]).unwrap();
        let needed = json!({"kubernetes": [{"verbs": ["get"], "resources": ["pods"]}]});
        let needs = [("acme:a".parse().unwrap(), vec![Granted::from_description(&needed).unwrap()])];
        let narrowed = policy.clone().narrowed(&needs.into());
        let Entry::Granted(grants) = narrowed.entry("acme:a") else { panic!("not granted") };
        assert_eq!(grants.granted.kubernetes[0].to_string(), "{verbs: [get], resources: [pods], scope: event-target}");
        assert_eq!(narrowed.entry("acme:b"), policy.entry("acme:b"));
    }

    #[test]
    fn needs_are_written_as_an_entry_is() {
        let wrong = |needs: Value| Granted::from_description(&needs).unwrap_err().join("\n");
        expect![[r#"
            `files` is not a key here; valid are `objects`, `artifacts`, `functions`, `kubernetes`, `http`
            `gett` is not a verb; valid are `get`, `create`, `delete`, `list`, `patch`, `update`
            `fields` is missing: `patch` may touch only the fields that a grant names, such as `fields: [metadata.labels]`
            `kubernets` is not a key here; valid are `kubernetes`, `objects`, `functions`, `artifacts`, `http`
            `limits` is not a key here; valid are `objects`, `kubernetes`, `artifacts`, `functions`, `http`"#]].assert_eq(&wrong(json!({
            "kubernets": [], "limits": {}, "files": ["/a"],
            "kubernetes": [{"verbs": ["gett"], "resources": ["pods"]}, {"verbs": ["patch"], "resources": ["pods"]}],
        })));
        expect!["a set of grants must be a mapping, not a list"].assert_eq(&wrong(json!(["kubernetes"])));
        expect!["`artifacts` can only be `true`: leave it out to forbid them"]
            .assert_eq(&wrong(json!({"artifacts": false})));
        assert_eq!(Granted::from_description(&json!({})), Ok(Granted::default()));
    }
}
