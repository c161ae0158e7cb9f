//! The NetworkPolicy itself: what stays allowed, and the body that is applied.
//!
//! Does not know how its pods were chosen.

use falco_talon_sdk::{Failure, Pod, names};
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::Parameters;
use crate::selection::Selection;

/// The label that Kubernetes itself puts on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// The rules of what stays allowed. None: all egress is denied.
#[derive(Debug, PartialEq)]
pub(crate) struct Egress(Vec<Value>);

impl Egress {
    pub(crate) fn plan(parameters: &Parameters) -> Result<Self, Failure> {
        let mut peers = Vec::new();
        for cidr in &parameters.allow_cidr {
            if cidr.parse::<IpNet>().is_err() {
                return Err(Failure::rejected(format!("wrong CIDR '{cidr}'")));
            }
            peers.push(json!({ "ipBlock": { "cidr": cidr } }));
        }
        for namespace in &parameters.allow_namespaces {
            if !names::is_dns_label(namespace) {
                return Err(Failure::rejected(format!("wrong namespace '{namespace}'")));
            }
            peers.push(all_of(namespace));
        }
        let mut rules = Vec::new();
        // A rule without peers would allow everything.
        if !peers.is_empty() {
            rules.push(json!({ "to": peers }));
        }
        if parameters.allow_dns {
            let ports = ["UDP", "TCP"].map(|protocol| json!({"protocol": protocol, "port": 53}));
            rules.push(json!({ "to": [all_of("kube-system")], "ports": ports }));
        }
        Ok(Self(rules))
    }
}

/// The whole policy, for server-side apply: the same selection and rules give the same body.
pub(crate) fn body(pod: Pod<'_>, selection: &Selection, Egress(rules): &Egress) -> Value {
    let mut labels = selection.labels.clone();
    labels.insert("app.k8s.io/managed-by".to_owned(), "falco-talon".into());
    let owners: Vec<_> = selection.owner.iter().map(falco_talon_sdk::Owner::reference).collect();
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": selection.policy,
            "namespace": pod.namespace,
            "labels": labels,
            "ownerReferences": owners,
        },
        "spec": {
            "podSelector": { "matchLabels": selection.labels },
            "policyTypes": ["Egress"],
            "egress": rules,
        },
    })
}

fn all_of(namespace: &str) -> Value {
    json!({ "namespaceSelector": { "matchLabels": { NAMESPACE_NAME: namespace } } })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn plan(parameters: Value) -> Result<Value, String> {
        let parameters = serde_json::from_value(parameters).unwrap();
        let egress = Egress::plan(&parameters).map_err(|failure| failure.message)?;
        Ok(Value::Array(egress.0))
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
    fn the_body_is_complete() {
        let pod = Pod { namespace: "default", name: "web-0" };
        let object = json!({"metadata": {"name": "web-0", "uid": "7"}});
        let selection = Selection::of_pod(pod, &object).unwrap();
        let body = body(pod, &selection, &Egress(Vec::new()));
        expect![[r#"
            {
              "apiVersion": "networking.k8s.io/v1",
              "kind": "NetworkPolicy",
              "metadata": {
                "labels": {
                  "app.k8s.io/managed-by": "falco-talon",
                  "falco-talon.org/isolated": "web-0"
                },
                "name": "falco-talon-web-0",
                "namespace": "default",
                "ownerReferences": [
                  {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": "web-0",
                    "uid": "7"
                  }
                ]
              },
              "spec": {
                "egress": [],
                "podSelector": {
                  "matchLabels": {
                    "falco-talon.org/isolated": "web-0"
                  }
                },
                "policyTypes": [
                  "Egress"
                ]
              }
            }"#]]
        .assert_eq(&format!("{body:#}"));
    }
}
