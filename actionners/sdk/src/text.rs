//! Text from a container, on its way into a message.
//!
//! Does not know what it says, nor where the message goes.

/// What a message holds of it: a little less than the host shows of one value in its log.
pub const BYTES_MAX: usize = 15 * 1024;

/// What `bytes` say, without the sequences by which a terminal colours text or moves on it, and
/// without the blank lines at the end.
#[must_use]
pub fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            // The same as an escape and a bracket, in one character.
            '\u{9b}' => skip_control_sequence(&mut chars),
            _ => plain.push(c),
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

/// The beginning of a text, with a word on how much is missing.
#[must_use]
pub fn beginning(text: &str, bytes_max: usize) -> String {
    let kept = text.floor_char_boundary(bytes_max);
    match text.len() - kept {
        0 => text.to_owned(),
        missing => format!("{}\n[{missing} more bytes]", &text[..kept]),
    }
}

/// The end of a text, with a word on how much is missing.
#[must_use]
pub fn end(text: &str, bytes_max: usize) -> String {
    let missing = text.ceil_char_boundary(text.len().saturating_sub(bytes_max));
    match missing {
        0 => text.to_owned(),
        _ => format!("[{missing} bytes before]\n{}", &text[missing..]),
    }
}

/// The line above what comes from one of several containers.
#[must_use]
pub fn mark(container: &str) -> String {
    format!("==> {container} <==\n")
}

/// What follows an escape: a control sequence, a text for the terminal itself, or one character.
fn skip_sequence(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        Some('[') => skip_control_sequence(chars),
        Some(']' | 'P' | '_' | '^' | 'X') => {
            // It ends with a bell, or with an escape and a backslash.
            while let Some(c) = chars.next() {
                if c == '\u{7}' || (c == '\u{1b}' && chars.as_str().starts_with('\\')) {
                    break;
                }
            }
            if let Some(rest) = chars.as_str().strip_prefix('\\') {
                *chars = rest.chars();
            }
        }
        // Some sequences have one more character between.
        Some(' '..='/') => drop(chars.next()),
        _ => {}
    }
}

/// Parameters up to a letter or the like.
fn skip_control_sequence(chars: &mut std::str::Chars<'_>) {
    let rest = chars.as_str().trim_start_matches(|c| matches!(c, ' '..='?'));
    *chars = rest.chars();
    if rest.starts_with(|c| matches!(c, '@'..='~')) {
        chars.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_sequences_go() {
        fn check(bytes: &[u8], expected: &str) {
            assert_eq!(plain(bytes), expected);
        }
        check(b"a\x1b[1;31mred\x1b[0m b", "ared b");
        check(b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link", "alink");
        check(b"\x1b(Ba\x1b=b\x1b[?25lc", "abc");
        check(b"a\x1b", "a");
        check(b"a\x1b[", "a");
        check(b"a\x1b]never ends", "a");
        check("a\u{9b}1mb".as_bytes(), "ab");
        check(b"a\n  b\n\n", "a\n  b");
        check(b"\xff", "\u{fffd}");
        check(b"", "");
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(beginning("abc", 3), "abc");
        assert_eq!(beginning("abcd", 3), "abc\n[1 more bytes]");
        assert_eq!(beginning("aé", 2), "a\n[2 more bytes]");
        assert_eq!(end("abc", 3), "abc");
        assert_eq!(end("abcd", 3), "[1 bytes before]\nbcd");
        assert_eq!(end("éa", 2), "[2 bytes before]\na");
    }
}
