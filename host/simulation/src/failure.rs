//! Failures on demand: which requests fail, how, and in what order. It knows nothing of what they would have done.

use std::time::Duration;

/// Which requests a failure is meant for.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    method: Option<String>,
    path: Option<String>,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Failure {
    /// It is refused with this status code and, where there is one, a `Retry-After` header.
    Status {
        /// For example 429, 500 or 503.
        code: u16,
        /// Seconds to wait before trying again.
        retry_after_s: Option<u32>,
    },
    /// The connection breaks before it is looked at.
    Disconnect,
    /// It is carried out, and the connection breaks before the answer comes.
    DisconnectAfterwards,
    /// It is not looked at, and no answer ever comes.
    Silence,
    /// It is carried out after this time.
    Delay(Duration),
    /// It is carried out, and the answer is made longer by an annotation of so many bytes.
    Padding(usize),
    /// It is carried out as if nothing were to fail: to let some requests pass before the next failure.
    None,
}

impl Matcher {
    /// Every request.
    #[must_use]
    pub fn any() -> Matcher {
        Matcher::default()
    }

    /// Requests of a method, for example `PATCH`.
    #[must_use]
    pub fn method(mut self, method: &str) -> Matcher {
        self.method = Some(method.to_owned());
        self
    }

    /// Requests whose path, without the query, begins so.
    #[must_use]
    pub fn path(mut self, prefix: &str) -> Matcher {
        self.path = Some(prefix.to_owned());
        self
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.path.as_deref().is_none_or(|prefix| path.starts_with(prefix))
    }
}

/// The failures to come.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<(Matcher, std::collections::VecDeque<Failure>)>);

impl Failures {
    pub(super) fn add(&mut self, matcher: Matcher, failures: impl IntoIterator<Item = Failure>) {
        self.0.push((matcher, failures.into_iter().collect()));
    }

    /// The failure that is due for a request; it is not due again.
    pub(super) fn next(&mut self, method: &str, path: &str) -> Option<Failure> {
        let due = self.0.iter_mut().find(|(matcher, failures)| !failures.is_empty() && matcher.matches(method, path));
        due.and_then(|(_, failures)| failures.pop_front())
    }
}
