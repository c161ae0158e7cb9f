//! Which container of a pod an action is for.
//!
//! Reads the pod as the API server gave it. Does not know what is done in the container.

use serde_json::Value;

use crate::{Event, Failure, Pod};

/// What a rule writes for "each of the pod's regular containers".
pub const ALL: &str = "all";

/// The annotation by which the owner of a pod says which container is meant where none is named.
const DEFAULT: &str = "kubectl.kubernetes.io/default-container";

/// What Falco writes of a container's id at least; a shorter text, such as `host`, is none.
const ID_CHARS_MIN: usize = 12;

/// Where a pod lists its containers, and where it reports their state.
const KINDS: [(&str, &str); 3] = [
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
];

/// The containers of a pod.
#[derive(Debug, Clone, Copy)]
pub struct Containers<'a> {
    pod: Pod<'a>,
    object: &'a Value,
}

impl<'a> Containers<'a> {
    /// Those of a pod that was read.
    #[must_use]
    pub fn of(pod: Pod<'a>, object: &'a Value) -> Self {
        Self { pod, object }
    }

    /// The regular ones, in the order of the pod; neither init containers nor ephemeral ones.
    #[must_use]
    pub fn regular(&self) -> Vec<&'a str> {
        let (kind, _) = KINDS[0];
        self.names(kind).collect()
    }

    /// The ones that an action is for: those that its parameter `container` names, which is
    /// [`ALL`] or one name, else the one that [`Containers::suspect`] finds.
    pub fn choose(&self, parameter: Option<&str>, event: &Event) -> Result<Vec<&'a str>, Failure> {
        match parameter {
            None => Ok(vec![self.suspect(event)?]),
            Some(ALL) => match self.regular() {
                none if none.is_empty() => Err(self.nothing()),
                regular => Ok(regular),
            },
            Some(name) => Ok(vec![self.named(name)?]),
        }
    }

    /// The container that the event comes from, else the pod's default one, else its first.
    pub fn suspect(&self, event: &Event) -> Result<&'a str, Failure> {
        let annotated = || self.known(self.object["metadata"]["annotations"][DEFAULT].as_str()?);
        let first = || self.regular().first().copied();
        self.of_event(event).or_else(annotated).or_else(first).ok_or_else(|| self.nothing())
    }

    /// The id of each container that has one, without the runtime's name.
    #[must_use]
    pub fn ids(&self) -> Vec<&'a str> {
        self.statuses().filter_map(|status| Some(id_of(status)?.1)).collect()
    }

    /// The name of the runtime, e.g. `containerd`; none before a container was started.
    #[must_use]
    pub fn runtime(&self) -> Option<&'a str> {
        self.statuses().find_map(|status| Some(id_of(status)?.0))
    }

    /// A container may have been started again since, so that its name has to do then.
    fn of_event(&self, event: &Event) -> Option<&'a str> {
        let by_id = event.text("container.id").and_then(|id| self.with_id(id));
        by_id.or_else(|| self.known(container_name(event.text("container.name")?)))
    }

    fn with_id(&self, short: &str) -> Option<&'a str> {
        if short.len() < ID_CHARS_MIN {
            return None;
        }
        let mut statuses = self.statuses();
        statuses.find(|status| id_of(status).is_some_and(|(_, id)| id.starts_with(short)))?["name"].as_str()
    }

    fn named(&self, name: &str) -> Result<&'a str, Failure> {
        self.known(name).ok_or_else(|| {
            let pod = self.pod;
            let all: Vec<_> = self.all().map(|name| format!("'{name}'")).collect();
            let all = all.join(", ");
            let message = format!("the container '{name}' doesn't exist in {pod}, whose containers are {all}");
            pod.concerned(Failure::rejected(message))
        })
    }

    fn known(&self, name: &str) -> Option<&'a str> {
        self.all().find(|known| *known == name)
    }

    fn all(&self) -> impl Iterator<Item = &'a str> {
        let containers = *self;
        KINDS.into_iter().flat_map(move |(kind, _)| containers.names(kind))
    }

    fn names(&self, kind: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        items(&self.object["spec"][kind]).filter_map(|container| container["name"].as_str())
    }

    fn statuses(&self) -> impl Iterator<Item = &'a Value> {
        let status = &self.object["status"];
        KINDS.into_iter().flat_map(move |(_, kind)| items(&status[kind]))
    }

    fn nothing(&self) -> Failure {
        self.pod.concerned(Failure::rejected("no container found"))
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> + use<'_> {
    list.as_array().into_iter().flatten()
}

/// The runtime and the id in `containerd://4f53…`.
fn id_of(status: &Value) -> Option<(&str, &str)> {
    status["containerID"].as_str()?.split_once("://").filter(|(_, id)| !id.is_empty())
}

/// The name that Docker gives to a container of a pod begins with the one that the pod gives.
fn container_name(name: &str) -> &str {
    let docker = name.strip_prefix("k8s_").and_then(|rest| rest.split('_').next());
    docker.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const POD: Pod<'_> = Pod { namespace: "n", name: "p" };

    fn pod() -> Value {
        let status = |name: &str, id: &str| json!({"name": name, "containerID": id});
        json!({
            "metadata": {"annotations": {}},
            "spec": {
                "containers": [{"name": "web"}, {"name": "proxy"}],
                "initContainers": [{"name": "setup"}],
                "ephemeralContainers": [{"name": "debug"}],
            },
            "status": {
                "containerStatuses": [
                    status("web", "containerd://0123456789abcdef"),
                    status("proxy", "containerd://aaaaaaaaaaaabbbb"),
                ],
                "initContainerStatuses": [status("setup", "cri-o://cccccccccccc0000")],
                "ephemeralContainerStatuses": [{"name": "debug", "state": {"waiting": {}}}],
            },
        })
    }

    fn event(fields: Value) -> Event {
        Event { output_fields: fields.as_object().unwrap().clone(), ..Event::default() }
    }

    #[test]
    fn the_parameter_decides() {
        fn check(parameter: &str, expected: Result<&[&str], &str>) {
            let object = pod();
            let event = event(json!({"container.name": "proxy"}));
            let chosen = Containers::of(POD, &object).choose(Some(parameter), &event);
            assert_eq!(chosen.as_deref().map_err(|it| it.message.as_str()), expected, "{parameter}");
        }
        check("all", Ok(&["web", "proxy"]));
        check("web", Ok(&["web"]));
        check("setup", Ok(&["setup"]));
        check("debug", Ok(&["debug"]));
        let missing = "the container 'x' doesn't exist in the pod 'p' in the namespace 'n', \
                       whose containers are 'web', 'proxy', 'setup', 'debug'";
        check("x", Err(missing));
    }

    #[test]
    fn the_event_tells_its_container() {
        fn check(fields: Value, expected: &str) {
            let object = pod();
            let chosen = Containers::of(POD, &object).choose(None, &event(fields.clone()));
            assert_eq!(chosen, Ok(vec![expected]), "{fields}");
        }
        check(json!({"container.id": "aaaaaaaaaaaa"}), "proxy");
        check(json!({"container.id": "cccccccccccc"}), "setup");
        check(json!({"container.id": "aaaaaaaaaaaabbbb", "container.name": "web"}), "proxy");
        check(json!({"container.id": "ffffffffffff", "container.name": "proxy"}), "proxy");
        check(json!({"container.name": "k8s_proxy_p_n_5d-4a_0"}), "proxy");
        // These name no container of the pod.
        check(json!({"container.id": "aaaa"}), "web");
        check(json!({"container.id": "host", "container.name": "host"}), "web");
        check(json!({"container.id": "", "container.name": null}), "web");
        check(json!({}), "web");
    }

    #[test]
    fn the_annotation_comes_after_the_event() {
        fn check(annotation: &str, fields: Value, expected: &str) {
            let mut object = pod();
            object["metadata"]["annotations"][DEFAULT] = json!(annotation);
            assert_eq!(Containers::of(POD, &object).suspect(&event(fields)), Ok(expected));
        }
        check("proxy", json!({}), "proxy");
        check("proxy", json!({"container.id": "0123456789ab"}), "web");
        check("gone", json!({}), "web");
    }

    #[test]
    fn a_pod_without_containers_has_none_to_choose() {
        let object = json!({});
        let containers = Containers::of(POD, &object);
        for parameter in [None, Some(ALL)] {
            let failure = containers.choose(parameter, &Event::default()).unwrap_err();
            assert_eq!(failure.message, "no container found");
        }
    }

    #[test]
    fn ids_are_told_for_each_runtime() {
        let object = pod();
        let containers = Containers::of(POD, &object);
        assert_eq!(containers.ids(), ["0123456789abcdef", "aaaaaaaaaaaabbbb", "cccccccccccc0000"]);
        assert_eq!(containers.runtime(), Some("containerd"));
        let started_nothing = json!({"status": {"containerStatuses": [{"name": "web", "containerID": ""}]}});
        assert_eq!(Containers::of(POD, &started_nothing).runtime(), None);
    }
}
