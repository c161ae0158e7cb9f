//! How a request ended: what is known of whether it was carried out.
//!
//! Made by clients alone, which know what was sent and what came back. The audit record, the error of the contract and
//! what is tried again derive from it.

use super::error::{Refusal, RequestError, Said};

/// How a write ended, and its answer or why there is none.
#[derive(Debug)]
#[must_use]
pub(crate) struct End<T> {
    ending: Ending,
    result: Result<T, Refusal>,
}

/// What is known of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing was sent.
    NotSent,
    /// It was sent, and not carried out.
    Refused,
    /// It was carried out.
    Done,
    /// It would have been carried out, were this not a dry run.
    Rehearsed,
    /// It was sent, and nobody knows what became of it.
    Unknown,
}

/// What is known of a request that did not come to a good end. What it means depends on whether it writes.
#[derive(Debug)]
pub(super) enum Failed {
    NotSent(Refusal),
    /// Whoever got it did not carry it out.
    Refused(Refusal),
    /// No answer came, or one that does not say what became of it.
    Lost {
        why: String,
        /// Because the time was over.
        is_late: bool,
        said: Option<Said>,
    },
    /// It was carried out, and its answer is more than is held.
    Unread(RequestError),
    /// It had begun, and the host has cut it off.
    Cut(RequestError),
}

impl<T> End<T> {
    /// The end of a write that was sent, or should have been.
    pub(super) fn of(result: Result<T, Failed>, is_rehearsal: bool) -> Self {
        let failed = match result {
            Ok(answer) => {
                let ending = if is_rehearsal { Ending::Rehearsed } else { Ending::Done };
                return Self { ending, result: Ok(answer) };
            }
            Err(failed) => failed,
        };
        let (ending, refusal) = match failed {
            Failed::Lost { why, said, .. } if !is_rehearsal => {
                (Ending::Unknown, Refusal { error: RequestError::Unknown(why), said })
            }
            Failed::Cut(error) if !is_rehearsal => (Ending::Unknown, error.into()),
            Failed::Unread(error) if !is_rehearsal => (Ending::Done, error.into()),
            Failed::NotSent(refusal) => (Ending::NotSent, refusal),
            failed => (Ending::Refused, failed.into_refusal()),
        };
        Self { ending, result: Err(refusal) }
    }

    /// The end of a write that can only be rehearsed by not sending it.
    pub(super) fn rehearsed(answer: T) -> Self {
        Self { ending: Ending::Rehearsed, result: Ok(answer) }
    }

    /// What is known of it.
    pub(crate) fn ending(&self) -> Ending {
        self.ending
    }

    /// Whether the same request may be sent again, since it was not carried out and may be later.
    pub(crate) fn may_be_sent_again(&self) -> bool {
        let is_unavailable = matches!(&self.result, Err(Refusal { error: RequestError::Unavailable(_), .. }));
        matches!(self.ending, Ending::NotSent | Ending::Refused) && is_unavailable
    }

    /// Whether it was refused since the object is not as it takes it to be.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(&self.result, Err(Refusal { error: RequestError::Conflict(_), .. }))
    }

    /// Its answer, or why there is none.
    pub(crate) fn into_result(self) -> Result<T, Refusal> {
        self.result
    }

    /// The same end, with another answer.
    pub(crate) fn map<U>(self, map: impl FnOnce(T) -> U) -> End<U> {
        End { ending: self.ending, result: self.result.map(map) }
    }
}

impl Ending {
    /// As the audit record has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Done => "success",
            Self::Rehearsed => "rehearsed",
            Self::Unknown => "unknown",
        }
    }
}

impl Failed {
    /// Nothing was sent.
    pub(super) fn not_sent(error: impl Into<Refusal>) -> Self {
        Self::NotSent(error.into())
    }

    /// No answer came in time.
    pub(super) fn late(why: &str) -> Self {
        Self::Lost { why: why.to_owned(), is_late: true, said: None }
    }

    /// The connection broke.
    pub(super) fn lost(why: &str) -> Self {
        Self::Lost { why: why.to_owned(), is_late: false, said: None }
    }

    /// What it means for a request that changes nothing.
    pub(super) fn into_refusal(self) -> Refusal {
        match self {
            Self::NotSent(refusal) | Self::Refused(refusal) => refusal,
            Self::Unread(error) | Self::Cut(error) => error.into(),
            Self::Lost { is_late: true, said, .. } => Refusal { error: RequestError::Timeout, said },
            Self::Lost { why, said, .. } => Refusal { error: RequestError::Unavailable(why), said },
        }
    }

    /// Whether it is known that it was not carried out.
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Self::NotSent(_) | Self::Refused(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(failed: Failed, rehearsal: bool, ending: Ending, error: &str) {
        let end = End::<()>::of(Err(failed), rehearsal);
        assert_eq!(end.ending(), ending);
        assert_eq!(format!("{:?}", end.into_result().unwrap_err().error), error);
    }

    #[test]
    fn what_was_lost_is_unknown_only_where_it_could_change_anything() {
        check(Failed::lost("it broke"), false, Ending::Unknown, r#"Unknown("it broke")"#);
        check(Failed::late("it was late"), false, Ending::Unknown, r#"Unknown("it was late")"#);
        check(Failed::lost("it broke"), true, Ending::Refused, r#"Unavailable("it broke")"#);
        check(Failed::late("it was late"), true, Ending::Refused, "Timeout");
        assert!(matches!(Failed::lost("it broke").into_refusal().error, RequestError::Unavailable(_)));
    }

    #[test]
    fn what_is_known_stays_known() {
        check(Failed::not_sent(RequestError::Timeout), false, Ending::NotSent, "Timeout");
        check(Failed::Refused(RequestError::NotFound.into()), false, Ending::Refused, "NotFound");
        let too_large = || RequestError::TooLarge { bytes_max: 7 };
        check(Failed::Unread(too_large()), false, Ending::Done, "TooLarge { bytes_max: 7 }");
        check(Failed::Cut(too_large()), false, Ending::Unknown, "TooLarge { bytes_max: 7 }");
        assert_eq!(End::of(Ok(()), false).ending(), Ending::Done);
        assert_eq!(End::of(Ok(()), true).ending(), Ending::Rehearsed);
    }
}
