//! What each part of a policy changes: every table has a row on either side of it.

use expect_test::Expect;
use serde_json::json;

use super::*;
use crate::address::Address;
use crate::grants::{Entry, Grants, Policy, Proposal, Verb};

/// The grants of an actionner whose entry has these lines.
pub(super) fn grants(lines: &[&str]) -> Grants {
    grants_in("", lines)
}

fn grants_in(head: &str, lines: &[&str]) -> Grants {
    let digest = format!("sha256:{}", "0".repeat(64));
    let mut text = format!("{head}\nactionners:\n  acme:test:\n    digest: {digest}\n");
    if !lines.is_empty() {
        text.push_str("    kubernetes:\n");
    }
    for line in lines {
        text.push_str(&format!("      - {line}\n"));
    }
    let operator = Policy::parse("policy.yaml", &text).unwrap();
    let policy = Policy::bundled([]).unwrap().with(operator).unwrap().protecting("falco");
    let Entry::Granted(grants) = policy.entry("acme:test") else {
        panic!("no entry");
    };
    (*grants).clone()
}

/// The targets of an event about the pod `shop/web-0`, which was read: it runs on `worker-1`.
pub(super) fn targets() -> Targets {
    let mut targets = targets_of(&json!({"k8s.pod.name": "web-0", "k8s.ns.name": "shop"}));
    let pod = Address::new("", "v1", "pods", Some("shop"), Some("web-0")).unwrap();
    targets.learn(&pod, &json!({"metadata": {"uid": "1"}, "spec": {"nodeName": "worker-1"}})).unwrap();
    targets
}

fn targets_of(fields: &serde_json::Value) -> Targets {
    let event = json!({"rule": "r", "priority": "Warning", "source": "syscall", "output": "o",
                       "hostname": "h", "time": "2026-07-22T14:24:41.123456789Z", "tags": [],
                       "output_fields": fields});
    Targets::of(&rules::Event::from_json(event.to_string().as_bytes()).unwrap())
}

/// `verb resource place field…`, where the place is `namespace/name`, `/name`, `namespace/` or `/`.
pub(super) fn outcome(grants: &Grants, targets: &Targets, request: &str) -> Decision {
    let words: Vec<&str> = request.split(' ').collect();
    let [verb, resource, place, fields @ ..] = words.as_slice() else {
        panic!("{request}");
    };
    let verb = Verb::ALL.into_iter().find(|known| known.name() == *verb).unwrap();
    let (group, resource) = resource.rsplit_once(':').unwrap_or(("", resource));
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (resource, None),
    };
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let (namespace, name) = place.split_once('/').unwrap();
    let fields: Vec<TouchedField> = fields.iter().map(|field| field.parse().unwrap()).collect();
    let request = KubernetesRequest {
        verb,
        group,
        resource,
        subresource,
        namespace: some(namespace),
        name: some(name),
        fields: &fields,
        node: None,
    };
    decide(&Request::Kubernetes(request), grants, &Facts { targets: targets.clone() })
}

#[track_caller]
fn entry_grants(entry: &str) -> Grants {
    let policy = Policy::bundled([("acme:test", entry)]).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let Entry::Granted(grants) = policy.entry("acme:test") else { panic!("not granted") };
    (*grants).clone()
}

/// Allowed by which grant, or why not; a denial's own line must allow it.
#[track_caller]
pub(super) fn check_entry(entry: &str, request: Request<'_>, expected: &Expect) {
    let asked = |grants: &Grants| decide(&request, grants, &Facts::default());
    let answer = match asked(&entry_grants(entry)) {
        Decision::Allowed { grant } => format!("allowed by {grant}"),
        Decision::Denied(denial) => {
            if let Some(Proposal { key, line, .. }) = &denial.proposal {
                let pasted = entry_grants(&format!("{key}: [{line}]"));
                assert_eq!(asked(&pasted), Decision::Allowed { grant: 0 }, "{line}");
            }
            denial.to_string()
        }
    };
    expected.assert_eq(&answer);
}

/// One word for each reason.
fn word(reason: &DenialReason) -> &'static str {
    match reason {
        DenialReason::Address(_) => "address",
        DenialReason::Protected(_) => "protected",
        DenialReason::Ungranted => "ungranted",
        DenialReason::Place(_) => "place",
        DenialReason::Resource => "resource",
        DenialReason::Verb(_) => "verb",
        DenialReason::Scope(_) => "scope",
        DenialReason::Namespace(_) => "namespace",
        DenialReason::Name(_) => "name",
        DenialReason::Fields { .. } => "fields",
    }
}

fn label(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allowed { .. } => "allowed",
        Decision::Denied(denial) => word(&denial.reason),
    }
}

#[track_caller]
fn check(line: &str, request: &str, expected: &str) {
    let decision = outcome(&grants(&[line]), &targets(), request);
    assert_eq!(label(&decision), expected, "{line}\n{request}\n{decision:?}");
}

#[test]
fn verbs() {
    check("{verbs: [get], resources: [pods]}", "get pods shop/web-0", "allowed");
    check("{verbs: [get], resources: [pods]}", "delete pods shop/web-0", "verb");
    check("{verbs: [delete], resources: [pods]}", "delete pods shop/web-0", "allowed");
    check("{verbs: [delete], resources: [pods]}", "get pods shop/web-0", "verb");
    check("{verbs: [get], resources: [pods], scope: any}", "list pods shop/", "verb");
    check("{verbs: [list], resources: [pods], scope: any}", "list pods shop/", "allowed");
    check("{verbs: [list], resources: [pods], scope: any}", "get pods shop/web-0", "verb");
    check("{verbs: [patch], resources: [pods], fields: [spec]}", "update pods shop/web-0 spec", "verb");
    check("{verbs: [update], resources: [pods], fields: [spec]}", "update pods shop/web-0 spec", "allowed");
    check("{verbs: [create], resources: [pods], fields: [spec]}", "create pods shop/web-0 spec", "allowed");
}

#[test]
fn resources() {
    check("{verbs: [get], resources: [pods]}", "get nodes /worker-1", "resource");
    check("{verbs: [get], resources: [nodes]}", "get nodes /worker-1", "allowed");
    check("{verbs: [get], resources: [apps/deployments], scope: any}", "get apps:deployments shop/a", "allowed");
    check(
        "{verbs: [get], resources: [acme.example/deployments], scope: any}",
        "get apps:deployments shop/a",
        "resource",
    );
}

#[test]
fn a_subresource_is_not_its_resource() {
    let eviction = "{verbs: [create], resources: [pods/eviction]}";
    check(eviction, "create pods/eviction shop/web-0", "allowed");
    check(eviction, "create pods shop/web-0", "resource");
    let pods = "{verbs: [get, delete], resources: [pods]}";
    check(pods, "get pods/status shop/web-0", "resource");
    check(pods, "get pods/exec shop/web-0", "resource");
    check("{verbs: [get], resources: [pods/status]}", "get pods/status shop/web-0", "allowed");
}

#[test]
fn scope_event_target() {
    let line = "{verbs: [get], resources: [pods, nodes]}";
    check(line, "get pods shop/web-0", "allowed");
    check(line, "get nodes /worker-1", "allowed");
    check(line, "get pods shop/web-1", "scope");
    check(line, "get pods other/web-0", "scope");
    check(line, "get pods /web-0", "address");
    check(line, "get nodes /worker-2", "scope");
    check(line, "get nodes shop/worker-1", "address");
    check(line, "list pods shop/web-0", "address");
}

#[test]
fn scope_event_namespace() {
    let line = "{verbs: [get, list], resources: [pods, nodes], scope: event-namespace}";
    check(line, "get pods shop/web-1", "allowed");
    check(line, "list pods shop/", "allowed");
    check(line, "get nodes /worker-1", "allowed");
    check(line, "get pods other/web-0", "scope");
    check(line, "list pods /", "scope");
    check(line, "get nodes /worker-2", "scope");
    check("{verbs: [get, list], resources: [pods], scope: any}", "list pods /", "allowed");
    check("{verbs: [get, list], resources: [pods], scope: any}", "get pods other/web-0", "allowed");
}

#[test]
fn namespaces() {
    let line = "{verbs: [get, list], resources: [pods, nodes], scope: any, namespaces: [shop, team-*]}";
    check(line, "get pods shop/a", "allowed");
    check(line, "get pods team-a/a", "allowed");
    check(line, "get pods shopping/a", "namespace");
    check(line, "get pods team/a", "namespace");
    check(line, "list pods /", "namespace");
    check(line, "get nodes /worker-1", "namespace");
}

#[test]
fn names() {
    let line = "{verbs: [delete], resources: [pods], scope: any, names: [web, falco-*]}";
    check(line, "delete pods shop/web", "allowed");
    check(line, "delete pods shop/falco-1", "allowed");
    check(line, "delete pods shop/web-0", "name");
    check(line, "delete pods shop/falco", "name");
}

#[test]
fn fields() {
    let line = "{verbs: [patch], resources: [pods], fields: [metadata.labels, spec.tolerations]}";
    check(line, "patch pods shop/web-0 metadata.labels.a", "allowed");
    check(line, "patch pods shop/web-0 metadata.labels spec.tolerations", "allowed");
    check(line, "patch pods shop/web-0", "allowed");
    check(line, "patch pods shop/web-0 metadata.annotations.a", "fields");
    check(line, "patch pods shop/web-0 metadata.labels.a spec.nodeName", "fields");
    check(line, "patch pods shop/web-0 metadata", "fields");
}

#[test]
fn values_of_fields() {
    let line = "{verbs: [patch], resources: [pods], fields: [{path: spec.x, values: [web, web-*, 1, true]}, spec.y]}";
    for allowed in ["web", "web-0", "1", "true", "[\"web\",1]", "[]", "null"] {
        check(line, &format!("patch pods shop/web-0 spec.x={allowed}"), "allowed");
        check(line, &format!("patch pods shop/web-0 spec.x.z={allowed}"), "allowed");
    }
    for denied in ["webs", "2", "false", "\"1\"", "\"true\"", "1.0", "{}", "[\"web\",2]", "[{}]", "[null]"] {
        check(line, &format!("patch pods shop/web-0 spec.x={denied}"), "fields");
        check(line, &format!("patch pods shop/web-0 spec.y={denied}"), "allowed");
    }
    check(line, "patch pods shop/web-0 spec.x", "allowed");
    check(line, "patch pods shop/web-0 spec.x=web spec.x=other", "fields");
}

#[test]
fn power_is_granted_only_where_it_is_written_out() {
    let line =
        "{verbs: [patch], resources: [pods], fields: [spec, spec.hostPID, {path: 'spec.a[*].image', values: [r/*]}]}";
    check(line, "patch pods shop/web-0 spec.replicas=1", "allowed");
    check(line, "patch pods shop/web-0 spec.hostPID=true", "allowed");
    check(line, "patch pods shop/web-0 spec.hostPID", "allowed");
    check(line, "patch pods shop/web-0 spec.hostIPC=true", "fields");
    check(line, "patch pods shop/web-0 spec.hostIPC", "fields");
    check(line, "patch pods shop/web-0 spec.a[*].image=r/web:1", "allowed");
    check(line, "patch pods shop/web-0 spec.a[*].image=q/web:1", "fields");
    check(line, "patch pods shop/web-0 spec.b[*].image=r/web:1", "fields");
}

#[test]
fn two_grants_do_not_add_up() {
    let grants = grants(&[
        "{verbs: [patch], resources: [pods], fields: [metadata.labels]}",
        "{verbs: [patch], resources: [pods], fields: [spec]}",
    ]);
    let ask = |request: &str| outcome(&grants, &targets(), request);
    assert_eq!(ask("patch pods shop/web-0 spec.x"), Decision::Allowed { grant: 1 });
    assert_eq!(label(&ask("patch pods shop/web-0 spec.x metadata.labels.a")), "fields");
}

#[test]
fn no_entry_in_the_policy_allows_nothing() {
    let none = grants(&[]);
    for request in ["get pods shop/web-0", "list pods /", "delete pods shop/web-0"] {
        assert_eq!(label(&outcome(&none, &targets(), request)), "resource");
    }
}

#[test]
fn protected_namespaces() {
    let all = [
        "{verbs: [get, delete], resources: [pods, namespaces, nodes], scope: any}",
        "{verbs: [create], resources: [pods/eviction], scope: any}",
        "{verbs: [patch], resources: [namespaces/status], scope: any, fields: [status]}",
    ];
    let ask = |head: &str, request: &str| label(&outcome(&grants_in(head, &all), &targets(), request));
    for namespace in ["kube-system", "falco"] {
        assert_eq!(ask("", &format!("get pods {namespace}/a")), "allowed");
        assert_eq!(ask("", &format!("delete pods {namespace}/a")), "protected");
        assert_eq!(ask("", &format!("create pods/eviction {namespace}/a")), "protected");
        assert_eq!(ask("", &format!("delete namespaces /{namespace}")), "protected");
        assert_eq!(ask("", &format!("delete namespaces {namespace}/{namespace}")), "address");
        assert_eq!(ask("", &format!("patch namespaces/status /{namespace} status")), "protected");
    }
    assert_eq!(ask("", "delete pods shop/a"), "allowed");
    assert_eq!(ask("", "delete namespaces /shop"), "allowed");
    assert_eq!(ask("", "delete nodes /kube-system"), "allowed");
    let other = "protected: {namespaces: [prod-*]}";
    assert_eq!(ask(other, "delete pods prod-a/a"), "protected");
    assert_eq!(ask(other, "delete pods kube-system/a"), "protected");
    assert_eq!(ask(other, "delete pods falco/a"), "protected");
    let unprotected = "unprotected: {namespaces: [kube-system]}";
    assert_eq!(ask(unprotected, "delete pods kube-system/a"), "allowed");
    assert_eq!(ask(unprotected, "delete pods falco/a"), "protected");
}

#[test]
fn an_event_about_a_protected_namespace_gets_no_write() {
    let targets = targets_of(&json!({"ka.target.resource": "namespaces",
        "ka.target.name": "kube-system", "ka.target.namespace": "kube-system"}));
    let grants = grants(&["{verbs: [get, delete], resources: [namespaces]}"]);
    assert_eq!(label(&outcome(&grants, &targets, "get namespaces /kube-system")), "allowed");
    assert_eq!(label(&outcome(&grants, &targets, "delete namespaces /kube-system")), "protected");
}

#[test]
fn a_malformed_address_is_refused_before_any_grant() {
    let all = "{verbs: [get, list], resources: [pods], scope: any}";
    for place in ["shop/web/exec", "shop/..", "shop/Web", "../web", "shop/a?b", "shop/a%2fb", "Shop/web", "shop/"] {
        check(all, &format!("get pods {place}"), "address");
    }
    check(all, "get pods# shop/web", "address");
    check(all, "get a_b:pods shop/web", "address");
    check(all, "list pods kube-system%20/", "address");
}
