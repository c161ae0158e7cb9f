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

    /// As a number, which is how it is written.
    pub(super) fn number(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// These bytes, of which W3C Trace Context forbids only all zeroes.
    pub(super) fn of(bytes: [u8; 16]) -> Option<TraceId> {
        (bytes != [0; 16]).then_some(TraceId(bytes))
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
pub(super) fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
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

    #[test]
    fn random_trace_ids_are_32_digits_and_differ() {
        let (one, other) = (TraceId::random().to_string(), TraceId::random().to_string());
        assert_eq!((one.len(), other.len()), (32, 32));
        assert_ne!(one, other);
    }
}
