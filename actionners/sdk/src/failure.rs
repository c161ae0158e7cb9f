//! How an action ends: reports, and what the error of a capability means for it.
//!
//! Does not know what the host does about a failure beyond what its kind says.

use std::fmt::Display;

use serde_json::Value;

use crate::exec::Exit;
use crate::kubernetes::Error;
use crate::{Failure, FailureKind, Report, text};

impl Report {
    /// A report of one sentence, on no object yet.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), objects: Vec::new(), details: None }
    }

    /// Adds an object that was touched; `kind` is in lower case.
    #[must_use]
    pub fn object(mut self, kind: &str, name: impl Into<String>) -> Self {
        self.objects.push((kind.to_owned(), name.into()));
        self
    }
}

impl Report {
    /// Adds what was found out, for what comes after the action: a JSON object.
    #[must_use]
    pub fn details(mut self, details: &Value) -> Self {
        self.details = Some(details.to_string());
        self
    }
}

impl Failure {
    /// This event with these parameters can never succeed.
    pub fn rejected(message: impl Into<String>) -> Self {
        Self::of_kind(FailureKind::Rejected, message)
    }

    /// Something was unavailable: the host tries again.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::of_kind(FailureKind::Unavailable, message)
    }

    /// It may have been carried out: the host tries again only what is `repeatable`.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::of_kind(FailureKind::Unknown, message)
    }

    /// Any other failure: the host does not try again.
    pub fn other(message: impl Into<String>) -> Self {
        Self::of_kind(FailureKind::Other, message)
    }

    /// What `error` makes of an action, reported as "`doing`: the reason".
    pub fn from_error(doing: impl Display, error: &Error) -> Self {
        let (kind, reason) = match error {
            Error::Denied(text) => (FailureKind::Rejected, format!("denied by the policy: {text}")),
            Error::NotFound => (FailureKind::Rejected, "it doesn't exist".to_owned()),
            Error::Conflict(text) => (FailureKind::Other, format!("conflict: {text}")),
            Error::Invalid(text) => (FailureKind::Rejected, text.clone()),
            Error::TooLarge => (FailureKind::Other, "the answer is too large".to_owned()),
            Error::Timeout => (FailureKind::Other, "the time ran out before it was carried out".to_owned()),
            Error::Unknown(text) => (FailureKind::Unknown, format!("it may have been carried out: {text}")),
            Error::Unavailable(text) => (FailureKind::Unavailable, text.clone()),
            Error::Other(text) => (FailureKind::Other, text.clone()),
        };
        Self::of_kind(kind, format!("{doing}: {reason}"))
    }

    /// What the `error` of a call on one object makes of an action: "can't `verb` `object`: the reason", or that
    /// there is no such object.
    pub fn from_call(verb: &str, object: &dyn Display, error: &Error) -> Self {
        match error {
            Error::NotFound => Self::rejected(format!("{object} doesn't exist")),
            _ => Self::from_error(format_args!("can't {verb} {object}"), error),
        }
    }

    /// What a command that failed makes of an action: that `what` ended with its exit code, and the beginning of
    /// what it wrote to its standard error.
    pub fn from_exit(what: impl Display, exit: &Exit) -> Self {
        let said = text::plain(&exit.stderr);
        let said = if said.is_empty() { said } else { format!(": {}", text::beginning(&said, text::BYTES_MAX / 8)) };
        Self::other(format!("{what} ended with the exit code {}{said}", exit.code))
    }

    /// Adds an object concerned; `kind` is in lower case.
    #[must_use]
    pub fn object(mut self, kind: &str, name: impl Into<String>) -> Self {
        self.objects.push((kind.to_owned(), name.into()));
        self
    }

    /// Adds what was found out, as in a report: a JSON object.
    #[must_use]
    pub fn details(mut self, details: &Value) -> Self {
        self.details = Some(details.to_string());
        self
    }

    fn of_kind(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), objects: Vec::new(), details: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_failures() {
        fn check(error: &Error, kind: FailureKind, message: &str) {
            assert_eq!(Failure::from_error("can't do it", error), Failure::of_kind(kind, message));
        }
        check(&Error::Denied("no grant".into()), FailureKind::Rejected, "can't do it: denied by the policy: no grant");
        check(&Error::NotFound, FailureKind::Rejected, "can't do it: it doesn't exist");
        check(&Error::Conflict("held".into()), FailureKind::Other, "can't do it: conflict: held");
        check(&Error::Invalid("bad".into()), FailureKind::Rejected, "can't do it: bad");
        check(&Error::TooLarge, FailureKind::Other, "can't do it: the answer is too large");
        check(&Error::Timeout, FailureKind::Other, "can't do it: the time ran out before it was carried out");
        let unknown = Error::Unknown("no answer in time".into());
        check(&unknown, FailureKind::Unknown, "can't do it: it may have been carried out: no answer in time");
        check(&Error::Unavailable("busy".into()), FailureKind::Unavailable, "can't do it: busy");
        check(&Error::Other("eh".into()), FailureKind::Other, "can't do it: eh");
    }

    #[test]
    fn a_missing_object_has_words_of_its_own() {
        fn check(error: &Error, expected: Failure) {
            assert_eq!(Failure::from_call("label", &"the pod 'p'", error), expected);
        }
        check(&Error::NotFound, Failure::rejected("the pod 'p' doesn't exist"));
        check(&Error::Unavailable("busy".into()), Failure::unavailable("can't label the pod 'p': busy"));
    }

    #[test]
    fn a_command_says_why_it_failed() {
        fn check(stderr: &str, expected: &str) {
            let exit = Exit { code: 1, stdout: b"words".to_vec(), stderr: stderr.into(), truncated: false };
            assert_eq!(Failure::from_exit("the capture", &exit), Failure::other(expected));
        }
        check("", "the capture ended with the exit code 1");
        check("\x1b[31mno BTF\x1b[0m\n", "the capture ended with the exit code 1: no BTF");
        let long = "x".repeat(text::BYTES_MAX);
        let cut = format!("{}\n[13440 more bytes]", "x".repeat(1920));
        check(&long, &format!("the capture ended with the exit code 1: {cut}"));
    }
}
