//! Texts within the limits of those who take them: never cut within a character, and never so that they say another thing.

use std::borrow::Cow;

/// What stands for the part that is left out.
const MORE: &str = "…";

/// The text, or as much of its beginning as fits into so many bytes with a mark that it goes on.
pub fn cut(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    match bytes_max.checked_sub(MORE.len()) {
        Some(kept) => Cow::Owned(format!("{}{MORE}", head(text, kept))),
        None => Cow::Borrowed(head(text, bytes_max)),
    }
}

/// As much of its beginning as fits, for texts that nobody reads as such.
pub(crate) fn head(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// The text with some characters written as others, up to so many bytes: what is written for one is never cut.
pub(crate) fn escaped(text: &str, bytes_max: usize, escape: impl Fn(char) -> Option<&'static str>) -> String {
    let mut escaped = String::new();
    // Where it would have to be cut were this not its end.
    let mut end = 0;
    for char in text.chars() {
        match escape(char) {
            Some(written) => escaped.push_str(written),
            None => escaped.push(char),
        }
        if escaped.len() > bytes_max {
            escaped.truncate(end);
            escaped.push_str(MORE);
            return escaped;
        }
        if escaped.len() + MORE.len() <= bytes_max {
            end = escaped.len();
        }
    }
    escaped
}

/// Without characters that do something to whoever shows the text. Line breaks stay.
pub(crate) fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars().map(|char| if char.is_control() && char != '\n' && char != '\t' { ' ' } else { char }).collect()
}

/// In one line.
pub(crate) fn one_line(text: &str) -> String {
    plain(text).replace('\n', " ")
}

/// A line with a label, and its value.
pub(crate) type Labelled<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Lines of labels and values, together within so many bytes: of the longest values the ends are left out. What a value
/// says in a line of its own is set in, so that nobody takes it for a line of ours.
pub(crate) fn lines(labelled: &[Labelled], bytes_max: usize) -> String {
    let values: Vec<String> = labelled.iter().map(|(_, value)| plain(value).replace('\n', "\n  ")).collect();
    let fixed: usize = labelled.iter().map(|(label, _)| label.len() + ": \n".len()).sum();
    let length = |value_max: usize| fixed + values.iter().map(|value| value.len().min(value_max)).sum::<usize>();
    let longest = values.iter().map(String::len).max().unwrap_or_default();
    // The largest part of each that fits; what is left over is less than a value.
    let (mut fits, mut too_long) = (0, longest + 1);
    while too_long - fits > 1 {
        let middle = usize::midpoint(fits, too_long);
        if length(middle) <= bytes_max {
            fits = middle;
        } else {
            too_long = middle;
        }
    }
    let mut text = String::new();
    for ((label, _), value) in labelled.iter().zip(&values) {
        text.push_str(&format!("{label}: {}\n", cut(value, fits)));
    }
    cut(&text, bytes_max).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, bytes_max, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "…"),
            ("äöü", 5, "ä…"),
            ("äöüä", 6, "ä…"),
            ("äöü", 6, "äöü"),
            ("abc", 2, "ab"),
            ("ä", 1, ""),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, bytes_max), expected, "{text} {bytes_max}");
        }
    }

    #[test]
    fn what_stands_for_a_character_is_not_cut() {
        let escape = |char| (char == '&').then_some("&amp;");
        for (text, bytes_max, expected) in [
            ("a&b", 7, "a&amp;b"),
            ("a&b", 6, "a…"),
            ("&&", 10, "&amp;&amp;"),
            ("&&&", 14, "&amp;&amp;…"),
            ("ä", 1, "…"),
        ] {
            assert_eq!(escaped(text, bytes_max, escape), expected, "{text} {bytes_max}");
        }
    }

    #[test]
    fn the_longest_values_give_way() {
        let labelled: Vec<Labelled> =
            [("A", "short"), ("B", "äääääääääää"), ("C", "one\r\ntwo\u{7}")].map(|(a, b)| (a.into(), b.into())).into();
        assert_eq!(lines(&labelled, 100), "A: short\nB: äääääääääää\nC: one\n  two \n");
        assert_eq!(lines(&labelled, 36), "A: short\nB: äää…\nC: one\n  …\n");
        for bytes_max in 0..60 {
            assert!(lines(&labelled, bytes_max).len() <= bytes_max.max(MORE.len()));
        }
    }
}
