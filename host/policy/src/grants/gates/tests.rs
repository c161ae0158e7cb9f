//! Which grant opens which function.

use expect_test::expect;

use super::{FREE, FREE_FUNCTIONS, GATES, Import, Interface, MissingGrant, gate, is_free, least_privilege_entry};
use crate::grants::Proposal;
use crate::grants::tests::policy;

fn imports(functions: &[(&str, &str)]) -> Vec<Import> {
    let import = |(interface, function): &(&str, &str)| Import {
        interface: (*interface).to_owned(),
        function: (*function).to_owned(),
    };
    functions.iter().map(import).collect()
}

#[track_caller]
fn check_missing(grants: &str, function: (&str, &str), is_missing: bool) {
    let allowed = policy(&format!("actionners:\n  kubernetes:label: {{kubernetes: [{grants}]}}\n"));
    let missing = allowed.missing_grants("kubernetes:label", &imports(&[function]));
    assert_eq!(!missing.is_empty(), is_missing, "{missing:?}");
    if let Some(MissingGrant { addition: Some(Proposal { line, .. }), .. }) = missing.first() {
        let pasted = format!("actionners:\n  kubernetes:label: {{kubernetes: [{line}]}}\n");
        let allowed = policy(&pasted);
        assert_eq!(allowed.missing_grants("kubernetes:label", &imports(&[function])), []);
    }
}

#[test]
fn each_function_needs_a_grant_of_its_verbs() {
    let (read, write) = ("kubernetes-read", "kubernetes-write");
    let other = "{verbs: [get], resources: [secrets]}";
    let fields = "resources: [secrets], fields: [data]}";
    for (grant, function) in [
        ("{verbs: [list], resources: [pods], scope: any}", (read, "list")),
        ("{verbs: [delete], resources: [pods]}", (write, "delete")),
        ("{verbs: [create], resources: [pods/eviction]}", (write, "evict")),
        (&format!("{{verbs: [patch], {fields}"), (write, "patch")),
        (&format!("{{verbs: [create], {fields}"), (write, "create")),
        (&format!("{{verbs: [create, patch], {fields}"), (write, "apply")),
        (&format!("{{verbs: [create], {fields}, {{verbs: [patch], {fields}"), (write, "apply")),
    ] {
        check_missing(other, function, true);
        check_missing(grant, function, false);
    }
    check_missing(other, (read, "get"), false);
    check_missing("{verbs: [delete], resources: [pods]}", (read, "get"), true);
    check_missing(&format!("{{verbs: [patch], {fields}"), (write, "apply"), true);
    check_missing("{verbs: [create], resources: [pods/eviction]}", (write, "create"), true);
    check_missing(&format!("{{verbs: [create], {fields}"), (write, "evict"), true);
}

#[test]
fn an_unknown_function_is_missing_and_a_free_one_never() {
    let policy = policy("");
    let missing =
        |interface, function| !policy.missing_grants("acme:none", &imports(&[(interface, function)])).is_empty();
    assert!(!missing("falco-talon:actionner/log@0.1.0", "write"));
    assert!(!missing("types", ""));
    assert!(missing("falco-talon:actionner/kubernetes-read@0.1.0", "get"));
    assert!(missing("kubernetes-read", "watch"));
    assert!(missing("kubernetes-exec", "exec"));
    assert!(!missing("wasi:cli/environment@0.2.0", "get-environment"));
    assert!(missing("wasi:http/outgoing-handler@0.2.0", "handle"));
    assert!(missing("functions", "invoke-lambda"));
    assert!(missing("functions", "invoke-azure"));
    assert!(missing("http", "send"));
    assert!(missing("http", "listen"));
    assert!(missing("objects", "get"));
    assert!(missing("objects", "delete"));
    assert!(missing("wasi:logging/log@0.1.0", "write"));
}

#[track_caller]
fn check_capability(grants: &str, function: (&str, &str), is_missing: bool) {
    let missing = |entry: &str| {
        policy(&format!("actionners:\n  kubernetes:label: {{{entry}}}\n"))
            .missing_grants("kubernetes:label", &imports(&[function]))
    };
    let found = missing(grants);
    assert_eq!(!found.is_empty(), is_missing, "{grants}: {found:?}");
    for MissingGrant { addition, .. } in found {
        let Proposal { key, line, .. } = addition.unwrap();
        assert_eq!(missing(&format!("{key}: [{line}]")), []);
    }
}

#[test]
fn what_lies_outside_of_the_cluster_has_gates_of_its_own() {
    let (lambda, google) = (("functions", "invoke-lambda"), ("functions", "invoke-google"));
    let bucket = |verb| format!("objects: [{{label: a, target: aws:s3, bucket: acme, verbs: [{verb}]}}]");
    for function in [lambda, google, ("http", "send"), ("objects", "get"), ("objects", "put")] {
        check_capability("kubernetes: [{verbs: [get], resources: [pods], scope: any}]", function, true);
    }
    check_capability("functions: [{provider: aws}]", lambda, false);
    check_capability("functions: [{provider: aws}]", google, true);
    check_capability("functions: [{provider: gcp}]", google, false);
    check_capability("http: [{url: 'https://a.example/', methods: [GET]}]", ("http", "send"), false);
    check_capability(&bucket("get"), ("objects", "get"), false);
    check_capability(&bucket("get"), ("objects", "put"), true);
    check_capability(&bucket("put"), ("objects", "put"), false);
}

/// Every function that the contract lets an actionner import has its gate.
#[test]
fn the_table_of_functions_is_total() {
    let mut resolve = wit_parser::Resolve::default();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let (package, _) = resolve.push_path(path).unwrap();
    let world = resolve.select_world(&[package], Some("actionner")).unwrap();
    let mut functions = 0;
    for item in resolve.worlds[world].imports.values() {
        let wit_parser::WorldItem::Interface { id, .. } = item else {
            panic!("{item:?}");
        };
        let interface = &resolve.interfaces[*id];
        let name = interface.name.as_deref().unwrap();
        let known = Interface::find(name).unwrap_or_else(|| panic!("{name} is not in the table"));
        for function in interface.functions.keys() {
            assert!(is_free(known, function) || gate(known, function).is_some(), "{name}.{function} has no gate");
            functions += usize::from(!FREE.contains(&known));
        }
    }
    assert_eq!(functions, GATES.len() + FREE_FUNCTIONS.len(), "a gate without a function");
}

#[test]
fn a_missing_grant_names_the_import_and_the_line() {
    let imports = imports(&[("falco-talon:actionner/kubernetes-write@0.1.0", "delete"), ("a:b/c", "d")]);
    let missing = policy("").missing_grants("kubernetes:label", &imports);
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    expect![[r#"
        `kubernetes:label` imports `kubernetes-write.delete`, and nothing that it is granted could allow it; to allow it, add to its entry in the policy (with what it really needs):
          kubernetes: [{verbs: [delete], resources: [pods], scope: event-target}]
        `kubernetes:label` imports `a:b/c.d`, which this version does not know"#]].assert_eq(&missing.join("\n"));
}

#[test]
fn the_entry_for_a_component_can_be_pasted_and_lets_it_load() {
    let imports = imports(&[
        ("log", "write"),
        ("kubernetes-read", "get"),
        ("kubernetes-write", "apply"),
        ("kubernetes-write", "create"),
    ]);
    let entry = least_privilege_entry("acme:x", &format!("sha256:{}", "0".repeat(64)), &imports);
    assert_eq!(policy(&entry).missing_grants("acme:x", &imports), []);
    expect![[r#"
        actionners:
          acme:x:
            digest: sha256:0000000000000000000000000000000000000000000000000000000000000000
            kubernetes:   # put in what it really needs
              - {verbs: [create, patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}
              # it also allows the same for any event of the namespace, any value in `spec`
              - {verbs: [create], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}
              # it also allows the same for any event of the namespace, any value in `spec`
              - {verbs: [get], resources: [pods], scope: event-target}
              # it also allows any of [pods] that an event leads to
            limits: {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}
    "#]].assert_eq(&entry);
}
