//! The policy's `spec`: what stays allowed.
//!
//! Does not know how its pods were chosen, nor how the policy gets into the cluster.

use falco_talon_kit::isolation::{NAMESPACE_NAME, Selection, check_cidrs, check_namespaces};
use falco_talon_sdk::Failure;
use serde_json::{Value, json};

use crate::Parameters;

/// The rules of what stays allowed. None: all egress is denied.
pub(crate) fn egress(parameters: &Parameters) -> Result<Vec<Value>, Failure> {
    check_cidrs(&parameters.allow_cidr)?;
    check_namespaces(&parameters.allow_namespaces)?;
    let blocks = parameters.allow_cidr.iter().map(|cidr| json!({ "ipBlock": { "cidr": cidr } }));
    let namespaces = parameters.allow_namespaces.iter().map(|namespace| all_of(namespace));
    let peers: Vec<_> = blocks.chain(namespaces).collect();
    let mut rules = Vec::new();
    // A rule without peers would allow everything.
    if !peers.is_empty() {
        rules.push(json!({ "to": peers }));
    }
    if parameters.allow_dns {
        let ports = ["UDP", "TCP"].map(|protocol| json!({"protocol": protocol, "port": 53}));
        rules.push(json!({ "to": [all_of("kube-system")], "ports": ports }));
    }
    Ok(rules)
}

/// The same selection and rules give the same `spec`.
pub(crate) fn spec(selection: &Selection, egress: &[Value]) -> Value {
    json!({
        "podSelector": { "matchLabels": selection.labels },
        "policyTypes": ["Egress"],
        "egress": egress,
    })
}

fn all_of(namespace: &str) -> Value {
    json!({ "namespaceSelector": { "matchLabels": { NAMESPACE_NAME: namespace } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(parameters: Value) -> Result<Value, String> {
        let parameters = serde_json::from_value(parameters).unwrap();
        let rules = egress(&parameters).map_err(|failure| failure.message)?;
        Ok(Value::Array(rules))
    }

    #[test]
    fn what_is_allowed_is_listed() {
        fn check(parameters: Value, expected: Value) {
            assert_eq!(plan(parameters), Ok(expected));
        }
        let green = || json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "green"}}});
        check(json!({}), json!([]));
        check(json!({"allow_cidr": [], "allow_namespaces": []}), json!([]));
        check(
            json!({"allow_cidr": ["10.0.0.0/8", "2001:db8::/32"], "allow_namespaces": ["green"]}),
            json!([{"to": [
                {"ipBlock": {"cidr": "10.0.0.0/8"}},
                {"ipBlock": {"cidr": "2001:db8::/32"}},
                green(),
            ]}]),
        );
        let system = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}});
        let ports = json!([{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]);
        check(
            json!({"allow_namespaces": ["green"], "allow_dns": true}),
            json!([{"to": [green()]}, {"to": [system], "ports": ports}]),
        );
    }

    #[test]
    fn mistakes_are_named() {
        fn check(parameters: Value, expected: &str) {
            assert_eq!(plan(parameters), Err(expected.to_owned()));
        }
        check(json!({"allow_cidr": ["10.0.0.0"]}), "wrong CIDR '10.0.0.0'");
        check(json!({"allow_cidr": ["10.0.0.0/33"]}), "wrong CIDR '10.0.0.0/33'");
        check(json!({"allow_cidr": ["10.0.0.0/8", "::/129"]}), "wrong CIDR '::/129'");
        check(json!({"allow_cidr": ["300.0.0.0/8"]}), "wrong CIDR '300.0.0.0/8'");
        check(json!({"allow_cidr": [""]}), "wrong CIDR ''");
        check(json!({"allow_namespaces": ["Green"]}), "wrong namespace 'Green'");
        check(json!({"allow_namespaces": [""]}), "wrong namespace ''");
    }

    #[test]
    fn the_spec_is_complete() {
        let labels = json!({"falco-talon.org/isolated": "web-0"});
        let Value::Object(labels) = labels else { panic!("labels are an object") };
        let selection = Selection { policy: "falco-talon-web-0".to_owned(), labels, owner: None, mark: None };
        let expected = json!({
            "podSelector": {"matchLabels": {"falco-talon.org/isolated": "web-0"}},
            "policyTypes": ["Egress"],
            "egress": [],
        });
        assert_eq!(spec(&selection, &[]), expected);
    }
}
