//! Which of the pods that had a name one after the other an event is about.
//!
//! A pod of a StatefulSet has its predecessor's name. An event can come late, and what it asks for is not to be done to
//! the successor. Does not know what is done.

use jiff::Timestamp;
use rules::Event;
use serde_json::Value;

/// How much of the id of a container Falco tells.
const CONTAINER_ID_CHARS: usize = 12;

/// How much the clocks of a node and of the API server differ at most.
const CLOCKS_S_MAX: i64 = 2;

/// By this annotation the API server shows a pod that a node runs on its own account, under the uid by which that
/// node, and so Falco, knows it.
const MIRROR_OF: &str = "kubernetes.io/config.hash";

/// What an event tells about the pod that it saw, beside its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Incarnation {
    uid: Option<String>,
    container: Option<Container>,
}

#[derive(Debug, Clone)]
struct Container {
    /// At least as much as [`CONTAINER_ID_CHARS`] of it; none where only its start is known.
    id: Option<String>,
    /// A time at which it was there already.
    was_there: Timestamp,
}

/// One container was there at many times.
impl PartialEq for Container {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && (self.id.is_some() || self.was_there == other.was_there)
    }
}

impl Eq for Container {}

impl Incarnation {
    pub(super) fn of(event: &Event) -> Self {
        let uid = event.text("k8smeta.pod.uid").or_else(|| event.text("k8s.pod.uid"));
        let is_id = |id: &&str| id.len() >= CONTAINER_ID_CHARS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = event.text("container.id").filter(is_id);
        let start = event.output_fields.get("container.start_ts").and_then(Value::as_i64).filter(|start| *start > 0);
        let start = start.and_then(|nanoseconds| Timestamp::from_nanosecond(nanoseconds.into()).ok());
        let seen = || event.time.parse().ok().filter(|_| id.is_some());
        let container = start.or_else(seen).map(|was_there| Container { id: id.map(str::to_owned), was_there });
        Self { uid: uid.filter(|uid| *uid != "<NA>").map(str::to_owned), container }
    }

    /// Whether it can be this pod. Where an event tells too little, it can.
    pub(super) fn can_be(&self, pod: &Value) -> bool {
        if let Some(uid) = &self.uid {
            return [&pod["metadata"]["uid"], &pod["metadata"]["annotations"][MIRROR_OF]].iter().any(|it| *it == uid);
        }
        let Some(Container { id, was_there }) = &self.container else { return true };
        let known: Vec<&str> = container_ids(pod).collect();
        if id.as_deref().is_some_and(|id| known.iter().any(|known| known.starts_with(id))) {
            return true;
        }
        // A container that was restarted since is not listed any more, and one that has just begun not yet: so it is
        // the pod's age that decides. The API server leaves out fractions of a second.
        let clocks = if known.is_empty() { CLOCKS_S_MAX } else { 0 };
        let created = pod["metadata"]["creationTimestamp"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        created.is_none_or(|created| created.as_second() <= was_there.as_second().saturating_add(clocks))
    }
}

/// The ids of the containers that a pod has, or had lately.
fn container_ids(pod: &Value) -> impl Iterator<Item = &str> {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let statuses = lists.into_iter().flat_map(|list| pod["status"][list].as_array().into_iter().flatten());
    statuses.flat_map(|status| {
        let ids = [
            &status["containerID"],
            &status["state"]["terminated"]["containerID"],
            &status["lastState"]["terminated"]["containerID"],
        ];
        // `containerd://3ad7b26ded6d…`
        ids.into_iter().filter_map(|it| it.as_str()).filter_map(|it| it.rsplit('/').next())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "3ad7b26ded6d";

    #[track_caller]
    fn check(fields: &Value, pod: &Value, expected: bool) {
        let event = json!({"rule": "r", "priority": "Warning", "source": "syscall", "output": "o", "hostname": "h",
                           "time": "2026-07-22T14:24:41.123456789Z", "tags": [], "output_fields": fields});
        let event = Event::from_json(event.to_string().as_bytes()).unwrap();
        assert_eq!(Incarnation::of(&event).can_be(pod), expected, "{fields} {pod}");
    }

    fn created(time: &str) -> Value {
        json!({"metadata": {"uid": "1", "creationTimestamp": time}})
    }

    fn with_status(time: &str, status: &Value) -> Value {
        json!({"metadata": {"creationTimestamp": time}, "status": status})
    }

    #[test]
    fn a_uid_decides() {
        for field in ["k8smeta.pod.uid", "k8s.pod.uid"] {
            check(&json!({ field: "1" }), &created("2026-07-22T15:00:00Z"), true);
            check(&json!({ field: "2" }), &created("2026-07-22T14:00:00Z"), false);
            check(&json!({ field: "<NA>" }), &created("2026-07-22T15:00:00Z"), true);
        }
        let mirror = json!({"metadata": {"uid": "1", "annotations": { MIRROR_OF: "2" }}});
        check(&json!({"k8s.pod.uid": "2"}), &mirror, true);
        check(&json!({"k8s.pod.uid": "3"}), &mirror, false);
    }

    #[test]
    fn a_container_of_the_pod_is_known_by_its_id() {
        let later = "2026-07-22T15:00:00Z";
        let id = format!("containerd://{ID}a0f1");
        for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
            check(&json!({"container.id": ID}), &with_status(later, &json!({ list: [{"containerID": id}] })), true);
        }
        let restarted = json!({"containerStatuses": [
            {"containerID": "containerd://ffff", "lastState": {"terminated": {"containerID": id}}}]});
        check(&json!({"container.id": ID}), &with_status(later, &restarted), true);
        let another = json!({"containerStatuses": [{"containerID": "containerd://ffffffffffffffff"}]});
        check(&json!({"container.id": ID}), &with_status(later, &another), false);
        // Restarted more than once since.
        check(&json!({"container.id": ID}), &with_status("2026-07-22T14:00:00Z", &another), true);
    }

    #[test]
    fn a_pod_is_older_than_what_was_seen_in_it() {
        let container = json!({"container.id": ID});
        check(&container, &created("2026-07-22T14:24:40Z"), true);
        // Its containers have just begun, and are not in its status yet.
        check(&container, &created("2026-07-22T14:24:41Z"), true);
        check(&container, &created("2026-07-22T14:24:43Z"), true);
        check(&container, &created("2026-07-22T14:24:44Z"), false);
        let others = json!({"containerStatuses": [{"containerID": "containerd://ffffffffffffffff"}]});
        check(&container, &with_status("2026-07-22T14:24:41Z", &others), true);
        check(&container, &with_status("2026-07-22T14:24:42Z", &others), false);
        // 14:00:00
        let start = json!({"container.start_ts": 1_784_728_800_000_000_000_u64});
        check(&start, &created("2026-07-22T13:59:59Z"), true);
        check(&start, &created("2026-07-22T14:10:00Z"), false);
        check(&start, &json!({}), true);
    }

    #[test]
    fn an_event_that_tells_nothing_is_about_the_pod_of_its_name() {
        for fields in [
            json!({}),
            json!({"container.id": "host"}),
            json!({"container.id": ""}),
            json!({"container.id": null}),
            json!({"container.id": "3ad7"}),
            json!({"container.start_ts": 0}),
            json!({"container.start_ts": "soon"}),
        ] {
            check(&fields, &created("2026-07-22T15:00:00Z"), true);
        }
    }
}
