//! An `Event` of the cluster, beside the pod that it is about.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::identity::identity;
use crate::limits::{Labelled, head, lines, one_line};
use crate::notice::Notice;
use crate::words::{is_warning, title};

/// What the API server takes of a message.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// What it takes of a reason, and of an action.
const NAME_BYTES_MAX: usize = 128;

/// Where an event is about nothing in a namespace.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Involved {
    /// `Pod`, `Node` or `Namespace`.
    pub kind: &'static str,
    /// Its namespace; none for what is in none.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its uid, where it is known: tools show events by it.
    pub uid: Option<String>,
}

impl Involved {
    /// The pod of the notice, or its node, or its namespace, or this one.
    pub fn of(notice: &Notice, own_namespace: Option<&str>) -> Self {
        let namespace = notice.object("namespace").map(str::to_owned);
        let uid = notice.uid.clone();
        match (namespace, notice.object("pod"), notice.object("node")) {
            (Some(namespace), Some(pod), _) => {
                Self { kind: "Pod", namespace: Some(namespace), name: pod.to_owned(), uid }
            }
            (_, _, Some(node)) => Self { kind: "Node", namespace: None, name: node.to_owned(), uid: None },
            (Some(namespace), ..) => Self::namespace(&namespace, true),
            (None, ..) => Self::namespace(own_namespace.unwrap_or(DEFAULT_NAMESPACE), true),
        }
    }

    /// A namespace, in itself or, where it is gone, outside of it.
    pub fn namespace(name: &str, is_there: bool) -> Self {
        let namespace = is_there.then(|| name.to_owned());
        Self { kind: "Namespace", namespace, name: name.to_owned(), uid: None }
    }

    /// Where its event stands.
    pub fn event_namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }
}

/// The object that is created. One that is sent twice is refused the second time, by its name.
pub fn event(notice: &Notice, involved: &Involved) -> Value {
    let stage = notice.stage.name();
    let who = [&notice.output_target, &notice.actionner].into_iter().find(|name| !name.is_empty());
    let who = who.map_or("n/a", String::as_str);
    let mut object = json!({
        "apiVersion": "v1",
        "kind": involved.kind,
        "name": involved.name,
    });
    for (key, value) in [("namespace", &involved.namespace), ("uid", &involved.uid)] {
        if let Some(value) = value {
            object[key] = json!(value);
        }
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "generateName": "falco-talon-",
            "name": format!("falco-talon-{}", identity(notice)),
            "namespace": involved.event_namespace(),
        },
        "involvedObject": object,
        "reason": head(&format!("falco-talon:{stage}:{who}:{}", notice.status), NAME_BYTES_MAX),
        "action": head(who, NAME_BYTES_MAX),
        "type": if is_warning(&notice.status) { "Warning" } else { "Normal" },
        "eventTime": format!("{:.6}", notice.time),
        "reportingComponent": "falcosecurity.org/falco-talon",
        "reportingInstance": "falco-talon",
        "source": {"component": "falco-talon"},
        "message": message(notice),
    })
}

fn message(notice: &Notice) -> String {
    let mut labelled: Vec<Labelled> = Vec::new();
    let mut add = |label: Cow<'static, str>, value: &str| {
        if !value.is_empty() {
            labelled.push((label, Cow::Owned(value.replace('\'', "\""))));
        }
    };
    add("Status".into(), &notice.status);
    add("Message".into(), notice.stage.name());
    add("Rule".into(), &one_line(&notice.rule));
    add("Action".into(), &one_line(&notice.action));
    add("Actionner".into(), &notice.actionner);
    add("Event".into(), &notice.event);
    add("Group".into(), &notice.group_text().unwrap_or_default());
    for (kind, name) in &notice.objects {
        add(title(kind).into(), &one_line(name));
    }
    add("Error".into(), &notice.error);
    add("Result".into(), &notice.details);
    add("Output".into(), &notice.output);
    add("OutputTarget".into(), &notice.output_target);
    add("TraceID".into(), &notice.trace_id);
    lines(&labelled, MESSAGE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::notice::tests::{grouped, notice, stored};

    fn check(notice: &Notice, expected: Expect) {
        let event = event(notice, &Involved::of(notice, Some("falco")));
        expected.assert_eq(&format!("{event:#}\n{}", event["message"].as_str().unwrap()));
    }

    #[test]
    fn events_are_those_of_the_seed() {
        check(
            &notice(),
            expect![[r#"
            {
              "action": "kubernetes:tcpdump",
              "apiVersion": "v1",
              "eventTime": "2024-09-05T12:52:10.819462Z",
              "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": "cncf-1",
                "namespace": "default",
                "uid": "0b1c"
              },
              "kind": "Event",
              "message": "Status: success\nMessage: action\nRule: Redirect STDOUT/STDIN to Network Connection in Container\nAction: Run tcpdump for 5s\nActionner: kubernetes:tcpdump\nEvent: Redirect <b>stdout</b> & \"stdin\"\nNamespace: default\nPod: cncf-1\nOutput: a tcpdump \"tcpdump.pcap\" has been created\nTraceID: c954bd8b3391a08f23079552fdd639f3\n",
              "metadata": {
                "generateName": "falco-talon-",
                "name": "falco-talon-386fd32d614b473f315f3e453d685aef",
                "namespace": "default"
              },
              "reason": "falco-talon:action:kubernetes:tcpdump:success",
              "reportingComponent": "falcosecurity.org/falco-talon",
              "reportingInstance": "falco-talon",
              "source": {
                "component": "falco-talon"
              },
              "type": "Normal"
            }
            Status: success
            Message: action
            Rule: Redirect STDOUT/STDIN to Network Connection in Container
            Action: Run tcpdump for 5s
            Actionner: kubernetes:tcpdump
            Event: Redirect <b>stdout</b> & "stdin"
            Namespace: default
            Pod: cncf-1
            Output: a tcpdump "tcpdump.pcap" has been created
            TraceID: c954bd8b3391a08f23079552fdd639f3
        "#]],
        );
        check(
            &stored(),
            expect![[r#"
            {
              "action": "minio:s3",
              "apiVersion": "v1",
              "eventTime": "2024-09-05T12:52:10.819462Z",
              "involvedObject": {
                "apiVersion": "v1",
                "kind": "Namespace",
                "name": "falco",
                "namespace": "falco"
              },
              "kind": "Event",
              "message": "Status: failure\nMessage: output\nRule: Redirect STDOUT/STDIN to Network Connection in Container\nAction: Run tcpdump for 5s\nA-B: c\nBucket: b\nFile: log\nError: the bucket \"b\" does not exist\n  at all\nOutputTarget: minio:s3\nTraceID: c954bd8b3391a08f23079552fdd639f3\n",
              "metadata": {
                "generateName": "falco-talon-",
                "name": "falco-talon-5de8b72d73725bd0fc69a33792a65921",
                "namespace": "falco"
              },
              "reason": "falco-talon:output:minio:s3:failure",
              "reportingComponent": "falcosecurity.org/falco-talon",
              "reportingInstance": "falco-talon",
              "source": {
                "component": "falco-talon"
              },
              "type": "Warning"
            }
            Status: failure
            Message: output
            Rule: Redirect STDOUT/STDIN to Network Connection in Container
            Action: Run tcpdump for 5s
            A-B: c
            Bucket: b
            File: log
            Error: the bucket "b" does not exist
              at all
            OutputTarget: minio:s3
            TraceID: c954bd8b3391a08f23079552fdd639f3
        "#]],
        );
        check(
            &grouped(),
            expect![[r#"
                {
                  "action": "kubernetes:tcpdump",
                  "apiVersion": "v1",
                  "eventTime": "2024-09-05T12:52:10.819462Z",
                  "involvedObject": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": "cncf-1",
                    "namespace": "default",
                    "uid": "0b1c"
                  },
                  "kind": "Event",
                  "message": "Status: dry_run\nMessage: action\nRule: Redirect STDOUT/STDIN to Network Connection in Container\nAction: Run tcpdump for 5s\nActionner: kubernetes:tcpdump\nEvent: Redirect <b>stdout</b> & \"stdin\"\nGroup: 3 times until 2024-09-05T12:52:40Z; the first: default/cncf-1, default/cncf-2, …\nNamespace: default\nPod: cncf-1\nResult: {\"file\":\"tcpdump.pcap\"}\nOutput: a tcpdump \"tcpdump.pcap\" has been created\nTraceID: c954bd8b3391a08f23079552fdd639f3\n",
                  "metadata": {
                    "generateName": "falco-talon-",
                    "name": "falco-talon-d9344aa35a6ffe34f1bcd77b9f44e7b1",
                    "namespace": "default"
                  },
                  "reason": "falco-talon:action:kubernetes:tcpdump:dry_run",
                  "reportingComponent": "falcosecurity.org/falco-talon",
                  "reportingInstance": "falco-talon",
                  "source": {
                    "component": "falco-talon"
                  },
                  "type": "Normal"
                }
                Status: dry_run
                Message: action
                Rule: Redirect STDOUT/STDIN to Network Connection in Container
                Action: Run tcpdump for 5s
                Actionner: kubernetes:tcpdump
                Event: Redirect <b>stdout</b> & "stdin"
                Group: 3 times until 2024-09-05T12:52:40Z; the first: default/cncf-1, default/cncf-2, …
                Namespace: default
                Pod: cncf-1
                Result: {"file":"tcpdump.pcap"}
                Output: a tcpdump "tcpdump.pcap" has been created
                TraceID: c954bd8b3391a08f23079552fdd639f3
            "#]],
        );
    }

    #[test]
    fn limits_are_those_of_the_api_server() {
        let long = "ä'".repeat(2_000);
        let long = Notice { event: long.clone(), output: long.clone(), actionner: long, ..notice() };
        let event = event(&long, &Involved::of(&long, None));
        let length = |key: &str| event[key].as_str().unwrap().len();
        assert!((1_000..=MESSAGE_BYTES_MAX).contains(&length("message")), "{}", length("message"));
        assert!(length("reason") <= NAME_BYTES_MAX && length("action") <= NAME_BYTES_MAX);
        let message = event["message"].as_str().unwrap();
        assert!(message.ends_with("TraceID: c954bd8b3391a08f23079552fdd639f3\n"), "{message}");
    }

    #[test]
    fn what_it_is_about() {
        let objects = |objects: &[(&str, &str)]| Notice {
            objects: objects.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned())).collect(),
            ..notice()
        };
        for (given, expected) in [
            (&[("namespace", "a"), ("pod", "b")][..], ("Pod", "b", "a")),
            (&[("namespace", "a")], ("Namespace", "a", "a")),
            (&[("node", "n"), ("namespace", "a")], ("Node", "n", "default")),
            (&[("file", "f")], ("Namespace", "falco", "falco")),
        ] {
            let involved = Involved::of(&objects(given), Some("falco"));
            assert_eq!((involved.kind, involved.name.as_str(), involved.event_namespace()), expected);
        }
    }
}
