//! The event that an action responds to, as Falco sent it.
//!
//! Does not know which fields an actionner needs: the host checks those before the call.

use serde_json::{Map, Number, Value};

use crate::{Failure, Pod};

/// One event of Falco.
///
/// Output fields can be of any type; a field that names something is a text. Numbers,
/// booleans, lists and objects are never names, and neither are an empty text and Falco's
/// `<NA>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event {
    /// Name of the Falco rule that fired.
    pub rule: String,
    /// Falco's priority, as sent.
    pub priority: String,
    /// Where Falco saw it, e.g. `syscall`.
    pub source: String,
    /// The formatted message.
    pub output: String,
    /// The machine that Falco runs on.
    pub hostname: String,
    /// When it happened, in RFC 3339.
    pub time: String,
    /// The tags of the Falco rule.
    pub tags: Vec<String>,
    /// Falco's output fields, e.g. `k8s.pod.name`.
    pub output_fields: Map<String, Value>,
}

impl Event {
    /// Reads the event that an invocation carries.
    ///
    /// By hand, over a JSON value: that is a fifth of the code that a derived reader takes in
    /// each component. The host has checked the event, so what is missing is left empty.
    pub fn from_json(text: &str) -> Result<Self, Failure> {
        let unreadable = |reason: &str| Failure::rejected(format!("the event {reason}"));
        let mut event = match serde_json::from_str(text) {
            Ok(Value::Object(event)) => event,
            Ok(_) => return Err(unreadable("is not an object")),
            Err(error) => return Err(unreadable(&format!("can't be read: {error}"))),
        };
        let mut take = |key| event.get_mut(key).map(Value::take);
        let tags = match take("tags") {
            Some(Value::Array(tags)) => tags.into_iter().filter_map(into_text).collect(),
            _ => Vec::new(),
        };
        let output_fields = match take("output_fields") {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let mut text = |key| take(key).and_then(into_text).unwrap_or_default();
        Ok(Self {
            rule: text("rule"),
            priority: text("priority"),
            source: text("source"),
            output: text("output"),
            hostname: text("hostname"),
            time: text("time"),
            tags,
            output_fields,
        })
    }

    /// An output field that is a text and names something.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        let text = self.output_fields.get(field)?.as_str()?;
        (!text.is_empty() && text != "<NA>").then_some(text)
    }

    /// An output field that is a number.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<&Number> {
        match self.output_fields.get(field)? {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// An output field that is a boolean.
    #[must_use]
    pub fn boolean(&self, field: &str) -> Option<bool> {
        self.output_fields.get(field)?.as_bool()
    }

    /// The pod that the event is about: the one that a system call was made in, or the one that
    /// a request to the Kubernetes API names.
    ///
    /// `ka.target.name` is a pod's name only where the request was for pods.
    pub fn pod(&self) -> Result<Pod<'_>, Failure> {
        let audited = || {
            let for_pods = self.text("ka.target.resource").is_none_or(|it| it == "pods");
            self.text("ka.target.name").filter(|_| for_pods)
        };
        let name = self
            .text("k8s.pod.name")
            .or_else(|| self.text("ka.target.pod.name"))
            .or_else(audited)
            .ok_or_else(|| Failure::rejected("missing pod name"))?;
        let namespace = self
            .text("k8s.ns.name")
            .or_else(|| self.text("ka.target.namespace"))
            .ok_or_else(|| Failure::rejected("missing namespace"))?;
        Ok(Pod { namespace, name })
    }

    /// The object that a request to the Kubernetes API names: resource, namespace and name.
    ///
    /// None where the event is not an audit event of one object. The namespace is none for
    /// what is not in one.
    #[must_use]
    pub fn audit_target(&self) -> Option<(&str, Option<&str>, &str)> {
        let resource = self.text("ka.target.resource")?;
        let name = self.text("ka.target.name")?;
        Some((resource, self.text("ka.target.namespace"), name))
    }
}

fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(fields: &Value) -> Event {
        Event::from_json(&json!({ "output_fields": fields }).to_string()).unwrap()
    }

    #[test]
    fn the_pod_is_found_in_order() {
        fn check(fields: &Value, expected: Result<(&str, &str), &str>) {
            let event = event(fields);
            let pod = event.pod().map(|pod| (pod.namespace, pod.name));
            assert_eq!(pod.map_err(|failure| failure.message), expected.map_err(str::to_owned));
        }
        check(&json!({"k8s.pod.name": "a", "k8s.ns.name": "n"}), Ok(("n", "a")));
        check(
            &json!({"k8s.pod.name": "a", "ka.target.pod.name": "b", "k8s.ns.name": "n", "ka.target.namespace": "m"}),
            Ok(("n", "a")),
        );
        check(&json!({"ka.target.pod.name": "b", "ka.target.name": "c", "ka.target.namespace": "m"}), Ok(("m", "b")));
        check(&json!({"ka.target.name": "c", "ka.target.namespace": "m"}), Ok(("m", "c")));
        check(
            &json!({"ka.target.resource": "pods", "ka.target.name": "c", "ka.target.namespace": "m"}),
            Ok(("m", "c")),
        );
        check(
            &json!({"ka.target.resource": "secrets", "ka.target.name": "c", "ka.target.namespace": "m"}),
            Err("missing pod name"),
        );
        check(&json!({"k8s.pod.name": 7, "k8s.ns.name": "n"}), Err("missing pod name"));
        check(&json!({"k8s.pod.name": "<NA>", "k8s.ns.name": "n"}), Err("missing pod name"));
        check(&json!({"k8s.pod.name": "a", "k8s.ns.name": null}), Err("missing namespace"));
        check(&json!({"k8s.pod.name": "a", "k8s.ns.name": ""}), Err("missing namespace"));
        check(&json!({"k8s.pod.name": {"name": "a"}, "k8s.ns.name": true}), Err("missing pod name"));
    }

    #[test]
    fn fields_have_types() {
        let event = event(&json!({"evt.time": 1725538330819462123_u64, "fd.name": "/etc/shadow", "proc.is_exe": true}));
        assert_eq!(event.number("evt.time").unwrap().to_string(), "1725538330819462123");
        assert_eq!(event.number("fd.name"), None);
        assert_eq!(event.text("fd.name"), Some("/etc/shadow"));
        assert_eq!(event.text("evt.time"), None);
        assert_eq!(event.boolean("proc.is_exe"), Some(true));
        assert_eq!(event.boolean("absent"), None);
    }

    #[test]
    fn the_audit_target_is_whole_or_none() {
        fn check(fields: &Value, expected: Option<(&str, Option<&str>, &str)>) {
            assert_eq!(event(fields).audit_target(), expected);
        }
        check(&json!({"ka.target.resource": "roles", "ka.target.name": "r"}), Some(("roles", None, "r")));
        check(
            &json!({"ka.target.resource": "roles", "ka.target.name": "r", "ka.target.namespace": "n"}),
            Some(("roles", Some("n"), "r")),
        );
        check(&json!({"ka.target.resource": "roles"}), None);
    }

    #[test]
    fn an_unreadable_event_is_rejected() {
        let failure = Event::from_json("[]").unwrap_err();
        assert_eq!(failure, Failure::rejected("the event is not an object"));
        assert!(Event::from_json("{").is_err());
    }

    #[test]
    fn an_event_is_read_whole() {
        let json = json!({
            "rule": "Terminal shell in container", "priority": "Notice", "source": "syscall",
            "output": "a shell", "hostname": "node-1", "time": "2026-05-17T15:31:56Z",
            "tags": ["shell", "T1059"], "output_fields": {"k8s.ns.name": "default"},
        });
        let expected = Event {
            rule: "Terminal shell in container".to_owned(),
            priority: "Notice".to_owned(),
            source: "syscall".to_owned(),
            output: "a shell".to_owned(),
            hostname: "node-1".to_owned(),
            time: "2026-05-17T15:31:56Z".to_owned(),
            tags: vec!["shell".to_owned(), "T1059".to_owned()],
            output_fields: Map::from_iter([("k8s.ns.name".to_owned(), json!("default"))]),
        };
        assert_eq!(Event::from_json(&json.to_string()), Ok(expected));
        assert_eq!(Event::from_json("{}"), Ok(Event::default()));
    }
}
