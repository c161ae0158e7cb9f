//! What the host says about itself: log lines, metrics, and the trace id that ties them together.
//!
//! Everything that is shown here may come from outside (an alert's text, the words of a component),
//! so this module also holds the helpers that make such text harmless. It knows nothing of events,
//! rules or actions.

pub mod logs;
pub mod metrics;

use std::borrow::Cow;
use std::fmt;

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

/// Whether a character can be shown as it is: it neither moves the cursor, nor ends the line, nor
/// changes the direction of the text around it.
pub(crate) fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    // The standard library knows the printable characters, but offers them only through escaping,
    // and escapes a combining mark only where nothing comes before it.
    let mut pair = [b'x'; 5];
    let length = 1 + c.encode_utf8(&mut pair[1..]).len();
    std::str::from_utf8(&pair[..length]).is_ok_and(|pair| pair.escape_debug().count() == 2)
}

/// The first `bytes_max` bytes of a text at most, never half a character.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// A short text from outside made fit for a label or an answer: cut, and every character that can't
/// be shown replaced by U+FFFD.
pub(crate) fn clean(text: &str, bytes_max: usize) -> Cow<'_, str> {
    let text = cut(text, bytes_max);
    if text.chars().all(is_printable) {
        Cow::Borrowed(text)
    } else {
        let shown = |c| {
            if is_printable(c) { c } else { char::REPLACEMENT_CHARACTER }
        };
        Cow::Owned(text.chars().map(shown).collect())
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

    #[test]
    fn tells_what_can_be_shown() {
        assert!(['a', ' ', '~', 'é', '日', '\u{301}', '🦀'].into_iter().all(is_printable));
        let hidden = [
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{a0}',
            '\u{200b}',
            '\u{2028}',
            '\u{202e}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0001}',
        ];
        assert!(!hidden.into_iter().any(is_printable));
    }

    #[test]
    fn cuts_and_cleans() {
        assert_eq!(clean("plain", 64), "plain");
        assert_eq!(clean("aé", 2), "a");
        assert_eq!(clean("a\nb\u{202e}c", 64), "a\u{fffd}b\u{fffd}c");
    }
}
