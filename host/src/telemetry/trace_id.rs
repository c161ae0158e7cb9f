//! What names the journey of one event through logs, metrics and traces.

use std::fmt;
use std::str::FromStr;

/// Sixteen bytes that name the journey of one event through logs, metrics and traces.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// A fresh random id.
    pub fn random() -> TraceId {
        // All zeroes is the one value that W3C Trace Context forbids.
        TraceId(rand::random::<u128>().max(1).to_be_bytes())
    }

    /// The trace id of a W3C `traceparent` header, or `None` when the header is not a valid one.
    ///
    /// Version `00` has exactly four parts; a later version may append more, which are ignored.
    pub fn from_traceparent(header: &str) -> Option<TraceId> {
        let mut parts = header.split('-');
        let version = lower_hex::<1>(parts.next()?)?;
        let trace = lower_hex::<16>(parts.next()?)?;
        let parent = lower_hex::<8>(parts.next()?)?;
        lower_hex::<1>(parts.next()?)?;
        let known_version = version != [0xff] && (version != [0] || parts.next().is_none());
        let named = trace != [0; 16] && parent != [0; 8];
        (known_version && named).then_some(TraceId(trace))
    }
}

/// This is no trace id.
#[derive(Debug, thiserror::Error)]
#[error("a trace id is 32 lower-case hexadecimal digits")]
pub struct NotATraceId;

/// Reads what [`fmt::Display`] writes.
impl FromStr for TraceId {
    type Err = NotATraceId;

    fn from_str(text: &str) -> Result<TraceId, NotATraceId> {
        lower_hex(text).map(TraceId).ok_or(NotATraceId)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `N` bytes written as `2 * N` lower-case hexadecimal digits, and nothing else.
fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_traceparent(header: &str, expected: Option<&str>) {
        let found = TraceId::from_traceparent(header).map(|id| id.to_string());
        assert_eq!(found.as_deref(), expected, "{header}");
    }

    #[test]
    fn reads_a_traceparent() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        check_traceparent(&format!("00-{id}-b7ad6b7169203331-01"), Some(id));
        check_traceparent(&format!("cc-{id}-b7ad6b7169203331-01-more"), Some(id));
    }

    #[test]
    fn refuses_what_is_not_a_traceparent() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        check_traceparent("", None);
        check_traceparent(id, None);
        check_traceparent(&format!("00-{id}-b7ad6b7169203331-01-more"), None);
        check_traceparent(&format!("ff-{id}-b7ad6b7169203331-01"), None);
        check_traceparent(&format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), None);
        check_traceparent(&format!("00-{id}-{}-01", "0".repeat(16)), None);
        check_traceparent(&format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()), None);
        check_traceparent(&format!("00-{}-b7ad6b7169203331-01", &id[1..]), None);
        check_traceparent(&format!("00-é{}-b7ad6b7169203331-01", &id[2..]), None);
    }

    #[test]
    fn random_trace_ids_are_32_digits_and_differ() {
        let (one, other) = (TraceId::random().to_string(), TraceId::random().to_string());
        assert_eq!((one.len(), other.len()), (32, 32));
        assert_ne!(one, other);
    }
}
