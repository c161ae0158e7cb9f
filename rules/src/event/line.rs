//! Texts of an event as they may stand in a message.

pub(super) const QUOTED_CHARS_MAX: usize = 60;

/// A text without characters that end the line, move the cursor, hide or reorder what follows, cut to a length.
pub(super) fn one_line(text: &str, chars_max: usize) -> String {
    let (mut line, mut chars) = (String::new(), 0);
    for char in text.chars() {
        let shown = match char {
            '"' | '\'' | '\\' => char.to_string(),
            other => other.escape_debug().to_string(),
        };
        chars += shown.chars().count();
        if chars > chars_max {
            line.push('…');
            break;
        }
        line.push_str(&shown);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_makes_a_line_longer_or_another_one() {
        assert_eq!(one_line("a \"b\" \\ 'c'", 20), "a \"b\" \\ 'c'");
        assert_eq!(one_line("abc", 2), "ab…");
        assert_eq!(one_line("a\u{202e}b\n", 20), "a\\u{202e}b\\n");
        assert_eq!(one_line(&"\u{7f}".repeat(9), 20), "\\u{7f}\\u{7f}\\u{7f}…");
    }
}
