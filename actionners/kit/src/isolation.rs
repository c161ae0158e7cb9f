//! Isolation by network policies: which pods, by which policy, and how it gets there.
//!
//! What the network policies of Kubernetes, Calico and Cilium have in common. Does not know what
//! traffic a policy denies or allows: that is each kind's own `spec`.

mod check;
mod remote;
mod selection;

use falco_talon_sdk::kubernetes::{self, ApplyOptions, Error, Object, PatchType, Written};
use falco_talon_sdk::{Failure, Outcome, Owner, Pod, Report, Workload};
use serde::Deserialize;
use serde_json::{Value, json};

pub use check::{check_cidrs, check_namespaces};
pub use remote::{REMOTE_FIELDS, REMOTE_READS, remote_cidr};
pub use selection::Selection;

/// The label that Kubernetes itself puts on every namespace.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// The label that every policy of ours has. One without it selects what somebody else chose, and
/// to add to that could be to isolate nothing.
const MANAGED_BY: &str = "app.k8s.io/managed-by";
const MANAGER: &str = "falco-talon";

/// How often a policy is tried that others change meanwhile. One of them gets through each time,
/// so this is also how many may extend one policy at once without any having to pause.
const ATTEMPTS_MAX: usize = 16;

/// The version that an apply carries where it must find nothing. The API server does not look at
/// it where it creates, and it is never the version of an object, so that what has come into
/// being meanwhile makes a conflict.
const NO_VERSION: &str = "1";

/// What a policy is for; in the parameters, a name in lower case.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The pod of the event alone.
    #[default]
    Pod,
    /// All pods of its workload.
    Workload,
}

impl Level {
    /// The parameter `level` where a rule does not say, of the actionners that isolate a workload by default.
    #[must_use]
    pub fn workload() -> Self {
        Self::Workload
    }
}

/// A kind of network policy: how it is addressed and spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyKind {
    /// As in a manifest, e.g. `networking.k8s.io/v1`.
    pub api_version: &'static str,
    /// As in a manifest, e.g. `NetworkPolicy`.
    pub kind: &'static str,
    /// Its plural, e.g. `networkpolicies`.
    pub resource: &'static str,
    /// In messages, and as the kind of the object that a report names, e.g. `networkpolicy`.
    pub noun: &'static str,
    /// How a message goes on after "the pod 'web-0' ". Falco Talon's own wording differs from
    /// kind to kind, and people search their logs for it.
    pub in_namespace: &'static str,
}

impl PolicyKind {
    /// Chooses the pods; nothing is changed yet.
    ///
    /// Reads the pod, and its workload where the level asks for it.
    pub fn select(&self, pod: Pod<'_>, level: Level) -> Result<Selection, Failure> {
        let object = pod.read()?;
        let selection = match level {
            Level::Pod => Selection::of_pod(pod, &object),
            Level::Workload => {
                let is_known = Owner::controlling(&object).is_some_and(|owner| selection::is_known(&owner));
                let workload = if is_known { Workload::of(pod, &object)? } else { None };
                match workload {
                    Some(Workload { owner, object: workload, .. }) => Selection::of_workload(&object, owner, &workload),
                    // Its labels are those of others where it likes, and it must not stay free for what it says of itself.
                    None => Selection::of_pod(pod, &object),
                }
            }
        };
        selection.map_err(|it| it.failure(pod, self.in_namespace))
    }

    /// Applies a policy that is the same whatever was there before, marks the pod, and reports.
    pub fn enforce(&self, pod: Pod<'_>, selection: &Selection, spec: Value) -> Result<Outcome, Failure> {
        let body = self.body(pod, selection, spec);
        match kubernetes::apply(&self.object(pod, selection), &body, &ApplyOptions::default()) {
            Ok(applied) => self.settle(pod, selection, &applied),
            Err(error) => Err(self.failure("apply", pod, selection, &error)),
        }
    }

    /// The same for a policy that goes on from the one that is there: `spec` makes the new one
    /// from it, or from null where there is none.
    ///
    /// The apply holds only for what was read. Two hosts that extend one policy at once don't
    /// lose what the other has added: the later one reads again.
    pub fn extend(
        &self,
        pod: Pod<'_>,
        selection: &Selection,
        spec: &dyn Fn(&Value) -> Value,
    ) -> Result<Outcome, Failure> {
        let object = self.object(pod, selection);
        let mut read_before = None;
        for _ in 0..ATTEMPTS_MAX {
            let existing = match kubernetes::get(&object) {
                Ok(existing) => existing,
                Err(Error::NotFound) => Value::Null,
                Err(error) => return Err(self.failure("read", pod, selection, &error)),
            };
            if !existing.is_null() && existing["metadata"]["labels"][MANAGED_BY] != MANAGER {
                let foreign =
                    Error::Conflict(format!("it is someone else's, without the label {MANAGED_BY}={MANAGER}"));
                return Err(self.failure("apply", pod, selection, &foreign));
            }
            let version = existing["metadata"]["resourceVersion"].as_str().unwrap_or(NO_VERSION);
            match apply_onto(&object, &self.body(pod, selection, spec(&existing)), version) {
                Ok(applied) => return self.settle(pod, selection, &applied),
                // Where nothing has changed since the last try, it is about who holds the fields.
                Err(Error::Conflict(_)) if read_before.as_deref() != Some(version) => {
                    read_before = Some(version.to_owned());
                }
                Err(error) => return Err(self.failure("apply", pod, selection, &error)),
            }
        }
        // The host pauses before it tries again.
        let busy = Error::Unavailable("others change it all the time".to_owned());
        Err(self.failure("apply", pod, selection, &busy))
    }

    /// Marks the pod, where it is to be and is not yet, and reports.
    ///
    /// The policy comes first: where it is refused, no mark stays behind that says it is there.
    fn settle(&self, pod: Pod<'_>, selection: &Selection, applied: &Written) -> Result<Outcome, Failure> {
        if let Some(mark) = &selection.mark {
            kubernetes::patch(&pod.object(), PatchType::Merge, mark)
                .map_err(|error| pod.failure("label", &error).object(self.noun, &selection.policy))?;
        }
        let done = if applied.created { "created" } else { "updated" };
        let report = Report::new(format!("{} has been {done}", self.what(pod, selection)));
        Ok(Outcome::Done(pod.touched(report).object(self.noun, &selection.policy)))
    }

    /// The whole policy, for server-side apply: the same selection and rules give the same body.
    #[must_use]
    pub fn body(&self, pod: Pod<'_>, selection: &Selection, spec: Value) -> Value {
        let mut labels = selection.labels.clone();
        labels.insert(MANAGED_BY.to_owned(), MANAGER.into());
        let owners: Vec<_> = selection.owner.iter().map(Owner::reference).collect();
        json!({
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {
                "name": selection.policy,
                "namespace": pod.namespace,
                "labels": labels,
                "ownerReferences": owners,
            },
            "spec": spec,
        })
    }

    fn object(&self, pod: Pod<'_>, selection: &Selection) -> Object {
        Object::namespaced(self.api_version, self.resource, pod.namespace, &selection.policy)
    }

    fn what(&self, pod: Pod<'_>, selection: &Selection) -> String {
        format!("the {} '{}' in the namespace '{}'", self.noun, selection.policy, pod.namespace)
    }

    fn failure(&self, verb: &str, pod: Pod<'_>, selection: &Selection, error: &Error) -> Failure {
        let what = self.what(pod, selection);
        let failure = match error {
            // A read of what is missing is no error, so the place for it is missing.
            Error::NotFound => Failure::rejected(format!(
                "can't {verb} {what}: the API server has no {} of {}, or the namespace is gone",
                self.resource, self.api_version
            )),
            _ => Failure::from_error(format_args!("can't {verb} {what}"), error),
        };
        pod.concerned(failure).object(self.noun, &selection.policy)
    }
}

fn apply_onto(object: &Object, body: &Value, version: &str) -> Result<Written, Error> {
    let mut options = ApplyOptions::default();
    options.preconditions.resource_version = Some(version.to_owned());
    match kubernetes::apply(object, body, &options) {
        // An API server of Calico's own does not create what has a version.
        Err(Error::Invalid(_)) if version == NO_VERSION => kubernetes::apply(object, body, &ApplyOptions::default()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: PolicyKind = PolicyKind {
        api_version: "projectcalico.org/v3",
        kind: "NetworkPolicy",
        resource: "networkpolicies",
        noun: "caliconetworkpolicy",
        in_namespace: "in the namespace",
    };
    const POD: Pod<'_> = Pod { namespace: "n", name: "web-0" };

    fn selection() -> Selection {
        Selection::of_pod(POD, &json!({"metadata": {"name": "web-0", "uid": "7"}})).unwrap()
    }

    #[test]
    fn the_body_is_complete() {
        let expected = json!({
            "apiVersion": "projectcalico.org/v3",
            "kind": "NetworkPolicy",
            "metadata": {
                "name": "falco-talon-web-0",
                "namespace": "n",
                "labels": {"app.k8s.io/managed-by": "falco-talon", "falco-talon.org/isolated": "web-0"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "web-0", "uid": "7"}],
            },
            "spec": {"order": 1},
        });
        assert_eq!(KIND.body(POD, &selection(), json!({"order": 1})), expected);
    }

    #[test]
    fn failures_name_the_policy() {
        fn check(error: &Error, expected: &str) {
            let failure = KIND.failure("apply", POD, &selection(), error);
            assert_eq!(failure.message, expected);
            assert_eq!(failure.objects[2], ("caliconetworkpolicy".into(), "falco-talon-web-0".into()));
        }
        let what = "can't apply the caliconetworkpolicy 'falco-talon-web-0' in the namespace 'n'";
        check(&Error::Conflict("held".into()), &format!("{what}: conflict: held"));
        check(
            &Error::NotFound,
            &format!("{what}: the API server has no networkpolicies of projectcalico.org/v3, or the namespace is gone"),
        );
    }
}
