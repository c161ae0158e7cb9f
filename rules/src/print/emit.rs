//! Writes YAML in the layout of the original, which people compare by eye and by diff: 4 columns a
//! level, and items of a list at 2 from the list.

use std::fmt::Write;

use crate::yaml::{Kind, is_special, quoted};

/// What is to be written.
pub(super) enum Emitted {
    /// A text, quoted where it would read as something else.
    Text(String),
    /// A scalar that is written as it stands.
    Plain(String),
    List(Vec<Emitted>),
    Map(Vec<(String, Emitted)>),
}

const LEVEL: usize = 4;
/// Longer keys are announced by a `?`: no reader looks further for what makes a text a key.
const KEY_BYTES_MAX: usize = 1_024;

pub(super) fn emit(value: &Emitted) -> String {
    let mut yaml = String::new();
    match value {
        Emitted::List(items) if !items.is_empty() => list(&mut yaml, items, 0),
        Emitted::Map(entries) if !entries.is_empty() => map(&mut yaml, entries, 0, false),
        other => {
            inline(&mut yaml, other, 0);
            yaml.push('\n');
        }
    }
    yaml
}

fn list(yaml: &mut String, items: &[Emitted], column: usize) {
    for item in items {
        pad(yaml, column);
        yaml.push_str("- ");
        match item {
            // What is within an item stands behind its dash.
            Emitted::Map(entries) if !entries.is_empty() => map(yaml, entries, column + 2, true),
            Emitted::List(items) if !items.is_empty() => nested_list(yaml, items, column + 2),
            other => {
                inline(yaml, other, column + 2);
                yaml.push('\n');
            }
        }
    }
}

/// A list as an item of a list: its first item stands on the line of the outer dash.
fn nested_list(yaml: &mut String, items: &[Emitted], column: usize) {
    let start = yaml.len();
    list(yaml, items, column);
    yaml.replace_range(start..start + column, "");
}

fn map(yaml: &mut String, entries: &[(String, Emitted)], column: usize, is_begun: bool) {
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 || !is_begun {
            pad(yaml, column);
        }
        write_key(yaml, key, column);
        let next = (column / LEVEL + 1) * LEVEL;
        match value {
            Emitted::List(items) if !items.is_empty() => {
                yaml.push('\n');
                list(yaml, items, next);
            }
            Emitted::Map(entries) if !entries.is_empty() => {
                yaml.push('\n');
                map(yaml, entries, next, false);
            }
            other => {
                yaml.push(' ');
                inline(yaml, other, next);
                yaml.push('\n');
            }
        }
    }
}

fn write_key(yaml: &mut String, key: &str, column: usize) {
    let start = yaml.len();
    scalar(yaml, key, None);
    if yaml.len() - start > KEY_BYTES_MAX {
        yaml.insert_str(start, "? ");
        yaml.push('\n');
        pad(yaml, column);
    }
    yaml.push(':');
}

fn inline(yaml: &mut String, value: &Emitted, column: usize) {
    match value {
        Emitted::Text(text) => scalar(yaml, text, Some(column)),
        Emitted::Plain(text) => yaml.push_str(text),
        Emitted::List(_) => yaml.push_str("[]"),
        Emitted::Map(_) => yaml.push_str("{}"),
    }
}

/// Writes a text in the lightest form that reads back as the same text. Block form needs a column.
fn scalar(yaml: &mut String, text: &str, block: Option<usize>) {
    match block {
        Some(column) if is_block(text) => {
            yaml.push_str(if text.ends_with('\n') { "|" } else { "|-" });
            for line in text.lines() {
                yaml.push('\n');
                if !line.is_empty() {
                    pad(yaml, column);
                    yaml.push_str(line);
                }
            }
        }
        _ if is_other_type(text) || text.chars().any(is_special) => yaml.push_str(&quoted(text)),
        _ if is_plain(text) => yaml.push_str(text),
        _ => {
            let _ = write!(yaml, "'{}'", text.replace('\'', "''"));
        }
    }
}

/// Whether a text without quotes would be read as something else, by this or by another reader.
fn is_other_type(text: &str) -> bool {
    const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", ".inf", ".nan", "-.inf", "+.inf", "="];
    let begins_like_number = text.starts_with(|char: char| char.is_ascii_digit() || "+-.".contains(char));
    let goes_on_like_number = text.bytes().all(|byte| byte.is_ascii_hexdigit() || b"+-._:xobT Z".contains(&byte));
    Kind::of_plain(text) != Kind::Text
        || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        || begins_like_number && goes_on_like_number
}

fn is_plain(text: &str) -> bool {
    let starts_well = text.starts_with(|char: char| char.is_alphanumeric() || "/$_(.\\^+;<".contains(char));
    let document_mark = text.starts_with("---") || text.starts_with("...");
    let ends_well = !text.ends_with([' ', ':']);
    starts_well && ends_well && !document_mark && !text.contains(": ") && !text.contains(" #") && text != "<<"
}

/// Whether a text of several lines can stand as a block, line by line.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with(char::is_whitespace)
        && body.lines().last().is_some_and(|line| !line.trim().is_empty())
        && !body.chars().any(|char| is_special(char) && char != '\n' && char != '\t')
}

fn pad(yaml: &mut String, columns: usize) {
    yaml.extend(std::iter::repeat_n(' ', columns));
}
