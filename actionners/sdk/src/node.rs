//! A node of the cluster: how it is found, addressed, named in messages and reported.
//!
//! Does not know the pods that run on it.

use std::fmt;

use serde_json::{Value, json};

use crate::kubernetes::{self, Error, Object, PatchType};
use crate::{Failure, Pod, Report};

/// A node by its name. Displays as "the node 'node-1'".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a> {
    /// Its name.
    pub name: &'a str,
}

impl<'a> Node<'a> {
    /// The node that a pod runs on; `object` is the pod as it was read.
    pub fn of(pod: Pod<'_>, object: &'a Value) -> Result<Self, Failure> {
        let name = object["spec"]["nodeName"].as_str().filter(|name| !name.is_empty());
        let missing = || pod.concerned(Failure::rejected(format!("{pod} is not scheduled on a node")));
        name.map(|name| Self { name }).ok_or_else(missing)
    }

    /// Its address.
    #[must_use]
    pub fn object(&self) -> Object {
        Object::node(self.name)
    }

    /// Keeps new pods away from it. Doing so twice changes nothing more.
    pub fn cordon(&self) -> Result<(), Failure> {
        let body = json!({ "spec": { "unschedulable": true } });
        let patched = kubernetes::patch(&self.object(), PatchType::Merge, &body);
        patched.map(|_| ()).map_err(|error| self.failure("cordon", &error))
    }

    /// A report on it: its own words, then `rest`.
    #[must_use]
    pub fn report(&self, rest: &str) -> Report {
        Report::new(format!("{self} {rest}")).object("node", self.name)
    }

    /// A failure that concerns it.
    #[must_use]
    pub fn concerned(&self, failure: Failure) -> Failure {
        failure.object("node", self.name)
    }

    /// The failure of a call on the node itself: "can't `verb` the node …", or that there is none.
    #[must_use]
    pub fn failure(&self, verb: &str, error: &Error) -> Failure {
        self.concerned(Failure::from_call(verb, self, error))
    }
}

impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the node '{}'", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_is_that_of_the_pod() {
        fn check(pod: &Value, expected: Result<&str, &str>) {
            let name = Pod { namespace: "n", name: "p" };
            let node = Node::of(name, pod).map(|node| node.name).map_err(|failure| failure.message);
            assert_eq!(node, expected.map_err(str::to_owned));
        }
        let missing = "the pod 'p' in the namespace 'n' is not scheduled on a node";
        check(&json!({"spec": {"nodeName": "node-1"}}), Ok("node-1"));
        check(&json!({"spec": {"nodeName": ""}}), Err(missing));
        check(&json!({"spec": {}}), Err(missing));
    }

    #[test]
    fn a_missing_node_has_words_of_its_own() {
        fn check(error: &Error, expected: &str) {
            let failure = Node { name: "node-1" }.failure("cordon", error);
            assert_eq!(failure.message, expected);
            assert_eq!(failure.objects, [("node".into(), "node-1".into())]);
        }
        check(&Error::NotFound, "the node 'node-1' doesn't exist");
        check(&Error::Unavailable("busy".into()), "can't cordon the node 'node-1': busy");
    }
}
