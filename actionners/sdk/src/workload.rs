//! The workload that controls a pod: how it is found, addressed, named in messages and reported.
//!
//! Does not know what is done to it.

use std::fmt;

use serde_json::Value;

use crate::kubernetes::{self, Error, Object, Preconditions};
use crate::{Failure, Owner, Pod, Report};

/// The longest way that Kubernetes itself makes is from a pod over a job to a cron job.
const STEPS_MAX: usize = 4;

/// A workload as it was read. Displays as "the Deployment 'web' in the namespace 'default'".
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// What it is.
    pub owner: Owner,
    /// As it was read.
    pub object: Value,
    address: Object,
}

impl Workload {
    /// The last of the workloads above a pod, each of which controls the one before: that of a Deployment is the
    /// Deployment, and not its ReplicaSet. None where nothing controls the pod, or nothing of Kubernetes itself.
    ///
    /// `object` is the pod as it was read. Anyone who may write an object may write what its owners are, so an owner
    /// counts only where it controls and is [confirmed](Owner::is_confirmed_by).
    pub fn of(pod: Pod<'_>, object: &Value) -> Result<Option<Self>, Failure> {
        Self::above(pod, object, kubernetes::get)
    }

    fn above(
        pod: Pod<'_>,
        object: &Value,
        read: impl Fn(&Object) -> Result<Value, Error>,
    ) -> Result<Option<Self>, Failure> {
        let mut found: Option<Self> = None;
        for _ in 0..STEPS_MAX {
            let below = found.as_ref().map_or(object, |workload| &workload.object);
            let Some(owner) = Owner::controlling(below) else { break };
            // A cron job makes jobs and no pods, and nothing else shows whether it owns what says so.
            let is_of_pod = found.is_none() && owner.is("batch", "CronJob");
            let Some(address) = owner.object(pod.namespace).filter(|_| !is_of_pod) else { break };
            match read(&address) {
                Ok(read) if owner.is_confirmed_by(&read, object) => found = Some(Self { owner, object: read, address }),
                Ok(_) | Err(Error::NotFound) => break,
                Err(error) => {
                    let Owner { kind, name, .. } = &owner;
                    let doing = format!("can't read the {kind} '{name}' of {pod}");
                    return Err(pod.concerned(Failure::from_error(doing, &error)));
                }
            }
        }
        Ok(found)
    }

    /// Its address.
    #[must_use]
    pub fn object(&self) -> Object {
        self.address.clone()
    }

    /// The address of a part of it, e.g. `scale`.
    #[must_use]
    pub fn part(&self, subresource: &str) -> Object {
        let mut address = self.object();
        address.resource = format!("{}/{subresource}", address.resource);
        address
    }

    /// That it is still the one that was read, whatever others have changed of it.
    #[must_use]
    pub fn still(&self) -> Preconditions {
        Preconditions::uid(Some(self.owner.uid.as_str()))
    }

    /// A report on it: its own words, then `rest`.
    #[must_use]
    pub fn report(&self, rest: &str) -> Report {
        let report = Report::new(format!("{self} {rest}")).object(&self.kind(), self.owner.name.as_str());
        report.object("namespace", self.namespace())
    }

    /// A failure that concerns it.
    #[must_use]
    pub fn concerned(&self, failure: Failure) -> Failure {
        failure.object(&self.kind(), self.owner.name.as_str()).object("namespace", self.namespace())
    }

    /// The failure of a call on the workload itself: "can't `verb` the Deployment …", or that there is none.
    #[must_use]
    pub fn failure(&self, verb: &str, error: &Error) -> Failure {
        self.concerned(Failure::from_call(verb, self, error))
    }

    fn kind(&self) -> String {
        self.owner.kind.to_lowercase()
    }

    fn namespace(&self) -> &str {
        self.address.namespace.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} '{}' in the namespace '{}'", self.owner.kind, self.owner.name, self.namespace())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const POD: Pod<'_> = Pod { namespace: "shop", name: "web-0" };

    fn owned(uid: &str, api_version: &str, kind: &str, owner: &str, controller: bool) -> Value {
        let owner =
            json!({"apiVersion": api_version, "kind": kind, "name": owner, "uid": owner, "controller": controller});
        json!({
            "metadata": {"uid": uid, "labels": {"app": "web"}, "ownerReferences": [owner]},
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
        })
    }

    #[test]
    fn the_last_controller_that_was_read_is_it() {
        fn check(pod: &Value, expected: Option<&str>) {
            let read = |object: &Object| match object.name.as_str() {
                "set" => Ok(owned("set", "apps/v1", "Deployment", "web", true)),
                "web" | "other" => {
                    Ok(json!({"metadata": {"uid": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}}))
                }
                "payments" => Ok(
                    json!({"metadata": {"uid": "payments"}, "spec": {"selector": {"matchLabels": {"app": "payments"}}}}),
                ),
                "orphan" => Ok(owned("orphan", "apps/v1", "Deployment", "gone", true)),
                "database" => Ok(owned("database", "acme.example/v1", "Database", "db", true)),
                "ring" => Ok(owned("ring", "apps/v1", "ReplicaSet", "ring", true)),
                _ => Err(Error::NotFound),
            };
            let workload = Workload::above(POD, pod, read).unwrap();
            assert_eq!(workload.map(|it| it.owner.name).as_deref(), expected);
        }
        let owned = |kind, owner, controller| owned("pod", "apps/v1", kind, owner, controller);
        check(&owned("ReplicaSet", "set", true), Some("web"));
        check(&owned("ReplicaSet", "set", false), None);
        // Its uid is that of another.
        check(&owned("Deployment", "other", true), None);
        // It selects others.
        check(&owned("Deployment", "payments", true), None);
        check(&owned("ReplicaSet", "orphan", true), Some("orphan"));
        check(&owned("StatefulSet", "database", true), Some("database"));
        check(&owned("ReplicaSet", "ring", true), Some("ring"));
        check(&owned("ReplicaSet", "missing", true), None);
        check(&json!({}), None);
    }

    #[test]
    fn what_can_not_be_read_is_named() {
        let pod = owned("pod", "apps/v1", "ReplicaSet", "set", true);
        let failure = Workload::above(POD, &pod, |_| Err(Error::Unavailable("busy".to_owned()))).unwrap_err();
        assert_eq!(failure.message, "can't read the ReplicaSet 'set' of the pod 'web-0' in the namespace 'shop': busy");
    }

    #[test]
    fn it_has_words_and_an_address_of_its_own() {
        let object = json!({"metadata": {"name": "web", "uid": "1"}});
        let owner = Owner::from_object(&object, "apps/v1", "Deployment").unwrap();
        let address = owner.object("shop").unwrap();
        let workload = Workload { owner, object, address };
        assert_eq!(workload.part("scale").resource, "deployments/scale");
        assert_eq!(workload.still().uid.as_deref(), Some("1"));
        let report = workload.report("has been restarted");
        assert_eq!(report.message, "the Deployment 'web' in the namespace 'shop' has been restarted");
        assert_eq!(report.objects, [("deployment".into(), "web".into()), ("namespace".into(), "shop".into())]);
        let failure = workload.failure("restart", &Error::NotFound);
        assert_eq!(failure.message, "the Deployment 'web' in the namespace 'shop' doesn't exist");
    }
}
