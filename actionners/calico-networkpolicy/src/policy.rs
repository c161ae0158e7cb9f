//! The policy's `spec`: Calico's selectors and rules.
//!
//! Does not know how its pods were chosen, nor how the policy gets into the cluster.

use falco_talon_kit::isolation::{NAMESPACE_NAME, check_cidrs, check_namespaces};
use falco_talon_sdk::Failure;
use serde_json::{Map, Value, json};

use crate::Parameters;

/// What stays allowed, and where the policy stands among others.
#[derive(Debug, PartialEq)]
pub(crate) struct Rules {
    order: i32,
    allowed: Vec<Value>,
}

impl Rules {
    pub(crate) fn plan(parameters: &Parameters) -> Result<Self, Failure> {
        let everything = || vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()];
        let namespaces = parameters.allow_namespaces.as_deref();
        let cidrs = match (&parameters.allow_cidr, namespaces) {
            (Some(cidrs), _) => cidrs.clone(),
            (None, None) => everything(),
            (None, Some(_)) => Vec::new(),
        };
        let namespaces = namespaces.unwrap_or_default();
        check_cidrs(&cidrs)?;
        check_namespaces(namespaces)?;
        let mut allowed = of_nets("Allow", &cidrs);
        if !namespaces.is_empty() {
            let names: Vec<_> = namespaces.iter().map(|name| format!("'{name}'")).collect();
            let selector = format!("{NAMESPACE_NAME} in {{ {} }}", names.join(", "));
            allowed.push(json!({ "action": "Allow", "destination": { "namespaceSelector": selector } }));
        }
        Ok(Self { order: parameters.order, allowed })
    }

    /// The `spec` that denies one address more than `existing`, the policy that is there.
    pub(crate) fn spec(&self, selector: &str, existing: &Value, denied: &str) -> Value {
        let mut nets = denied_by(existing);
        if !nets.iter().any(|net| net == denied) {
            nets.push(denied.to_owned());
        }
        let mut egress = of_nets("Deny", &nets);
        egress.extend(self.allowed.iter().cloned());
        json!({ "types": ["Egress"], "order": self.order, "selector": selector, "egress": egress })
    }
}

/// The selector of all these labels.
///
/// Calico's quoted texts know no escape. Values of labels need none; what would is refused.
pub(crate) fn selector(labels: &Map<String, Value>) -> Result<String, Failure> {
    let mut terms = Vec::new();
    for (key, value) in labels {
        let value = value.as_str().filter(|value| !value.contains('"'));
        let value = value.ok_or_else(|| Failure::rejected(format!("the label '{key}' can't be selected by")))?;
        terms.push(format!("{key} == \"{value}\""));
    }
    // The empty selector would be that of all pods of the namespace.
    if terms.is_empty() {
        return Err(Failure::rejected("there are no labels to select by"));
    }
    Ok(terms.join(" && "))
}

/// The addresses that a policy denies, in its order.
fn denied_by(policy: &Value) -> Vec<String> {
    let rules = policy["spec"]["egress"].as_array().into_iter().flatten();
    let nets = rules.filter(|rule| rule["action"] == "Deny").filter_map(|rule| rule["destination"]["nets"].as_array());
    nets.flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Rules for these nets; Calico refuses those of both IP versions in one rule.
fn of_nets(action: &str, nets: &[String]) -> Vec<Value> {
    let (six, four): (Vec<_>, Vec<_>) = nets.iter().partition(|net| net.contains(':'));
    let groups = [four, six].into_iter().filter(|nets| !nets.is_empty());
    groups.map(|nets| json!({ "action": action, "destination": { "nets": nets } })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(parameters: Value) -> Result<Rules, String> {
        Rules::plan(&serde_json::from_value(parameters).unwrap()).map_err(|failure| failure.message)
    }

    fn nets(action: &str, nets: Value) -> Value {
        json!({"action": action, "destination": {"nets": nets}})
    }

    #[test]
    fn what_is_allowed_follows_the_denied() {
        fn check(parameters: Value, expected: &[Value]) {
            let spec = plan(parameters).unwrap().spec("app == \"web\"", &Value::Null, "203.0.113.7/32");
            let egress = spec["egress"].as_array().unwrap();
            assert_eq!(egress[0], nets("Deny", json!(["203.0.113.7/32"])));
            assert_eq!(egress[1..], *expected);
            assert_eq!(spec["types"], json!(["Egress"]));
        }
        let four = |nets_: Value| nets("Allow", nets_);
        let namespaces = |selector: &str| json!({"action": "Allow", "destination": {"namespaceSelector": selector}});
        check(json!({}), &[four(json!(["0.0.0.0/0"])), four(json!(["::/0"]))]);
        check(json!({"allow_cidr": []}), &[]);
        check(
            json!({"allow_cidr": ["10.0.0.0/8", "2001:db8::/32", "192.168.0.0/16"]}),
            &[four(json!(["10.0.0.0/8", "192.168.0.0/16"])), four(json!(["2001:db8::/32"]))],
        );
        check(
            json!({"allow_namespaces": ["green", "blue"]}),
            &[namespaces("kubernetes.io/metadata.name in { 'green', 'blue' }")],
        );
        check(json!({"allow_namespaces": []}), &[]);
        check(
            json!({"allow_cidr": ["10.0.0.0/8"], "allow_namespaces": ["green"]}),
            &[four(json!(["10.0.0.0/8"])), namespaces("kubernetes.io/metadata.name in { 'green' }")],
        );
    }

    #[test]
    fn denied_addresses_add_up() {
        fn check(existing: &[&str], denied: &str, expected: &[Value]) {
            let rules = plan(json!({"allow_cidr": []})).unwrap();
            let existing =
                existing.iter().fold(Value::Null, |policy, denied| json!({"spec": rules.spec("a", &policy, denied)}));
            assert_eq!(rules.spec("a", &existing, denied)["egress"], json!(expected));
        }
        check(&["203.0.113.7/32"], "203.0.113.8/32", &[nets("Deny", json!(["203.0.113.7/32", "203.0.113.8/32"]))]);
        check(&["203.0.113.7/32"], "203.0.113.7/32", &[nets("Deny", json!(["203.0.113.7/32"]))]);
        check(
            &["203.0.113.7/32", "2001:db8::7/128"],
            "203.0.113.8/32",
            &[nets("Deny", json!(["203.0.113.7/32", "203.0.113.8/32"])), nets("Deny", json!(["2001:db8::7/128"]))],
        );
    }

    #[test]
    fn only_denied_addresses_are_kept() {
        let existing = json!({"spec": {"egress": [
            nets("Allow", json!(["0.0.0.0/0"])),
            nets("Deny", json!(["198.51.100.1/32"])),
            {"action": "Deny", "destination": {"selector": "a == 'b'"}},
            {"action": "Deny"},
        ]}});
        assert_eq!(denied_by(&existing), ["198.51.100.1/32"]);
        assert_eq!(denied_by(&json!({"spec": {}})), [""; 0]);
    }

    #[test]
    fn the_selector_is_in_the_order_of_its_labels() {
        fn check(labels: Value, expected: Result<&str, &str>) {
            let Value::Object(labels) = labels else { panic!("labels are an object") };
            let found = selector(&labels).map_err(|failure| failure.message);
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
        }
        check(json!({"app": "web"}), Ok(r#"app == "web""#));
        check(
            json!({"tier": "", "app.kubernetes.io/name": "web"}),
            Ok(r#"app.kubernetes.io/name == "web" && tier == """#),
        );
        check(json!({"app": "a\" || all() || \""}), Err("the label 'app' can't be selected by"));
        check(json!({}), Err("there are no labels to select by"));
    }

    #[test]
    fn mistakes_are_named() {
        fn check(parameters: Value, expected: &str) {
            assert_eq!(plan(parameters), Err(expected.to_owned()));
        }
        check(json!({"allow_cidr": ["10.0.0.0"]}), "wrong CIDR '10.0.0.0'");
        check(json!({"allow_namespaces": ["a' , 'b"]}), "wrong namespace 'a' , 'b'");
    }
}
