//! What holds for every text that is read as a policy, and for every policy that is printed.

use proptest::prelude::*;

use super::*;
use crate::address::ResourceName;

/// Texts that come near to a policy: its own words in any order.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "actionners:",
        "limits:",
        "version:",
        "protected:",
        "unprotected:",
        "extends: bundled",
        "ungranted: deny",
        "files:",
        "namespaces:",
        "kubernetes:",
        "acme:x:",
        "verbs:",
        "resources:",
        "fields:",
        "scope:",
        "names:",
        "digest:",
        "functions:",
        "provider: gcp",
        "http:",
        "url: http://a",
        "headers:",
        "objects:",
        "label: a",
        "memory:",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        "\n  ",
        "\n    ",
        "\n      - ",
        " ",
        "get",
        "pods",
        "a.b/c",
        "*",
        "&a",
        "*a",
        "<<: *a",
        "!!str",
        "64Mi",
        "true",
        "null",
        "'",
        "\"",
        "~",
        "|",
        "\t",
        "---",
        "1e999",
        "0x1F",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

fn grant() -> impl Strategy<Value = String> {
    let some = |items: &'static [&'static str]| {
        prop::collection::vec(prop::sample::select(items), 1..3).prop_map(|items| flow_list(&items))
    };
    let narrow = prop_oneof![
        Just(String::new()),
        some(&["shop", "team-*", "123", "true"]).prop_map(|list| format!(", namespaces: {list}")),
        some(&["web", "a.b", "falco-*", "null", "1e3"]).prop_map(|list| format!(", names: {list}")),
    ];
    let resources = some(&["pods", "nodes", "apps/deployments/scale", "pods/eviction", "a.b/c"]);
    let paths = some(&["metadata.labels[a.b/c]", "spec", "spec.a[*].b", "a[b: \"c\"]", "a[#]", "a[ключ]"]);
    let values = some(&["", "true", "1", "ключ: #", "null", "web-*", "a b", "#*"]);
    let scalars = prop::sample::select(vec!["1", "-2", "true", "0x10", "0.5", "18446744073709551615"]);
    let fields = (paths, values, scalars).prop_map(|(paths, values, scalar)| {
        format!("[{{path: a.b, values: {values}}}, {{values: [{scalar}], path: 'c[*].image'}}, {}", &paths[1..])
    });
    (resources, narrow, fields, any::<bool>()).prop_map(move |(resources, narrow, fields, writes)| {
        if writes {
            format!("{{verbs: [create, patch], resources: {resources}, scope: any{narrow}, fields: {fields}}}")
        } else {
            format!("{{verbs: [get, delete], resources: {resources}, scope: any{narrow}}}")
        }
    })
}

/// Grants of what lies outside of the cluster, as the body of an entry.
fn outside() -> impl Strategy<Value = String> {
    let pick = |items: &'static [&'static str]| prop::sample::select(items);
    let functions =
        pick(&["{provider: aws}", "{provider: aws, names: [a, 'b:*', '1']}", "{provider: gcp, locations: [a-*]}"]);
    let url = pick(&["http://a", "https://A.example:8443/b,c/", "http://[::1]:1/a;b=c", "http://127.0.0.1/%20"]);
    let header = pick(&["", ", headers: {'1': {env: B}}", ", headers: {A: {env: B}, C: {file: '/d e'}}"]);
    let prefix = pick(&["", ", prefix: 'a b/'", ", prefix: 'null/'", ", prefix: 'ключ/#/'"]);
    (functions, url, header, prefix).prop_map(|(functions, url, header, prefix)| {
        format!(
            "    functions: [{functions}]\n    http: [{{url: '{url}', methods: [GET, DELETE]{header}}}]\n    \
             objects: [{{label: a, target: minio:s3, bucket: '123'{prefix}, verbs: [put]}}]\n    \
             files: [/etc/scripts/, '/a b/ключ']\n    ungranted: deny\n"
        )
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    let limits = (1_u64..5_000, 10_u32..50_000, 1_u32..999).prop_map(|(memory, ms, calls)| {
        format!("{{memory: {}, deadline: {ms}ms, host_calls: {calls}}}", memory * 64 * 1_024)
    });
    let protected = prop::sample::select(vec![
        "",
        "version: 1\nunprotected: {namespaces: [kube-system]}\n",
        "protected: {namespaces: [a-*, '1', kube-system]}\n",
        "unprotected: {namespaces: [kube-system]}\nprotected: {namespaces: [a-*]}\n",
    ]);
    let grants = (prop::collection::vec(grant(), 1..4), outside());
    (protected, limits.clone(), limits, grants, any::<bool>()).prop_map(|(protected, limits, own, grants, forbidden)| {
        let (grants, outside) = grants;
        let digest = format!("sha256:{}", "0".repeat(64));
        let forbidden = if forbidden { "  kubernetes:label: {forbidden: true}\n" } else { "" };
        let text = format!(
            "{protected}limits: {limits}\nactionners:\n{forbidden}  acme:x:\n    digest: {digest}\n    limits: {own}\n{outside}    kubernetes: [{}]\n",
            grants.join(", ")
        );
        read(&text)
    })
}

fn read(text: &str) -> Policy {
    let bundled = Policy::bundled([("kubernetes:label", "kubernetes: [{verbs: [get], resources: [pods]}]")]).unwrap();
    let operator = Policy::parse("policy.yaml", text);
    let operator = operator.unwrap_or_else(|errors| panic!("{text}\n{errors:#?}"));
    bundled.with(operator).unwrap().protecting("falco")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_too_odd(text in prop_oneof![words(), "\\PC*", ".*"]) {
        if let Err(errors) = Policy::parse("policy.yaml", &text) {
            prop_assert!(!errors.is_empty());
            prop_assert!(errors.iter().all(|error| error.position.line > 0 && error.position.column > 0));
        }
        let _ = Policy::bundled([("kubernetes:label", text.as_str())]);
    }

    #[test]
    fn no_name_is_too_odd(text in prop_oneof!["[a-z*./\\[\\]-]{0,12}", ".*"]) {
        let _ = text.parse::<Pattern>();
        if let Ok(path) = text.parse::<FieldPath>() {
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }
        if let Ok(resource) = text.parse::<ResourceName>() {
            prop_assert_eq!(resource.to_string(), text);
        }
    }

    #[test]
    fn a_printed_policy_reads_back_as_the_same(policy in policy()) {
        let printed = policy.to_yaml();
        let again = read(&printed);
        for actionner in policy.actionners() {
            prop_assert_eq!(policy.entry(actionner), again.entry(actionner), "{}", printed);
        }
        prop_assert_eq!(again.to_yaml(), printed);
    }
}
