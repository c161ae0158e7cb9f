//! The objects that an event is about: all that the narrowest scope lets an actionner touch.
//!
//! They are the pod and the object of the audit record that the event names, and then what
//! these name themselves, once they were read for the same event: the controllers above them, and
//! the node of a pod. Each call starts again from the event. What an object says of others is only
//! a claim: a controller is a target once it was read and is what was claimed, and the pod of the
//! event once it is the one that the event saw.

mod incarnation;
mod owner;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;

use rules::{AuditTarget, Event};
use serde_json::{Map, Value};

use super::uids::Uids;
use crate::address::{
    Address, ObjectId, check_name, check_namespace, check_place, check_resource, known, known_by_plural,
};
use incarnation::Incarnation;
use owner::Claim;

/// Kubernetes itself makes chains of three: a pod, its job, and the cron job.
const OWNERS_MAX: usize = 8;

/// Nearly ten times the pods that a node has by default.
const ON_NODE_MAX: usize = 1_000;

/// An object that an event is about. Only a step that verified it makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which object.
    pub object: ObjectId,
    /// Its `metadata.uid`, once it was read.
    pub uid: Option<String>,
    /// How it is known that the event is about it.
    pub learnt: Learnt,
}

/// How it is known that an event is about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learnt {
    /// The event names it.
    Named,
    /// A pod that the event is about runs on it.
    NodeOfPod,
    /// It was read, and controls what the event is about.
    Controller,
}

/// An object has the name of a target, and is another: the one that the event is about is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Which object.
    pub object: ObjectId,
    /// What the event has to do with it.
    pub learnt: Learnt,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(formatter)
    }
}

/// The objects that one event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    objects: Vec<Target>,
    /// Which pod of its name the event has seen.
    incarnation: Incarnation,
    /// What attempts before have found.
    expected: Uids,
    /// The controllers that targets say they have, and that were not read yet.
    claims: Vec<Claim>,
    /// Those of the objects that the event itself names.
    namespaces: Vec<String>,
    /// The pods of a node among the objects, once they were listed.
    on_node: HashSet<ObjectId>,
    /// What these say that controls them.
    claimed_on_node: HashSet<ObjectId>,
    refused: Vec<String>,
}

impl Targets {
    /// What the event names: its pod, and the object of its audit record.
    ///
    /// What can't be a name is not a target, and is reported by [`Targets::refused`]. The group of
    /// the object of an audit record is that of the request's path; where the record has none,
    /// the object counts only if the resource is one of Kubernetes' own.
    pub fn of(event: &Event) -> Targets {
        let mut targets = Targets { incarnation: Incarnation::of(event), ..Targets::default() };
        if let Some(pod) = event.pod() {
            targets.add_named("", "pods", Some(pod.namespace), pod.name);
        }
        if let Some(target) = event.audit_target() {
            targets.add_audited(&target, event.text("ka.uri").and_then(group_of_uri));
        }
        targets
    }

    /// Take in an object that was read at `address`: what it is, and what it names itself.
    ///
    /// If it is not a target it teaches nothing, or an actionner could walk from any object that
    /// it may read to any other.
    ///
    /// # Errors
    ///
    /// Where it is not the one that the event is about, but another of its name.
    pub fn learn(&mut self, address: &Address<'_>, object: &Value) -> Result<(), Replaced> {
        let Some(id) = ObjectId::at(address).filter(|_| address.subresource().is_none()) else { return Ok(()) };
        let uid = object["metadata"]["uid"].as_str();
        let labels = if let Some(known) = self.objects.iter_mut().find(|known| known.object == id) {
            let is_pod = id.group.is_empty() && id.resource == "pods";
            let before = known.uid.as_deref().or_else(|| self.expected.get(&id));
            let is_other = before.is_some_and(|before| uid != Some(before));
            if is_other || (is_pod && known.learnt == Learnt::Named && !self.incarnation.can_be(object)) {
                return Err(Replaced { object: id, learnt: known.learnt });
            }
            known.uid = uid.map(str::to_owned);
            if known.learnt != Learnt::Named {
                return Ok(());
            }
            if is_pod && let Some(node) = object["spec"]["nodeName"].as_str() {
                self.add(ObjectId::new("", "nodes", None, node), None, Learnt::NodeOfPod);
            }
            object["metadata"]["labels"].as_object().cloned().unwrap_or_default()
        } else {
            let claim = self.claims.iter().position(|claim| claim.owner == id && claim.is_true_of(object));
            let Some(claim) = claim.map(|index| self.claims.swap_remove(index)) else { return Ok(()) };
            if self.expected.get(&id).is_some_and(|before| uid != Some(before)) {
                return Err(Replaced { object: id, learnt: Learnt::Controller });
            }
            self.add(id.clone(), uid, Learnt::Controller);
            claim.into_labels()
        };
        self.claim(&id, object, labels);
        Ok(())
    }

    /// Take in the uid of the object at `address`, which was written: if it is a target, no other of its name is.
    pub fn note_written(&mut self, address: &Address<'_>, uid: &str) {
        let Some(id) = ObjectId::at(address).filter(|_| address.subresource().is_none()) else { return };
        if let Some(known) = self.objects.iter_mut().find(|known| known.object == id)
            && known.uid.is_none()
            && !uid.is_empty()
        {
            known.uid = Some(uid.to_owned());
        }
    }

    /// The uid that an object must have to be the target of this name, where that is known.
    pub fn uid(&self, object: &ObjectId) -> Option<&str> {
        let known = self.objects.iter().find(|known| known.object == *object)?;
        known.uid.as_deref().or_else(|| self.expected.get(object))
    }

    /// Whether the object with this uid has the name of one that an attempt before has found, and is another.
    pub fn is_another(&self, object: &ObjectId, uid: &str) -> bool {
        self.expected.get(object).is_some_and(|expected| expected != uid)
    }

    /// Which objects were found, in this attempt and in those before.
    pub fn uids(&self) -> Uids {
        let mut uids = Uids::default();
        for Target { object, uid, .. } in &self.objects {
            if let Some(uid) = uid {
                uids.add(object, uid);
            }
        }
        for (object, uid) in self.expected.iter() {
            uids.add(object, uid);
        }
        uids
    }

    pub(super) fn expect(&mut self, uids: Uids) {
        self.expected = uids;
    }

    /// Take in a list of the pods that are on a node among the targets, and return how many there were no room for.
    ///
    /// They are reached by grants of that scope alone, which let what controls them be read, too. The
    /// namespaces that they lie in are none of the event's.
    pub fn learn_pods_of_node(&mut self, pods: &[Value]) -> usize {
        let mut left_out = 0;
        for pod in pods {
            let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
            let (Some(node), Some(namespace), Some(name)) =
                (text("/spec/nodeName"), text("/metadata/namespace"), text("/metadata/name"))
            else {
                continue;
            };
            if !self.contains("", "nodes", None, node) || check_name(name).is_err() {
                continue;
            }
            let pod_id = ObjectId::new("", "pods", Some(namespace), name);
            if self.on_node.len() >= ON_NODE_MAX && !self.on_node.contains(&pod_id) {
                left_out += 1;
                continue;
            }
            let claim = Claim::of(&pod_id, pod, Map::new());
            self.on_node.insert(pod_id);
            self.claimed_on_node.extend(claim.map(|claim| claim.owner));
        }
        left_out
    }

    /// Whether an object is a pod that was listed as one on the node of the event.
    pub fn is_on_node(&self, group: &str, resource: &str, namespace: Option<&str>, name: &str) -> bool {
        self.on_node.contains(&ObjectId::new(group, resource, namespace, name))
    }

    /// Whether an object is said to control a pod on the node of the event: enough to read it, and for nothing else.
    pub fn is_claimed_on_node(&self, group: &str, resource: &str, namespace: Option<&str>, name: &str) -> bool {
        self.claimed_on_node.contains(&ObjectId::new(group, resource, namespace, name))
    }

    /// Whether an object is one of the targets.
    pub fn contains(&self, group: &str, resource: &str, namespace: Option<&str>, name: &str) -> bool {
        self.objects.iter().any(|target| target.object.is(group, resource, namespace, name))
    }

    /// Whether a target says that this object controls it: enough to read it, and for nothing else.
    pub fn is_claimed(&self, group: &str, resource: &str, namespace: Option<&str>, name: &str) -> bool {
        self.claims.iter().any(|claim| claim.owner.is(group, resource, namespace, name))
    }

    /// Whether an object that the event names lies in a namespace.
    pub fn has_namespace(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|known| known == namespace)
    }

    /// The targets known by now, those that the event names first.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.objects.iter()
    }

    /// The pod that the event names, as `namespace/name`.
    pub fn named_pod(&self) -> Option<String> {
        let is_pod = |target: &&Target| {
            target.learnt == Learnt::Named && target.object.group.is_empty() && target.object.resource == "pods"
        };
        let ObjectId { namespace, name, .. } = &self.objects.iter().find(is_pod)?.object;
        Some(format!("{}/{name}", namespace.as_deref().unwrap_or_default()))
    }

    /// The namespaces of what the event names.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.iter().map(String::as_str)
    }

    /// What the event names that can be no object, each with the reason, fit for a log.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    fn add_audited(&mut self, target: &AuditTarget<'_>, group: Option<&str>) {
        if let Err(error) = check_resource(group.unwrap_or_default(), target.resource, None) {
            self.refused.push(error.to_string());
            return;
        }
        let known_there = group.map_or_else(|| known_by_plural(target.resource), |group| known(group, target.resource));
        if let (Some(group), None) = (group, known_there) {
            // Whether others' resources lie in a namespace, only the record says.
            self.add_named(group, target.resource, target.namespace, target.name);
            return;
        }
        let Some(known) = known_there else {
            let resource = target.resource;
            self.refused.push(format!(
                "{resource}: an audit record names no group, and Kubernetes itself has no such resource"
            ));
            return;
        };
        // Falco names a namespace also for what lies in none.
        let namespace = target.namespace.filter(|_| known.in_namespace);
        if let Err(error) = check_place(known.group, known.resource, namespace, false) {
            self.refused.push(error.to_string());
            return;
        }
        self.add_named(known.group, known.resource, namespace, target.name);
    }

    fn add_named(&mut self, group: &str, resource: &str, namespace: Option<&str>, name: &str) {
        let checked = namespace.map_or(Ok(()), check_namespace).and_then(|()| check_name(name));
        if let Err(error) = checked {
            self.refused.push(format!("{resource}: {error}"));
            return;
        }
        if let Some(namespace) = namespace
            && !self.has_namespace(namespace)
        {
            self.namespaces.push(namespace.to_owned());
        }
        self.add(ObjectId::new(group, resource, namespace, name), None, Learnt::Named);
    }

    /// Names of nodes are checked like all others: they may come from an aggregated API server,
    /// which need not check them.
    fn add(&mut self, object: ObjectId, uid: Option<&str>, learnt: Learnt) {
        if check_name(&object.name).is_ok() && !self.objects.iter().any(|known| known.object == object) {
            self.objects.push(Target { object, uid: uid.map(str::to_owned), learnt });
        }
    }

    fn claim(&mut self, claimant: &ObjectId, object: &Value, labels: Map<String, Value>) {
        let Some(claim) = Claim::of(claimant, object, labels) else { return };
        self.claims.retain(|earlier| earlier.owner != claim.owner);
        if self.claims.len() == OWNERS_MAX {
            // What was said before is not so any more.
            self.claims.remove(0);
        }
        self.claims.push(claim);
    }
}

/// `apps` of `/apis/apps/v1/namespaces/…`, empty of `/api/v1/…`.
fn group_of_uri(uri: &str) -> Option<&str> {
    let path = uri.split('?').next().unwrap_or_default();
    let mut steps = path.strip_prefix('/')?.split('/');
    match (steps.next()?, steps.next()?) {
        ("api", _) => Some(""),
        ("apis", group) => Some(group),
        _ => None,
    }
}
