//! How a record becomes a line: pure, so that it can be compared byte for byte.
//!
//! One record is one line, whatever its values hold: line ends, terminal sequences and characters
//! that turn the direction of text are escaped, and a long value is cut with a mark.

use std::borrow::Cow;
use std::fmt::Write;

use super::super::text::{cut, is_printable};
use super::level::{Format, Level};

/// What is shown of one value. The longest alert that Falco was seen to send fits.
pub(crate) const VALUE_BYTES_MAX: usize = 16 * 1024;

/// What is shown of a key that comes from outside.
const KEY_BYTES_MAX: usize = 64;

/// The order of keys in a JSON line. What is not listed follows, and then `error`.
const JSON_ORDER: [&str; 15] = [
    "rule",
    "event",
    "priority",
    "source",
    "notifier",
    "context",
    "output",
    "stage",
    "actionner",
    "category",
    "output_target",
    "action",
    "status",
    "result",
    "trace_id",
];

/// Everything that one line shows but the time.
pub(super) struct Record<'a> {
    pub(super) level: Level,
    pub(super) tag: &'a str,
    pub(super) fields: Vec<Field<'a>>,
    pub(super) error: Option<&'a str>,
}

/// A key and its value.
pub(super) struct Field<'a> {
    key: Cow<'a, str>,
    value: &'a str,
}

impl<'a> Field<'a> {
    /// A field under a key of ours.
    pub(super) fn named(key: &'static str, value: &'a str) -> Field<'a> {
        Field { key: Cow::Borrowed(key), value }
    }

    /// A field whose key comes from outside.
    pub(super) fn object(key: &'a str, value: &'a str) -> Field<'a> {
        let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '.');
        let mut name = Cow::Borrowed(cut(key, KEY_BYTES_MAX));
        if !name.chars().all(plain) {
            let lower = name.chars().map(|c| c.to_ascii_lowercase());
            name = Cow::Owned(lower.map(|c| if plain(c) { c } else { '_' }).collect());
        }
        if name.is_empty() {
            name = Cow::Borrowed("object");
        } else if is_reserved(&name) {
            name = Cow::Owned(format!("object.{name}"));
        }
        Field { key: name, value }
    }
}

/// Appends the line of a record, line end included.
pub(super) fn render(out: &mut String, format: Format, time: &str, record: &mut Record<'_>) {
    match format {
        Format::Color => render_text::<true>(out, time, record),
        Format::Text => render_text::<false>(out, time, record),
        Format::Json => render_json(out, time, record),
    }
    out.push('\n');
}

fn render_text<const COLOR: bool>(out: &mut String, time: &str, record: &mut Record<'_>) {
    let painted = |out: &mut String, colour: &str, text: &str| {
        if COLOR && !colour.is_empty() {
            out.extend(["\x1b[", colour, "m", text, "\x1b[0m"]);
        } else {
            out.push_str(text);
        }
    };
    painted(out, "90", time);
    out.push(' ');
    let (level, colour) = short_level(record.level);
    painted(out, colour, level);
    if !record.tag.is_empty() {
        out.push(' ');
        out.push_str(if COLOR { "\x1b[1m" } else { "" });
        push_escaped::<false>(out, cut(record.tag, VALUE_BYTES_MAX));
        out.push_str(if COLOR { "\x1b[0m" } else { "" });
    }
    if let Some(error) = record.error {
        out.push(' ');
        painted(out, "36", "error=");
        out.push_str(if COLOR { "\x1b[31m\x1b[1m" } else { "" });
        push_text_value(out, error);
        out.push_str(if COLOR { "\x1b[0m\x1b[0m" } else { "" });
    }
    record.fields.sort_by(|a, b| a.key.cmp(&b.key));
    for Field { key, value } in &record.fields {
        out.push_str(if COLOR { " \x1b[36m" } else { " " });
        out.push_str(key);
        out.push_str(if COLOR { "=\x1b[0m" } else { "=" });
        push_text_value(out, value);
    }
}

fn render_json(out: &mut String, time: &str, record: &mut Record<'_>) {
    out.push_str("{\"level\":\"");
    out.push_str(long_level(record.level));
    out.push('"');
    record.fields.sort_by_key(|field| json_rank(&field.key));
    for Field { key, value } in &record.fields {
        push_json_pair(out, key, value);
    }
    if let Some(error) = record.error {
        push_json_pair(out, "error", error);
    }
    push_json_pair(out, "time", time);
    push_json_pair(out, "message", record.tag);
    out.push('}');
}

fn push_json_pair(out: &mut String, key: &str, value: &str) {
    out.extend([",\"", key, "\":\""]);
    let shown = cut(value, VALUE_BYTES_MAX);
    push_escaped::<true>(out, shown);
    push_cut_mark(out, value.len() - shown.len());
    out.push('"');
}

/// A value bare where that is unambiguous, else in double quotes.
fn push_text_value(out: &mut String, value: &str) {
    let shown = cut(value, VALUE_BYTES_MAX);
    let left_out = value.len() - shown.len();
    let bare = |byte: u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'\\');
    if left_out == 0 && shown.bytes().all(bare) {
        out.push_str(shown);
        return;
    }
    out.push('"');
    push_escaped::<false>(out, shown);
    push_cut_mark(out, left_out);
    out.push('"');
}

fn push_cut_mark(out: &mut String, left_out_bytes: usize) {
    if left_out_bytes > 0 {
        // Writing to a String can't fail.
        let _ = write!(out, "…[{left_out_bytes} bytes cut]");
    }
}

/// Escapes what can't be shown, in JSON's way or in that of Go, which the original is written in.
fn push_escaped<const JSON: bool>(out: &mut String, text: &str) {
    let mut plain_from = 0;
    for (at, c) in text.char_indices() {
        if is_printable(c) && !matches!(c, '"' | '\\') {
            continue;
        }
        out.push_str(&text[plain_from..at]);
        plain_from = at + c.len_utf8();
        push_escape::<JSON>(out, c);
    }
    out.push_str(&text[plain_from..]);
}

fn push_escape<const JSON: bool>(out: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a String can't fail.
    let _ = match c {
        '"' => out.write_str("\\\""),
        '\\' => out.write_str("\\\\"),
        '\u{8}' => out.write_str("\\b"),
        '\u{c}' => out.write_str("\\f"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\u{7}' if !JSON => out.write_str("\\a"),
        '\u{b}' if !JSON => out.write_str("\\v"),
        _ if !JSON && c.is_ascii() => write!(out, "\\x{code:02x}"),
        _ if !JSON && code > 0xffff => write!(out, "\\U{code:08x}"),
        _ => c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}")),
    };
}

fn is_reserved(key: &str) -> bool {
    JSON_ORDER.contains(&key) || matches!(key, "level" | "time" | "message" | "error")
}

fn json_rank(key: &str) -> usize {
    JSON_ORDER.iter().position(|known| *known == key).unwrap_or(JSON_ORDER.len())
}

/// The level as text shows it, and its colour.
fn short_level(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Debug => ("DBG", ""),
        Level::Info => ("INF", "32"),
        Level::Warn => ("WRN", "33"),
        Level::Error => ("ERR", "31"),
        Level::Fatal => ("FTL", "31"),
    }
}

fn long_level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Fatal => "fatal",
    }
}

#[cfg(test)]
mod tests;
