//! What holds for every policy, request and body.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::targets;
use super::*;
use crate::address::{Address, ResourceName};
use crate::grants::{
    FieldGrant, FieldPath, Granted, Grants, KubernetesGrant, Pattern, Proposal, Scope, Segment, ValuePattern, Verb,
};

fn verb() -> impl Strategy<Value = Verb> {
    prop::sample::select(Verb::ALL.to_vec())
}

fn resource() -> impl Strategy<Value = ResourceName> {
    prop::sample::select(vec!["pods", "nodes", "pods/eviction", "apps/deployments", "namespaces"])
        .prop_map(|text| text.parse().unwrap())
}

fn pattern() -> impl Strategy<Value = Pattern> {
    prop::sample::select(vec!["shop", "web-0", "web-*", "worker-1", "kube-system", "a"])
        .prop_map(|text| text.parse().unwrap())
}

const PATHS: [&str; 8] = [
    "metadata.labels",
    "metadata.labels.a",
    "spec",
    "spec.a[*].b",
    "spec.hostPID",
    "spec.a[*].image",
    "spec.a[*].image.privileged",
    "status",
];

fn values() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(
        prop::sample::select(vec![json!("web-0"), json!("a"), json!(true), json!(1), json!("a*")]),
        0..=2,
    )
}

fn field() -> impl Strategy<Value = FieldGrant> {
    let pattern = prop_oneof![
        values().prop_map(|values| values.iter().filter_map(ValuePattern::exactly).collect()),
        Just(vec!["web-*".parse().unwrap()]),
        Just(Vec::new()),
    ];
    (prop::sample::select(PATHS.to_vec()), pattern)
        .prop_map(|(path, values)| FieldGrant { path: path.parse().unwrap(), values })
}

fn touched() -> impl Strategy<Value = TouchedField> {
    let written = prop_oneof![
        3 => values().prop_map(Written::Values),
        1 => Just(Written::Nothing),
        1 => Just(Written::Composite),
        1 => Just(Written::Unknown),
    ];
    (prop::sample::select(PATHS.to_vec()), written)
        .prop_map(|(path, written)| TouchedField { path: path.parse().unwrap(), written })
}

/// Any combination, also those that the parser refuses: `decide` relies on none of its checks.
fn grant() -> impl Strategy<Value = KubernetesGrant> {
    let few = |max| 0..=max;
    (
        prop::collection::vec(verb(), few(3)),
        prop::collection::vec(resource(), few(3)),
        prop::sample::select(Scope::ALL.to_vec()),
        prop::collection::vec(pattern(), few(2)),
        prop::collection::vec(pattern(), few(2)),
        prop::collection::vec(field(), few(3)),
    )
        .prop_map(|(verbs, resources, scope, namespaces, names, fields)| KubernetesGrant {
            verbs,
            resources,
            scope,
            namespaces,
            names,
            fields,
        })
}

fn grants(kubernetes: Vec<KubernetesGrant>) -> Grants {
    Grants {
        granted: Granted { kubernetes, ..Granted::default() },
        protected_namespaces: ["kube-system".parse().unwrap()].into(),
        ..Grants::none("acme:test".to_owned())
    }
}

#[derive(Debug, Clone)]
struct Asked {
    verb: Verb,
    resource: ResourceName,
    namespace: Option<String>,
    name: Option<String>,
    fields: Vec<TouchedField>,
}

impl Asked {
    fn decide(&self, grants: &Grants) -> Decision {
        let request = KubernetesRequest {
            verb: self.verb,
            group: &self.resource.group,
            resource: &self.resource.resource,
            subresource: self.resource.subresource.as_deref(),
            namespace: self.namespace.as_deref(),
            name: self.name.as_deref(),
            fields: &self.fields,
            node: None,
        };
        decide(&Request::Kubernetes(request), grants, &Facts { targets: targets() })
    }

    fn is_allowed(&self, grants: &Grants) -> bool {
        matches!(self.decide(grants), Decision::Allowed { .. })
    }
}

impl Asked {
    /// This, with one of its parts taken from another, wherever that changes it.
    fn neighbours(&self, other: &Asked) -> Vec<Asked> {
        let mut neighbours = vec![
            Asked { verb: other.verb, ..self.clone() },
            Asked { resource: other.resource.clone(), ..self.clone() },
            Asked { namespace: other.namespace.clone(), ..self.clone() },
            Asked { name: other.name.clone(), ..self.clone() },
        ];
        let changed = |it: &Asked| {
            (it.verb, &it.resource, &it.namespace, &it.name) != (self.verb, &self.resource, &self.namespace, &self.name)
        };
        // A list over all namespaces asks for each.
        let is_part = |it: &Asked| self.verb == Verb::List && self.namespace.is_none() && it.namespace.is_some();
        neighbours.retain(|it| changed(it) && !is_part(it));
        // No field is named like it, and none lies around it.
        let path = FieldPath::new(vec![Segment::Key("another".to_owned())]);
        if self.verb.has_fields() {
            let mut fields = self.fields.clone();
            fields.push(TouchedField { path, written: Written::Nothing });
            neighbours.push(Asked { fields, ..self.clone() });
        }
        neighbours
    }
}

/// Something that no request of [`asked`] is.
fn asked_otherwise() -> impl Strategy<Value = Asked> {
    (asked(), prop::sample::select(vec!["secrets", "pods/log", "apps/statefulsets"])).prop_map(|(asked, resource)| {
        Asked {
            resource: resource.parse().unwrap(),
            namespace: Some("elsewhere".to_owned()),
            name: Some("another".to_owned()),
            ..asked
        }
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    let name = |names: &[&'static str]| {
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        prop::option::weighted(0.8, prop::sample::select(names))
    };
    (
        verb(),
        resource(),
        name(&["shop", "kube-system", "other"]),
        name(&["web-0", "web-1", "worker-1", "a", "../x", "kube-system"]),
        prop::collection::vec(touched(), 0..=2),
    )
        .prop_map(|(verb, resource, namespace, name, fields)| Asked {
            verb,
            resource,
            namespace,
            name,
            fields: if verb.has_fields() { fields } else { Vec::new() },
        })
}

/// One way to make a grant wider.
fn widen(grant: &mut KubernetesGrant, how: u8, other: &KubernetesGrant) {
    match how % 6 {
        0 => grant.verbs.extend(other.verbs.iter().copied()),
        1 => grant.resources.extend(other.resources.iter().cloned()),
        2 => grant.scope = Scope::Any,
        3 if !grant.namespaces.is_empty() => {
            grant.namespaces.extend(other.namespaces.iter().cloned());
        }
        3 | 4 => grant.names.clear(),
        _ => grant.fields.extend(other.fields.iter().cloned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_a_grant_everything_is_denied(asked in asked()) {
        prop_assert!(!asked.is_allowed(&grants(Vec::new())));
    }

    #[test]
    fn a_wider_policy_denies_nothing_that_a_narrower_one_allows(
        asked in asked(), all in prop::collection::vec(grant(), 1..4), other in grant(), how: u8, which: prop::sample::Index,
    ) {
        let mut wider = all.clone();
        widen(which.get_mut(&mut wider), how, &other);
        let mut longer = all.clone();
        longer.insert(which.index(all.len()), other);
        if asked.is_allowed(&grants(all)) {
            prop_assert!(asked.is_allowed(&grants(wider)));
            prop_assert!(asked.is_allowed(&grants(longer)));
        }
    }

    #[test]
    fn what_is_allowed_is_allowed_by_the_grant_that_is_named(
        asked in asked(), all in prop::collection::vec(grant(), 0..4),
    ) {
        if let Decision::Allowed { grant } = asked.decide(&grants(all.clone())) {
            prop_assert!(asked.is_allowed(&grants(vec![all[grant].clone()])));
            prop_assert!(asked.name.is_some() || asked.verb == Verb::List);
            prop_assert!(!asked.verb.is_write() || asked.namespace.as_deref() != Some("kube-system"));
        }
    }

    #[test]
    fn what_is_narrowed_allows_nothing_that_was_not_granted(
        asked in asked(), all in prop::collection::vec(grant(), 1..4), needs in prop::collection::vec(grant(), 0..4),
    ) {
        let needs: Vec<Granted> =
            needs.into_iter().map(|needs| Granted { kubernetes: vec![needs], ..Granted::default() }).collect();
        let grants = Grants { own_namespace: Some("other".into()), ..grants(all) };
        let narrowed = grants.narrowed(&needs);
        if asked.is_allowed(&narrowed) {
            prop_assert!(asked.is_allowed(&grants), "{:#?}", narrowed.granted);
        }
    }

    #[test]
    fn the_line_of_a_denial_can_be_pasted_and_allows_the_request(
        asked in asked(), all in prop::collection::vec(grant(), 0..4),
    ) {
        if let Decision::Denied(Denial { proposal: Some(Proposal { line, .. }), .. }) = asked.decide(&grants(all)) {
            let pasted = super::tests::grants(&[&line]);
            prop_assert!(asked.is_allowed(&pasted), "{line}");
            prop_assert_eq!(pasted.granted.kubernetes[0].to_string(), line);
        }
    }

    #[test]
    fn the_line_of_a_denial_allows_none_of_its_neighbours(
        asked in asked(), all in prop::collection::vec(grant(), 0..4), other in asked_otherwise(),
    ) {
        if let Decision::Denied(Denial { proposal: Some(Proposal { line, .. }), .. }) = asked.decide(&grants(all)) {
            let pasted = super::tests::grants(&[&line]);
            for neighbour in asked.neighbours(&other) {
                prop_assert!(!neighbour.is_allowed(&pasted), "{line}\n{neighbour:?}");
            }
            // A value, where the line does not say that it allows any.
            let open: Vec<_> = pasted.granted.kubernetes[0].fields.iter().filter(|it| it.values.is_empty()).collect();
            for (at, field) in asked.fields.iter().enumerate() {
                let mut neighbour = asked.clone();
                neighbour.fields[at].written = Written::Values(vec![json!("another value")]);
                let is_open = open.iter().any(|it| it.reaches(&field.path));
                prop_assert!(is_open || !neighbour.is_allowed(&pasted), "{line}\n{neighbour:?}");
            }
        }
    }

    #[test]
    fn an_address_makes_a_path_of_exactly_its_parts(
        group in "[a-z.]{0,5}|.{0,4}", version in "v1|.{0,4}", resource in "pods(/status)?|.{0,4}",
        namespace in prop::option::of("[a-z-]{1,5}|.{0,4}"), name in prop::option::of("[a-z0-9.-]{1,5}|.{0,4}"),
    ) {
        if let Ok(address) = Address::new(&group, &version, &resource, namespace.as_deref(), name.as_deref()) {
            let path = address.path();
            prop_assert!(path.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/.-".contains(&b)), "{path}");
            prop_assert!(path.split('/').all(|step| step != "." && step != ".."));
            let steps = 4 + usize::from(!group.is_empty()) + 2 * usize::from(namespace.is_some())
                + usize::from(name.is_some()) + usize::from(address.subresource().is_some());
            prop_assert_eq!(path.split('/').count(), steps, "{}", path);
        }
    }
}
