//! What is shipped: the permission sheet of each component, its size, and whether its schema,
//! its example and its policy fit together.
//!
//! Does not run a component: the tests of the host do.

use expect_test::expect;
use serde_json::{Value, json};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldItem};

use crate::{BUNDLE, Bundled};

const COMPONENT_BYTES_MAX: usize = 165_000;

/// A file of the actionner's own folder.
fn file(name: &str, file: &str) -> String {
    let folder = name.replace(':', "-");
    let path = format!("{}/{folder}/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn items<'a>(resolve: &Resolve, items: impl Iterator<Item = &'a WorldItem>) -> Vec<String> {
    let mut lines = Vec::new();
    for item in items {
        let WorldItem::Interface { id, .. } = item else { panic!("{item:?} is no interface") };
        let functions: Vec<_> = resolve.interfaces[*id].functions.keys().map(String::as_str).collect();
        let line = format!("{} {}", resolve.id_of(*id).unwrap(), functions.join(" "));
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[test]
fn the_import_list_is_the_permission_sheet() {
    let mut sheets = Vec::new();
    for Bundled { name, component, .. } in BUNDLE {
        let DecodedWasm::Component(resolve, world) = wit_component::decode(component).unwrap() else {
            panic!("{name} is no component")
        };
        let world = &resolve.worlds[world];
        let exports = items(&resolve, world.exports.values());
        assert_eq!(exports, ["falco-talon:actionner/action@1.0.0 describe run"]);
        let imports = items(&resolve, world.imports.values()).join(", ");
        sheets.push(format!("{name}: {}\n", imports.replace("falco-talon:actionner/", "").replace("@1.0.0", "")));
    }
    expect![[r#"
        kubernetes:terminate: log write, types, kubernetes-read get, kubernetes-write delete
        kubernetes:label: log write, types, kubernetes-read get, kubernetes-write patch
        kubernetes:annotation: log write, types, kubernetes-read get, kubernetes-write patch
        kubernetes:networkpolicy: log write, types, kubernetes-read get, kubernetes-write patch apply
        kubernetes:exec: log write, types, kubernetes-read get, kubernetes-exec exec
        kubernetes:script: log write, types, kubernetes-read get, kubernetes-exec exec
        kubernetes:log: log write, types, artifacts [static]artifact.create [method]artifact.write, kubernetes-read get logs logs-into
        kubernetes:delete: log write, types, kubernetes-read discover, kubernetes-write delete
        kubernetes:cordon: log write, types, kubernetes-read get, kubernetes-write patch
        kubernetes:drain: log write, types, kubernetes-read get list wait-deleted, kubernetes-write patch evict
        kubernetes:download: log write, types, artifacts [static]artifact.create, kubernetes-read get, kubernetes-exec exec-into
        kubernetes:tcpdump: log write, types, artifacts [static]artifact.create, kubernetes-read get wait, kubernetes-write patch, kubernetes-exec exec-into
        kubernetes:sysdig: log write, types, artifacts [static]artifact.create, kubernetes-read get list wait, kubernetes-write create delete, kubernetes-exec exec-into
        aws:lambda: log write, types, functions invoke-lambda
        gcp:function: log write, types, functions invoke-google
        calico:networkpolicy: log write, types, kubernetes-read get, kubernetes-write patch apply
        cilium:networkpolicy: log write, types, kubernetes-read get, kubernetes-write patch apply
    "#]].assert_eq(&sheets.concat());
}

#[test]
fn components_are_small() {
    for Bundled { name, component, .. } in BUNDLE {
        let size = component.len();
        assert!(size <= COMPONENT_BYTES_MAX, "{name} has {size} bytes");
    }
}

#[test]
fn schemas_are_valid_and_accept_their_own_examples() {
    for Bundled { name, .. } in BUNDLE {
        let schema: Value = serde_json::from_str(&file(name, "parameters.json")).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        jsonschema::meta::validate(&schema).unwrap();
        for (property, subschema) in schema["properties"].as_object().unwrap() {
            let samples = subschema["examples"].as_array().into_iter().flatten();
            for sample in samples.chain(subschema.get("default")) {
                let validator = jsonschema::validator_for(subschema).unwrap();
                assert!(validator.is_valid(sample), "{name}: {property} = {sample}");
            }
        }
    }
}

#[test]
fn examples_work_as_they_stand() {
    for Bundled { name, .. } in BUNDLE {
        let actions: Value = serde_saphyr::from_str(&file(name, "example.yaml")).unwrap();
        let schema: Value = serde_json::from_str(&file(name, "parameters.json")).unwrap();
        let actions = actions.as_array().unwrap();
        assert_eq!(actions.len(), 1, "{name}");
        // That the component calls itself so is what `export!` tests in each of them.
        assert_eq!(actions[0]["actionner"], *name);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let parameters = actions[0].get("parameters").cloned().unwrap_or_else(|| json!({}));
        validator.validate(&parameters).unwrap();
    }
}

#[test]
fn schemas_refuse_mistakes() {
    fn check(name: &str, parameters: &Value, valid: bool) {
        let schema: Value = serde_json::from_str(&file(name, "parameters.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert_eq!(validator.is_valid(parameters), valid, "{name}: {parameters}");
    }
    let label = |labels: Value| json!({ "labels": labels });
    let check_label = |parameters: Value, valid| check("kubernetes:label", &parameters, valid);
    check_label(label(json!({"a": true, "b.example/c": "", "d": null, "e": 1})), true);
    check_label(label(json!({})), false);
    check_label(label(json!({"a b": "c"})), false);
    check_label(label(json!({"B.example/a": "c"})), false);
    check_label(label(json!({"a": "b c"})), false);
    check_label(label(json!({"a": ["b"]})), false);
    check_label(json!({}), false);
    check_label(json!({"labels": {"a": "b"}, "level": "Node"}), false);
    check_label(json!({"labels": {"a": "b"}, "levels": "node"}), false);

    let healthy = |value: Value| json!({ "min_healthy_replicas": value });
    let check_terminate = |parameters: Value, valid| check("kubernetes:terminate", &parameters, valid);
    check_terminate(json!({}), true);
    check_terminate(healthy(json!("+2")), true);
    check_terminate(healthy(json!("101%")), false);
    check_terminate(healthy(json!("33.3%")), false);
    check_terminate(healthy(json!(-1)), false);
    check_terminate(json!({"grace_period_seconds": -1}), false);
    check_terminate(json!({"grace_period_seconds": "5"}), false);
    check_terminate(json!({"ignore_daemonsets": "yes"}), false);

    let cidr = |value: &str| json!({ "allow_cidr": [value] });
    let check_policy = |parameters: Value, valid| check("kubernetes:networkpolicy", &parameters, valid);
    check_policy(json!({}), true);
    for valid in ["0.0.0.0/0", "192.168.1.0/24", "255.255.255.255/32", "::/0", "2001:db8::/32"] {
        check_policy(cidr(valid), true);
    }
    for wrong in ["", "10.0.0.0", "10.0.0.0/33", "256.0.0.0/8", "10.0.0/8", "::/129", "a/8"] {
        check_policy(cidr(wrong), false);
    }
    check_policy(json!({"allow_namespaces": ["Green"]}), false);
    check_policy(json!({"allow_namespaces": "green"}), false);
    check_policy(json!({"level": "workload", "allow_dns": true}), true);
}

/// That they grant what is imported, the host says when it loads them.
#[test]
fn policies_stay_near_the_event() {
    for Bundled { name, policy, .. } in BUNDLE {
        let policy: Value = serde_saphyr::from_str(policy).unwrap();
        for grant in policy["kubernetes"].as_array().into_iter().flatten() {
            let writes = grant["verbs"].as_array().unwrap().iter().any(|it| it == "patch");
            assert!(!writes || grant["fields"].is_array(), "{name} may patch every field");
            assert!(grant["scope"] != "any", "{name} reaches beyond the event");
        }
    }
}
