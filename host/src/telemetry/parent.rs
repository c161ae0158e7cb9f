//! The span that others are below, as plain data: what a caller sends along, and what a store keeps for later spans.

use std::fmt;
use std::str::FromStr;

use super::trace_id::{TraceId, lower_hex};

/// A span that others are below. Its text is that of W3C's header `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    pub(super) trace_id: TraceId,
    pub(super) span_id: [u8; 8],
    /// Whether it is recorded, and with it what is below it.
    pub(super) is_sampled: bool,
}

/// This names no span.
#[derive(Debug, thiserror::Error)]
#[error("a span is named as W3C Trace Context does: 00-<32 digits>-<16 digits>-<2 digits>, lower-case hexadecimal")]
pub struct NotAParent;

impl Parent {
    /// The trace that it is part of.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }
}

/// Version `00` has exactly four parts; a later version may append more, which are ignored.
impl FromStr for Parent {
    type Err = NotAParent;

    fn from_str(text: &str) -> Result<Self, NotAParent> {
        let read = || {
            let mut parts = text.split('-');
            let version = lower_hex::<1>(parts.next()?)?;
            let trace_id = TraceId::of(lower_hex(parts.next()?)?)?;
            let span_id = lower_hex::<8>(parts.next()?)?;
            let [flags] = lower_hex::<1>(parts.next()?)?;
            let known_version = version != [0xff] && (version != [0] || parts.next().is_none());
            let parent = Self { trace_id, span_id, is_sampled: flags & 1 == 1 };
            (known_version && span_id != [0; 8]).then_some(parent)
        };
        read().ok_or(NotAParent)
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, span_id, is_sampled } = self;
        write!(f, "00-{trace_id}-{:016x}-{:02x}", u64::from_be_bytes(*span_id), u8::from(*is_sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[track_caller]
    fn check(header: &str, expected: Option<&str>) {
        assert_eq!(header.parse::<Parent>().ok().map(|parent| parent.to_string()).as_deref(), expected, "{header}");
    }

    #[test]
    fn reads_a_traceparent() {
        let plain = format!("00-{ID}-b7ad6b7169203331-01");
        check(&plain, Some(&plain));
        check(&format!("cc-{ID}-b7ad6b7169203331-03-more"), Some(&plain));
        check(&format!("00-{ID}-00ad6b7169203331-00"), Some(&format!("00-{ID}-00ad6b7169203331-00")));
    }

    #[test]
    fn refuses_what_is_not_a_traceparent() {
        check("", None);
        check(ID, None);
        check(&format!("00-{ID}-b7ad6b7169203331-01-more"), None);
        check(&format!("ff-{ID}-b7ad6b7169203331-01"), None);
        check(&format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), None);
        check(&format!("00-{ID}-{}-01", "0".repeat(16)), None);
        check(&format!("00-{}-b7ad6b7169203331-01", ID.to_uppercase()), None);
        check(&format!("00-{}-b7ad6b7169203331-01", &ID[1..]), None);
        check(&format!("00-é{}-b7ad6b7169203331-01", &ID[2..]), None);
    }
}
