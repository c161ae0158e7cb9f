//! What became of the pods of a node, counted and reported.
//!
//! Does not know how it came about.

use std::fmt::Write;

use falco_talon_sdk::kubernetes::Error;
use falco_talon_sdk::{Failure, Node, Outcome};

use crate::selection::Candidate;

/// A message names this many pods that stay; the rest is counted.
const STAYS_TOLD_MAX: usize = 20;
/// Reasons that the host gives can be long: its log has them whole.
const REASON_CHARS_MAX: usize = 400;

/// A pod that stays on the node.
#[derive(Debug, PartialEq)]
pub(crate) struct Stay {
    /// In words: "the pod 'web-0' in the namespace 'default'".
    pub(crate) pod: String,
    pub(crate) why: Why,
}

/// Why a pod stays, in words that go on where it is named.
#[derive(Debug, PartialEq)]
pub(crate) enum Why {
    /// It is meant to.
    Ignored(String),
    /// Its eviction failed.
    Eviction(String),
    /// It was evicted, and was still there when the waiting ended.
    Waiting(String),
    /// Something else went wrong.
    Other(String),
}

impl Why {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Ignored(text) | Self::Eviction(text) | Self::Waiting(text) | Self::Other(text) => text,
        }
    }

    fn is_ignored(&self) -> bool {
        matches!(self, Self::Ignored(_))
    }
}

/// What became of all of them.
#[derive(Debug, PartialEq)]
pub(crate) struct Conclusion {
    evicted: usize,
    stays: Vec<Stay>,
}

impl Conclusion {
    /// Before anything was evicted.
    pub(crate) fn new(stays: Vec<Stay>) -> Self {
        Self { evicted: 0, stays }
    }

    /// Takes down the answer to an eviction, and returns whether the pod is on its way out.
    ///
    /// Whether it is of a DaemonSet is asked only where that matters.
    pub(crate) fn evicted(
        &mut self,
        candidate: &Candidate,
        result: Result<(), Error>,
        is_of_daemonset: impl FnOnce() -> bool,
    ) -> bool {
        let why = match result {
            // Gone is gone.
            Ok(()) | Err(Error::NotFound) => {
                self.evicted += 1;
                return true;
            }
            // It would be made anew on this node at once, so that the node is no less drained.
            Err(Error::Denied(text)) if is_of_daemonset() => {
                Why::Ignored(reason("belongs to a DaemonSet and could not be evicted", &Error::Denied(text)))
            }
            Err(error) => Why::Eviction(reason("could not be evicted", &error)),
        };
        self.stays.push(Stay { pod: candidate.pod().to_string(), why });
        false
    }

    /// Takes down which of the pods that were evicted and awaited are gone.
    pub(crate) fn waited(&mut self, awaited: &[&Candidate], gone: Result<Vec<bool>, Error>) {
        let stay = |candidate: &Candidate, why| Stay { pod: candidate.pod().to_string(), why };
        match gone {
            Ok(gone) => {
                let stayed = awaited.iter().zip(gone).filter(|(_, gone)| !gone);
                self.stays.extend(stayed.map(|(candidate, _)| {
                    let text = "did not terminate within the max_wait_period".to_owned();
                    stay(candidate, Why::Waiting(text))
                }));
            }
            Err(error) => {
                self.stays.extend(awaited.iter().map(|candidate| {
                    stay(candidate, Why::Other(reason("was evicted, and can't be waited for", &error)))
                }));
            }
        }
    }

    pub(crate) fn outcome(&self, node: Node<'_>, ignore_errors: bool) -> Result<Outcome, Failure> {
        let count = |is: fn(&Why) -> bool| self.stays.iter().filter(|stay| is(&stay.why)).count();
        let ignored = count(Why::is_ignored);
        let evictions = count(|why| matches!(why, Why::Eviction(_)));
        let waiting = count(|why| matches!(why, Why::Waiting(_)));
        let others = count(|why| matches!(why, Why::Other(_)));
        let stays = told(&self.stays);
        if ignored == self.stays.len() {
            let evicted = self.evicted;
            let report = format!("has been drained: {evicted} evicted pods, {ignored} ignored pods{stays}");
            return Ok(Outcome::Done(node.report(&report)));
        }
        let errors = format!(
            "{evictions} eviction errors, {waiting} were not evicted during max_wait_period, {others} other errors{stays}"
        );
        if ignore_errors {
            let report = format!("has been drained, errors are ignored: {ignored} ignored pods, {errors}");
            return Ok(Outcome::Done(node.report(&report)));
        }
        let message = format!("{node} has not been fully drained: {ignored} pods ignored, {errors}");
        Err(node.concerned(Failure::other(message)))
    }
}

/// The pods that stay and why, as the end of a sentence; what went wrong comes first.
fn told(stays: &[Stay]) -> String {
    let ignored = |is: bool| stays.iter().filter(move |stay| stay.why.is_ignored() == is);
    let mut text = String::new();
    for Stay { pod, why } in ignored(false).chain(ignored(true)).take(STAYS_TOLD_MAX) {
        // To write to a text never fails.
        let _ = write!(text, "; {pod} {}", why.text());
    }
    if let Some(more @ 1..) = stays.len().checked_sub(STAYS_TOLD_MAX) {
        let _ = write!(text, "; and {more} more");
    }
    text
}

/// The first line of an error, cut: the rest is how to grant what was denied.
pub(crate) fn reason(doing: &str, error: &Error) -> String {
    let message = Failure::from_error(doing, error).message;
    let line = message.lines().next().unwrap_or_default();
    match line.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use falco_talon_sdk::Pod;
    use serde_json::json;

    use super::*;
    use crate::selection::candidates;

    const NODE: Node<'_> = Node { name: "node-1" };

    fn candidate(name: &str) -> Candidate {
        let pod = json!({"metadata": {"namespace": "shop", "name": name}});
        candidates(&[pod], Pod { namespace: "shop", name }).remove(0)
    }

    fn message(conclusion: &Conclusion, ignore_errors: bool) -> Result<String, String> {
        match conclusion.outcome(NODE, ignore_errors) {
            Ok(Outcome::Done(report)) => {
                assert_eq!(report.objects, [("node".to_owned(), "node-1".to_owned())]);
                Ok(report.message)
            }
            Ok(Outcome::Ignored(report)) => panic!("{report:?}"),
            Err(failure) => {
                assert_eq!(failure.objects, [("node".to_owned(), "node-1".to_owned())]);
                Err(failure.message)
            }
        }
    }

    #[test]
    fn a_drain_without_errors_is_done() {
        let stay = Stay { pod: "the pod 'a'".to_owned(), why: Why::Ignored("belongs to a DaemonSet".to_owned()) };
        let mut conclusion = Conclusion::new(vec![stay]);
        assert!(conclusion.evicted(&candidate("b"), Ok(()), || false));
        assert!(conclusion.evicted(&candidate("c"), Err(Error::NotFound), || false));
        conclusion.waited(&[&candidate("b")], Ok(vec![true]));
        let expected = "the node 'node-1' has been drained: 2 evicted pods, 1 ignored pods; \
                        the pod 'a' belongs to a DaemonSet";
        assert_eq!(message(&conclusion, false), Ok(expected.to_owned()));
    }

    fn with_errors() -> Conclusion {
        let stay = |why| Stay { pod: "the pod 'a'".to_owned(), why };
        let ignored = stay(Why::Ignored("belongs to a DaemonSet".to_owned()));
        let other = stay(Why::Other("stays since the replicasets 'web' can't be read: busy".to_owned()));
        let mut conclusion = Conclusion::new(vec![ignored, other]);
        assert!(!conclusion.evicted(&candidate("b"), Err(Error::Unavailable("a budget".to_owned())), || false));
        assert!(conclusion.evicted(&candidate("c"), Ok(()), || false));
        conclusion.waited(&[&candidate("c")], Ok(vec![false]));
        conclusion
    }

    #[test]
    fn each_error_is_counted_and_told_first() {
        let counts = "1 eviction errors, 1 were not evicted during max_wait_period, 1 other errors; \
                      the pod 'a' stays since the replicasets 'web' can't be read: busy; \
                      the pod 'b' in the namespace 'shop' could not be evicted: a budget; \
                      the pod 'c' in the namespace 'shop' did not terminate within the max_wait_period; \
                      the pod 'a' belongs to a DaemonSet";
        let expected = format!("the node 'node-1' has not been fully drained: 1 pods ignored, {counts}");
        assert_eq!(message(&with_errors(), false), Err(expected));
        let expected = format!("the node 'node-1' has been drained, errors are ignored: 1 ignored pods, {counts}");
        assert_eq!(message(&with_errors(), true), Ok(expected));
    }

    #[test]
    fn a_denial_is_told_by_its_first_line() {
        fn check(is_of_daemonset: bool, expected: &Result<&str, &str>) {
            let mut conclusion = Conclusion::new(Vec::new());
            let denied = Error::Denied("`kube-system` is protected;\nadd this line".to_owned());
            assert!(!conclusion.evicted(&candidate("a"), Err(denied), || is_of_daemonset));
            let message = message(&conclusion, false);
            let (Ok(text) | Err(text)) = &message;
            let (_, told) = text.split_once("; the pod 'a' in the namespace 'shop' ").unwrap();
            assert_eq!(&message.as_ref().map(|_| told).map_err(|_| told), expected);
        }
        let denied = "could not be evicted: denied by the policy: `kube-system` is protected;";
        check(false, &Err(denied));
        // Nothing would be won by its eviction.
        check(true, &Ok(&format!("belongs to a DaemonSet and {denied}")));
    }

    #[test]
    fn a_wait_that_fails_is_told_of_each_pod() {
        let pods = [candidate("a"), candidate("b")];
        let mut conclusion = Conclusion::new(Vec::new());
        conclusion.waited(&pods.each_ref(), Err(Error::Unavailable("busy".to_owned())));
        let text = message(&conclusion, false).unwrap_err();
        assert!(text.contains("2 other errors"), "{text}");
        assert!(text.ends_with("'b' in the namespace 'shop' was evicted, and can't be waited for: busy"), "{text}");
    }

    #[test]
    fn long_messages_are_cut() {
        let long = Error::Other("é".repeat(1_000));
        let mut conclusion = Conclusion::new(Vec::new());
        for index in 0..25 {
            conclusion.evicted(&candidate(&format!("web-{index}")), Err(long.clone()), || false);
        }
        let text = message(&conclusion, false).unwrap_err();
        assert!(text.contains("25 eviction errors"), "{text}");
        assert!(text.ends_with("é…; and 5 more"), "{text}");
        assert!(text.chars().count() < 10_000, "{}", text.len());
    }
}
