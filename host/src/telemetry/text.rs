//! Makes text harmless that comes from outside: an alert, the words of a component.

use std::borrow::Cow;

use policy::without_userinfo;

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

/// An error and what led to it, for the host's own log. Addresses may come from the environment, with passwords.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in std::iter::successors(Some(error), |error| error.source()) {
        let text = without_userinfo(&cause.to_string()).into_owned();
        // Many repeat their cause.
        if !texts.iter().any(|before| before.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

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
