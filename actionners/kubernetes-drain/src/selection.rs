//! Which pods of a node are evicted, and why the others stay.
//!
//! Workloads are read through a function that the caller gives, so that all of this is decided
//! without a cluster. Does not evict anything.

use falco_talon_kit::replicas::{Sparing, Verdict};
use falco_talon_sdk::kubernetes::{Error, Object};
use falco_talon_sdk::{Owner, Pod};
use serde_json::{Value, json};

use crate::conclusion::{Stay, Why, reason};

/// By this annotation the API server shows pods that a node runs on its own account.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A pod on the node, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: Option<String>,
    owner: Option<Owner>,
    /// As much of it as confirms its owner.
    labels: Value,
    is_mirror: bool,
    /// It has ended, or is about to: it serves nobody any more.
    is_leaving: bool,
    is_ready: bool,
}

impl Candidate {
    /// None for what has no name.
    fn of(object: &Value) -> Option<Self> {
        let metadata = &object["metadata"];
        let text = |key: &str| metadata[key].as_str().map(str::to_owned);
        let has_ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        Some(Self {
            namespace: text("namespace")?,
            name: text("name")?,
            uid: text("uid"),
            owner: Owner::controlling(object),
            labels: json!({"metadata": {"labels": metadata["labels"]}}),
            is_mirror: metadata["annotations"].get(MIRROR).is_some(),
            is_leaving: has_ended || metadata["deletionTimestamp"].is_string(),
            is_ready: conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True"),
        })
    }

    pub(crate) fn pod(&self) -> Pod<'_> {
        Pod { namespace: &self.namespace, name: &self.name }
    }
}

/// The pods on the node, `first` before all others: where not all replicas may go, it is the
/// suspicious one that should.
pub(crate) fn candidates(pods: &[Value], first: Pod<'_>) -> Vec<Candidate> {
    let mut candidates: Vec<_> = pods.iter().filter_map(Candidate::of).collect();
    if let Some(index) = candidates.iter().position(|it| it.pod() == first) {
        candidates[..=index].rotate_right(1);
    }
    candidates
}

/// What is to become of the pods on the node.
#[derive(Debug, PartialEq)]
pub(crate) struct Selection {
    pub(crate) evict: Vec<Candidate>,
    pub(crate) stay: Vec<Stay>,
}

impl Selection {
    /// `host_namespace` is where Falco Talon itself runs, if that is known.
    pub(crate) fn of(
        candidates: Vec<Candidate>,
        sparing: Sparing,
        host_namespace: Option<&str>,
        workloads: &mut Workloads<'_>,
    ) -> Self {
        let mut selection = Self { evict: Vec::new(), stay: Vec::new() };
        for candidate in candidates {
            match reason_to_stay(&candidate, sparing, host_namespace, workloads) {
                None => selection.evict.push(candidate),
                Some(why) => selection.stay.push(Stay { pod: candidate.pod().to_string(), why }),
            }
        }
        selection
    }
}

fn reason_to_stay(
    candidate: &Candidate,
    sparing: Sparing,
    host_namespace: Option<&str>,
    workloads: &mut Workloads<'_>,
) -> Option<Why> {
    if candidate.is_mirror {
        return Some(Why::Ignored("is a mirror pod, which only its node can remove".to_owned()));
    }
    // The policy protects that namespace, so that to ask would only be a denial in the log.
    if host_namespace == Some(candidate.namespace.as_str()) {
        return Some(Why::Ignored("is in the namespace of Falco Talon itself".to_owned()));
    }
    let reason = match sparing.judge(&candidate.namespace, candidate.owner.as_ref()) {
        Verdict::Take => None,
        Verdict::Spare(reason) => Some(reason),
        Verdict::Read(address) => match workloads.reason(address, sparing, candidate) {
            Ok(reason) => reason,
            Err(why) => return Some(why),
        },
    };
    reason.map(|reason| Why::Ignored(reason.to_owned()))
}

/// The workloads that were looked at, each read once and counted down from there.
pub(crate) struct Workloads<'a> {
    known: Vec<Workload>,
    read: &'a mut dyn FnMut(&Object) -> Result<Value, Error>,
}

struct Workload {
    address: Object,
    object: Result<Value, Error>,
    /// How many of its ready pods are to be evicted.
    taken: u64,
}

impl<'a> Workloads<'a> {
    /// None is known yet.
    pub(crate) fn new(read: &'a mut dyn FnMut(&Object) -> Result<Value, Error>) -> Self {
        Self { known: Vec::new(), read }
    }

    /// Why a pod is spared for its workload, if it is; if not, it is counted as one that goes.
    fn reason(
        &mut self,
        address: Object,
        sparing: Sparing,
        candidate: &Candidate,
    ) -> Result<Option<&'static str>, Why> {
        let workload = self.at(address);
        let (object, owner) = match (&workload.object, &candidate.owner) {
            (Ok(object), Some(owner)) if owner.is_confirmed_by(object, &candidate.labels) => (object, owner),
            (Ok(_) | Err(Error::NotFound), _) => return Ok(sparing.standalone()),
            (Err(error), _) => {
                let Object { resource, name, .. } = &workload.address;
                let doing = format!("stays since the {resource} '{name}' can't be read");
                return Err(Why::Other(reason(&doing, error)));
            }
        };
        let counted = Sparing { min_healthy: sparing.min_healthy.filter(|_| !candidate.is_leaving), ..sparing };
        let reason = counted.reason(owner, object, workload.taken);
        if reason.is_none() && counted.min_healthy.is_some() && candidate.is_ready {
            workload.taken += 1;
        }
        Ok(reason)
    }

    /// Whether a DaemonSet would make a pod anew on the same node.
    pub(crate) fn is_of_daemonset(&mut self, candidate: &Candidate) -> bool {
        let owner = candidate.owner.as_ref().filter(|owner| owner.is("apps", "DaemonSet"));
        let Some((owner, address)) = owner.and_then(|owner| Some((owner, owner.object(&candidate.namespace)?))) else {
            return false;
        };
        let object = &self.at(address).object;
        object.as_ref().is_ok_and(|object| owner.is_confirmed_by(object, &candidate.labels))
    }

    fn at(&mut self, address: Object) -> &mut Workload {
        let index = self.known.iter().position(|it| it.address == address).unwrap_or_else(|| {
            let object = (self.read)(&address);
            self.known.push(Workload { address, object, taken: 0 });
            self.known.len() - 1
        });
        &mut self.known[index]
    }
}

#[cfg(test)]
mod tests {
    use falco_talon_kit::replicas::MinHealthy;

    use super::*;

    const EVENT: Pod<'_> = Pod { namespace: "shop", name: "web-2" };

    fn pod(name: &str, owner: Option<(&str, &str)>) -> Value {
        let owners = owner.map(
            |(kind, name)| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": true}]),
        );
        json!({
            "metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"), "labels": {"app": "web"}, "ownerReferences": owners},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        })
    }

    fn workload(replicas: u32, ready: u32) -> Value {
        json!({
            "metadata": {"uid": "1"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}},
            "status": {"readyReplicas": ready},
        })
    }

    fn with(mut pod: Value, pointer: &str, value: Value) -> Value {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        pod.pointer_mut(parent).unwrap()[key] = value;
        pod
    }

    /// The names of those that go, in their order, and the reasons of those that stay.
    fn select(pods: &[Value], sparing: Sparing, workload: Result<Value, Error>) -> (Vec<String>, Vec<String>) {
        let mut reads = 0;
        let mut read = |_: &Object| {
            reads += 1;
            workload.clone()
        };
        let mut workloads = Workloads::new(&mut read);
        let selection = Selection::of(candidates(pods, EVENT), sparing, Some("falco"), &mut workloads);
        assert!(reads <= 1, "a workload is read once");
        let stay = selection.stay.iter().map(|it| it.why.text().to_owned());
        (selection.evict.into_iter().map(|it| it.name).collect(), stay.collect())
    }

    #[test]
    fn some_pods_stay_where_they_are() {
        fn check(pod: Value, sparing: Sparing, expected: Option<&str>) {
            let (gone, stay) = select(&[pod], sparing, Ok(workload(1, 1)));
            assert_eq!(stay, Vec::from_iter(expected));
            assert_eq!(gone.len(), usize::from(expected.is_none()));
        }
        let nothing = Sparing::default();
        let daemonsets = Sparing { daemonsets: true, ..nothing };
        let statefulsets = Sparing { statefulsets: true, ..nothing };
        let of_daemonset = || pod("web-1", Some(("DaemonSet", "web")));
        let of_statefulset = || pod("web-1", Some(("StatefulSet", "web")));
        let mirror = with(pod("web-1", None), "/metadata/annotations", json!({ MIRROR: "hash" }));
        let own = with(pod("web-1", None), "/metadata/namespace", json!("falco"));
        check(pod("web-1", None), nothing, None);
        check(mirror, nothing, Some("is a mirror pod, which only its node can remove"));
        check(own, nothing, Some("is in the namespace of Falco Talon itself"));
        check(of_daemonset(), nothing, None);
        check(of_daemonset(), daemonsets, Some("belongs to a DaemonSet"));
        check(of_statefulset(), daemonsets, None);
        check(of_statefulset(), statefulsets, Some("belongs to a StatefulSet"));
        check(with(pod("web-1", None), "/status/phase", json!("Succeeded")), daemonsets, None);
        // What a pod says of itself spares it from nothing.
        let claimed = |pointer, value| with(of_daemonset(), pointer, value);
        check(claimed("/metadata/ownerReferences/0/uid", json!("2")), daemonsets, None);
        check(claimed("/metadata/ownerReferences/0/controller", json!(false)), daemonsets, None);
        check(claimed("/metadata/labels", json!({"app": "other"})), daemonsets, None);
    }

    #[test]
    fn an_owner_that_does_not_exist_spares_nothing() {
        let pods = [pod("web-1", Some(("DaemonSet", "web")))];
        let (gone, stay) = select(&pods, Sparing { daemonsets: true, ..Sparing::default() }, Err(Error::NotFound));
        assert_eq!((gone.len(), stay.len()), (1, 0));
    }

    fn min_healthy(min_healthy: MinHealthy) -> Sparing {
        Sparing { min_healthy: Some(min_healthy), ..Sparing::default() }
    }

    #[test]
    fn replicas_go_until_too_few_would_be_left() {
        fn check(given: MinHealthy, gone: &[&str]) {
            let of_web = Some(("ReplicaSet", "web"));
            let pods = [pod("web-1", of_web), pod("web-2", of_web), pod("web-3", of_web), pod("alone", None)];
            let (found, stay) = select(&pods, min_healthy(given), Ok(workload(4, 4)));
            assert_eq!(found, gone);
            let reason = "belongs to a ReplicaSet without enough healthy replicas";
            assert_eq!(stay, vec![reason; pods.len() - gone.len()]);
        }
        // The pod of the event has the first turn.
        check(MinHealthy::Number(0), &["web-2", "web-1", "web-3", "alone"]);
        check(MinHealthy::Number(3), &["web-2", "web-1", "alone"]);
        check(MinHealthy::Number(4), &["web-2", "alone"]);
        check(MinHealthy::Number(5), &["alone"]);
        check(MinHealthy::Percentage(50), &["web-2", "web-1", "web-3", "alone"]);
        check(MinHealthy::Percentage(75), &["web-2", "web-1", "alone"]);
        check(MinHealthy::Percentage(100), &["web-2", "alone"]);
    }

    #[test]
    fn only_healthy_pods_are_counted() {
        let of_web = Some(("ReplicaSet", "web"));
        let unready = with(pod("web-1", of_web), "/status/conditions", json!([]));
        let finished = with(pod("web-3", of_web), "/status/phase", json!("Failed"));
        let leaving = with(pod("web-4", of_web), "/metadata/deletionTimestamp", json!("2025-11-22T13:24:41Z"));
        let pods = [unready, pod("web-2", of_web), finished, leaving, pod("web-5", of_web)];
        let (gone, stay) = select(&pods, min_healthy(MinHealthy::Number(1)), Ok(workload(4, 2)));
        assert_eq!((gone.len(), stay.len()), (5, 0));
        let (gone, stay) = select(&pods, min_healthy(MinHealthy::Number(2)), Ok(workload(4, 2)));
        assert_eq!(gone, ["web-2", "web-3", "web-4"]);
        assert_eq!(stay.len(), 2);
    }

    #[test]
    fn pods_of_an_unreadable_workload_stay() {
        let pods = [pod("web-1", Some(("ReplicaSet", "web"))), pod("web-3", Some(("ReplicaSet", "web")))];
        let (gone, stay) = select(&pods, min_healthy(MinHealthy::Number(1)), Err(Error::Unavailable("busy".into())));
        assert_eq!(gone, [""; 0]);
        assert_eq!(stay, ["stays since the replicasets 'web' can't be read: busy"; 2]);
    }
}
