//! The pod of an event: how it is addressed, read, named in messages and reported.
//!
//! Does not know what is done to it, nor which of its containers is meant.

use std::fmt;

use serde_json::Value;

use crate::artifacts::Artifact;
use crate::bindings::falco_talon::actionner::kubernetes_read;
use crate::exec::Container;
use crate::kubernetes::{self, Error, LogOptions, Object};
use crate::{Failure, Report};

/// A pod by its name. Displays as "the pod 'web-0' in the namespace 'default'".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pod<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl Pod<'_> {
    /// The sets of output fields of which [`Event::pod`](crate::Event::pod) needs one, for a
    /// description's `required_fields`.
    pub const FIELDS: &'static [&'static [&'static str]] = &[
        &["k8s.pod.name", "k8s.ns.name"],
        &["ka.target.pod.name", "ka.target.namespace"],
        &["ka.target.name", "ka.target.namespace"],
    ];

    /// Its address.
    #[must_use]
    pub fn object(&self) -> Object {
        Object::namespaced("v1", "pods", self.namespace, self.name)
    }

    /// The address of one of its containers.
    #[must_use]
    pub fn container(&self, name: &str) -> Container {
        Container { namespace: self.namespace.to_owned(), pod: self.name.to_owned(), name: name.to_owned() }
    }

    /// The pod as it is.
    pub fn read(&self) -> Result<Value, Failure> {
        kubernetes::get(&self.object()).map_err(|error| self.failure("read", &error))
    }

    /// A part of the log of one container.
    pub fn logs(&self, options: &LogOptions) -> Result<String, Error> {
        kubernetes_read::logs(self.namespace, self.name, options)
    }

    /// The same, straight into an artifact; the answer is how many bytes it was.
    pub fn logs_into(&self, options: &LogOptions, artifact: &Artifact) -> Result<u64, Error> {
        kubernetes_read::logs_into(self.namespace, self.name, options, artifact)
    }

    /// A report on it: its own words, then `rest`.
    #[must_use]
    pub fn report(&self, rest: &str) -> Report {
        self.touched(Report::new(format!("{self} {rest}")))
    }

    /// A report in words of the caller, on it.
    #[must_use]
    pub fn touched(&self, report: Report) -> Report {
        report.object("pod", self.name).object("namespace", self.namespace)
    }

    /// A failure that concerns it.
    #[must_use]
    pub fn concerned(&self, failure: Failure) -> Failure {
        failure.object("pod", self.name).object("namespace", self.namespace)
    }

    /// The failure of a call on the pod itself: "can't `verb` the pod …", or that there is none.
    #[must_use]
    pub fn failure(&self, verb: &str, error: &Error) -> Failure {
        self.concerned(Failure::from_call(verb, self, error))
    }
}

impl fmt::Display for Pod<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pod '{}' in the namespace '{}'", self.name, self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_pod_has_words_of_its_own() {
        fn check(error: &Error, expected: &str) {
            let failure = Pod { namespace: "n", name: "p" }.failure("label", error);
            assert_eq!(failure.message, expected);
            assert_eq!(failure.objects, [("pod".into(), "p".into()), ("namespace".into(), "n".into())]);
        }
        check(&Error::NotFound, "the pod 'p' in the namespace 'n' doesn't exist");
        check(&Error::Unavailable("busy".into()), "can't label the pod 'p' in the namespace 'n': busy");
    }
}
