//! The policy's `spec`: Cilium's selectors and rules.
//!
//! Does not know how its pods were chosen, nor how the policy gets into the cluster.

use falco_talon_kit::isolation::{check_cidrs, check_namespaces};
use falco_talon_sdk::Failure;
use serde_json::{Map, Value, json};

use crate::Parameters;

/// The label by which Cilium knows the namespace of a pod.
const NAMESPACE: &str = "k8s:io.kubernetes.pod.namespace";

/// What stays allowed.
#[derive(Debug, PartialEq)]
pub(crate) enum Rules {
    /// Whatever other policies say.
    Others,
    /// These alone. None: all egress is denied.
    Only(Vec<Value>),
}

impl Rules {
    pub(crate) fn plan(parameters: &Parameters) -> Result<Self, Failure> {
        let Parameters { allow_cidr, allow_namespaces, .. } = parameters;
        if allow_cidr.is_none() && allow_namespaces.is_none() {
            return Ok(Self::Others);
        }
        let cidrs = allow_cidr.as_deref().unwrap_or_default();
        let namespaces = allow_namespaces.as_deref().unwrap_or_default();
        check_cidrs(cidrs)?;
        check_namespaces(namespaces)?;
        let mut allowed = Vec::new();
        if !cidrs.is_empty() {
            allowed.push(json!({ "toCIDR": cidrs }));
        }
        if !namespaces.is_empty() {
            let is_one_of = json!({ "key": NAMESPACE, "operator": "In", "values": namespaces });
            allowed.push(json!({ "toEndpoints": [{ "matchExpressions": [is_one_of] }] }));
        }
        Ok(Self::Only(allowed))
    }

    /// The `spec` that denies one address more than `existing`, the policy that is there.
    pub(crate) fn spec(&self, labels: &Map<String, Value>, existing: &Value, denied: &str) -> Value {
        let mut cidrs = denied_by(existing);
        if !cidrs.iter().any(|cidr| cidr == denied) {
            cidrs.push(denied.to_owned());
        }
        // Without a source, Cilium takes what is before the first dot of a key for one.
        let mut sourced = Map::new();
        for (key, value) in labels {
            sourced.insert(format!("k8s:{key}"), value.clone());
        }
        let mut spec = json!({
            "description": "Denies addresses that Falco has reported; made by Falco Talon",
            "endpointSelector": { "matchLabels": sourced },
            "egressDeny": [{ "toCIDR": cidrs }],
        });
        match self {
            Self::Others => spec["enableDefaultDeny"] = json!({ "egress": false }),
            Self::Only(allowed) if allowed.is_empty() => {}
            Self::Only(allowed) => spec["egress"] = allowed.as_slice().into(),
        }
        spec
    }
}

/// The addresses that a policy denies, in its order.
fn denied_by(policy: &Value) -> Vec<String> {
    let rules = policy["spec"]["egressDeny"].as_array().into_iter().flatten();
    let cidrs = rules.filter_map(|rule| rule["toCIDR"].as_array()).flatten();
    cidrs.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(parameters: Value) -> Result<Rules, String> {
        Rules::plan(&serde_json::from_value(parameters).unwrap()).map_err(|failure| failure.message)
    }

    fn spec(rules: &Rules, existing: &Value, denied: &str) -> Value {
        let labels = json!({"app": "web", "app.kubernetes.io/name": "web"});
        let Value::Object(labels) = labels else { panic!("labels are an object") };
        rules.spec(&labels, existing, denied)
    }

    #[test]
    fn what_is_allowed_stands_beside_the_denied() {
        fn check(parameters: Value, rest: Value) {
            let mut expected = json!({
                "description": "Denies addresses that Falco has reported; made by Falco Talon",
                "endpointSelector": {"matchLabels": {"k8s:app": "web", "k8s:app.kubernetes.io/name": "web"}},
                "egressDeny": [{"toCIDR": ["203.0.113.7/32"]}],
            });
            let Value::Object(rest) = rest else { panic!("the rest is an object") };
            expected.as_object_mut().unwrap().extend(rest);
            assert_eq!(spec(&plan(parameters).unwrap(), &Value::Null, "203.0.113.7/32"), expected);
        }
        let namespaces = || {
            let key = "k8s:io.kubernetes.pod.namespace";
            json!({"toEndpoints": [{"matchExpressions": [{"key": key, "operator": "In", "values": ["green", "blue"]}]}]})
        };
        check(json!({}), json!({"enableDefaultDeny": {"egress": false}}));
        check(json!({"allow_cidr": []}), json!({}));
        check(json!({"allow_namespaces": []}), json!({}));
        check(json!({"allow_cidr": ["10.0.0.0/8", "::/0"]}), json!({"egress": [{"toCIDR": ["10.0.0.0/8", "::/0"]}]}));
        check(json!({"allow_namespaces": ["green", "blue"]}), json!({"egress": [namespaces()]}));
        check(
            json!({"allow_cidr": ["10.0.0.0/8"], "allow_namespaces": ["green", "blue"]}),
            json!({"egress": [{"toCIDR": ["10.0.0.0/8"]}, namespaces()]}),
        );
    }

    #[test]
    fn denied_addresses_add_up() {
        fn check(existing: Value, expected: Value) {
            let found = spec(&Rules::Others, &json!({ "spec": existing }), "203.0.113.7/32");
            assert_eq!(found["egressDeny"], json!([{ "toCIDR": expected }]));
        }
        check(json!({}), json!(["203.0.113.7/32"]));
        check(json!({"egressDeny": []}), json!(["203.0.113.7/32"]));
        check(json!({"egressDeny": [{"toCIDR": ["203.0.113.7/32"]}]}), json!(["203.0.113.7/32"]));
        check(
            json!({"egressDeny": [{"toCIDR": ["2001:db8::7/128"]}, {"toEntities": ["world"]}, {"toCIDR": ["198.51.100.1/32"]}]}),
            json!(["2001:db8::7/128", "198.51.100.1/32", "203.0.113.7/32"]),
        );
    }

    #[test]
    fn mistakes_are_named() {
        fn check(parameters: Value, expected: &str) {
            assert_eq!(plan(parameters), Err(expected.to_owned()));
        }
        check(json!({"allow_cidr": ["10.0.0.0"]}), "wrong CIDR '10.0.0.0'");
        check(json!({"allow_namespaces": ["Green"]}), "wrong namespace 'Green'");
    }
}
