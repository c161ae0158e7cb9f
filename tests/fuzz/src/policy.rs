//! A policy file: a policy that stays the same when it is printed, or errors that say why it is none.

use std::sync::LazyLock;

use policy::{
    Address, Decision, Entry, Facts, Grants, HeaderSource, KubernetesRequest, Policy, PolicyError, Request,
    TouchedField, Verb, decide, touched_fields,
};
use rules::Event;
use serde_json::json;

/// What the operator's entries may extend.
const BUNDLED: [(&str, &str); 2] = [
    ("aws:lambda", include_str!("../../../actionners/aws-lambda/policy.yaml")),
    ("kubernetes:label", include_str!("../../../actionners/kubernetes-label/policy.yaml")),
];

/// The event names the pod that a request is about, so that only the grants are between them.
const EVENT: &str = r#"{"rule": "a", "priority": "Notice", "time": "2025-11-22T13:24:41Z",
    "output_fields": {"k8s.ns.name": "host", "k8s.pod.name": "web-0"}}"#;

/// A policy that is printed is the same, and none allows writes in the namespace of the host.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let policy = match parse(text) {
        Ok(policy) => policy,
        Err(errors) => {
            let has_words = |error: &PolicyError| !error.message.is_empty() && error.position.line >= 1;
            assert!(!errors.is_empty() && errors.iter().all(has_words), "{errors:?}");
            return;
        }
    };
    if has_texts(&policy) {
        return;
    }
    let printed = policy.to_yaml();
    let again = parse(&printed).unwrap_or_else(|errors| panic!("{printed}\n{errors:#?}"));
    assert_eq!(again.to_yaml(), printed);
    assert!(policy.actionners().eq(again.actionners()), "{printed}");
    let touched = touched_fields(policy::PatchKind::Merge, &json!({"metadata": {"labels": {"a": "b"}}}));
    let touched = touched.expect("a merge patch");
    for name in policy.actionners() {
        let entry = policy.entry(name);
        assert_eq!(entry, again.entry(name), "{printed}");
        if let Entry::Granted(grants) = entry {
            assert_eq!(grants.actionner, name);
            check_own_namespace(&grants, &touched);
        }
    }
}

fn parse(text: &str) -> Result<Policy, Vec<PolicyError>> {
    static BEFORE: LazyLock<Policy> =
        LazyLock::new(|| Policy::bundled(BUNDLED).expect("what is bundled is right").protecting("host"));
    BEFORE.clone().with(Policy::parse("policy.yaml", text)?)
}

/// Whether the text of a header is in it, which may be a secret and need not be printed.
fn has_texts(policy: &Policy) -> bool {
    let is_text = |(_, source): &(String, HeaderSource)| matches!(source, HeaderSource::Text(_));
    let has_texts = |name| match policy.entry(name) {
        Entry::Granted(grants) => grants.granted.http.iter().flat_map(|grant| &grant.headers).any(is_text),
        Entry::Forbidden | Entry::Missing => false,
    };
    policy.actionners().any(has_texts)
}

/// Where the host runs, no label of a pod is changed, whoever is granted what.
fn check_own_namespace(grants: &Grants, touched: &[TouchedField]) {
    let event = Event::from_json(EVENT.as_bytes()).expect("an event");
    let pod = Address::new("", "v1", "pods", Some("host"), Some("web-0")).expect("an address");
    let request = Request::Kubernetes(KubernetesRequest::new(Verb::Patch, &pod, touched));
    if let Decision::Allowed { grant } = decide(&request, grants, &Facts::of(&event)) {
        let grant = &grants.granted.kubernetes[grant];
        assert_eq!(grant.scope, policy::Scope::HostNamespace, "{grant}");
    }
}
