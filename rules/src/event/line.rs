//! Texts of an event as they may stand in a message.

pub(super) const QUOTED_CHARS_MAX: usize = 60;

/// A text without line breaks and other controls, cut to a length.
pub(super) fn one_line(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    for char in text.chars().take(chars_max) {
        if char.is_control() {
            line.extend(char.escape_debug());
        } else {
            line.push(char);
        }
    }
    if text.chars().nth(chars_max).is_some() {
        line.push('…');
    }
    line
}
