//! `kubernetes:label`: adds, changes and removes labels of the pod of an event, or of its node.
//!
//! One merge patch: it sets what is there, removes what is null, and does not mind what is
//! absent. Does not know what the labels are for.

mod syntax;

use falco_talon_sdk::kubernetes::{self, Object, PatchType};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, OutputUse, Pod, Report};
use serde::Deserialize;
use serde_json::{Map, Value, json};

struct Label;

falco_talon_sdk::export!(Label);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Values are as people write them in YAML: `suspicious: true` means the text.
    labels: Map<String, Value>,
    #[serde(default)]
    level: Level,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    #[default]
    Pod,
    Node,
}

impl Actionner for Label {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:label",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Add, modify or delete the labels of the pod",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        continue_by_default: true,
        use_context: false,
        output: OutputUse::None,
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let body = plan(parameters).map_err(|failure| pod.concerned(failure))?;
        match parameters.level {
            Level::Pod => label_pod(pod, &body),
            Level::Node => label_node(pod, &body),
        }
    }
}

fn label_pod(pod: Pod<'_>, body: &Value) -> Result<Outcome, Failure> {
    kubernetes::patch(&pod.object(), PatchType::Merge, body).map_err(|error| pod.failure("label", &error))?;
    Ok(Outcome::Done(pod.report("has been labeled")))
}

fn label_node(pod: Pod<'_>, body: &Value) -> Result<Outcome, Failure> {
    let object = kubernetes::get(&pod.object()).map_err(|error| pod.failure("read", &error))?;
    let node = node_of(pod, &object)?;
    kubernetes::patch(&Object::node(node), PatchType::Merge, body).map_err(|error| {
        let doing = format_args!("can't label the node '{node}'");
        Failure::from_error(doing, &error).object("node", node)
    })?;
    let report = Report::new(format!("the node '{node}' has been labeled"));
    Ok(Outcome::Done(report.object("node", node)))
}

fn node_of<'a>(pod: Pod<'_>, object: &'a Value) -> Result<&'a str, Failure> {
    let node = object["spec"]["nodeName"].as_str().filter(|node| !node.is_empty());
    node.ok_or_else(|| pod.concerned(Failure::rejected(format!("{pod} is not scheduled on a node"))))
}

/// The merge patch that makes the labels as the parameters say.
fn plan(parameters: &Parameters) -> Result<Value, Failure> {
    if parameters.labels.is_empty() {
        return Err(Failure::rejected("parameter 'labels' should have at least one label"));
    }
    let mut labels = Map::new();
    for (key, value) in &parameters.labels {
        let value = value_of(key, value)?;
        labels.insert(key.clone(), value.map_or(Value::Null, Value::String));
    }
    Ok(json!({ "metadata": { "labels": labels } }))
}

/// A label's value; none if the label is to be removed.
fn value_of(key: &str, value: &Value) -> Result<Option<String>, Failure> {
    let wrong = |reason: String| Failure::rejected(format!("wrong label '{key}': {reason}"));
    let text = match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(value) => value.clone(),
        Value::Array(_) | Value::Object(_) => return Err(wrong("the value is not a text".into())),
    };
    syntax::check_key(key).and_then(|()| syntax::check_value(&text)).map_err(wrong)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use falco_talon_sdk::schema;

    use super::*;

    fn parameters(value: Value) -> Parameters {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn labels_become_a_merge_patch() {
        fn check(labels: &Value, expected: &Value) {
            let plan = plan(&parameters(json!({ "labels": labels }))).unwrap();
            assert_eq!(plan, json!({ "metadata": { "labels": expected } }));
        }
        check(&json!({"suspicious": true}), &json!({"suspicious": "true"}));
        check(&json!({"suspicious": "true"}), &json!({"suspicious": "true"}));
        check(&json!({"count": 3}), &json!({"count": "3"}));
        check(&json!({"gone": "", "gone-too": null}), &json!({"gone": null, "gone-too": null}));
        check(&json!({"pod": "x", "a.example/b": "c"}), &json!({"pod": "x", "a.example/b": "c"}));
    }

    #[test]
    fn wrong_labels_are_rejected() {
        fn check(labels: &Value, expected: &str) {
            let failure = plan(&parameters(json!({ "labels": labels }))).unwrap_err();
            assert_eq!(failure, Failure::rejected(expected));
        }
        check(&json!({"a": ["b"]}), "wrong label 'a': the value is not a text");
        check(&json!({"a": {"b": "c"}}), "wrong label 'a': the value is not a text");
        check(&json!({}), "parameter 'labels' should have at least one label");
        check(
            &json!({"a b": "c"}),
            "wrong label 'a b': the name 'a b' has a ' ', and only letters, digits, '-', '_' and '.' are valid",
        );
        check(
            &json!({"a": "c/d"}),
            "wrong label 'a': the value 'c/d' has a '/', and only letters, digits, '-', '_' and '.' are valid",
        );
    }

    #[test]
    fn the_node_is_that_of_the_pod() {
        fn check(pod: &Value, expected: Result<&str, &str>) {
            let name = Pod { namespace: "n", name: "p" };
            let node = node_of(name, pod).map_err(|failure| failure.message);
            assert_eq!(node, expected.map_err(str::to_owned));
        }
        let missing = "the pod 'p' in the namespace 'n' is not scheduled on a node";
        check(&json!({"spec": {"nodeName": "node-1"}}), Ok("node-1"));
        check(&json!({"spec": {"nodeName": ""}}), Err(missing));
        check(&json!({"spec": {}}), Err(missing));
    }

    #[test]
    fn the_schema_and_the_struct_agree() {
        let schema = Label::DESCRIPTION.parameters_schema;
        assert_eq!(schema::disagreements::<Parameters>(schema), [""; 0]);
    }

    #[test]
    fn the_package_is_named_as_the_actionner() {
        assert_eq!(Label::DESCRIPTION.name.replace(':', "-"), env!("CARGO_PKG_NAME"));
    }
}
