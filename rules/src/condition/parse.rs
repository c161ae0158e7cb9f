//! Reads conditions. What it does not understand is an error: a condition that was guessed at could
//! turn an action on everything.

use std::net::IpAddr;

use globset::GlobBuilder;
use ipnet::IpNet;
use regex::Regex;

use super::{Condition, Operand, Order, Test};
use crate::nearest;

/// Why a text is not a condition.
#[derive(Debug, thiserror::Error)]
#[error("incorrect output field key '{condition}': {reason}")]
pub struct ConditionError {
    condition: String,
    reason: String,
    chars_before: usize,
}

impl ConditionError {
    /// How many characters of the text come before the one that is wrong.
    pub fn chars_before(&self) -> usize {
        self.chars_before
    }
}

/// Longest first, so that `>=` is not read as `>`.
const SIGNS: [&str; 7] = ["==", "!=", "<=", ">=", "=", "<", ">"];
/// What makes an expression of a glob recurses.
const ALTERNATES_DEEP_MAX: usize = 64;
const WORDS: [&str; 9] = ["startswith", "endswith", "contains", "glob", "regex", "cidr", "in", "intersects", "exists"];

pub(super) fn group(text: &str) -> Result<Vec<Condition>, ConditionError> {
    // A folded text of YAML ends with a line break that nobody means.
    let text = text.trim_end_matches(['\n', '\r']);
    let mut cursor = Cursor { text, at: 0 };
    let mut conditions = Vec::new();
    loop {
        cursor.skip_spaces();
        let start = cursor.at;
        let result = condition(&mut cursor).and_then(|condition| {
            conditions.push(condition);
            cursor.skip_spaces();
            let is_done = cursor.rest().is_empty();
            if is_done || cursor.eat(",") {
                return Ok(is_done);
            }
            Err("a comma is expected here".to_owned())
        });
        match result {
            Ok(true) => return Ok(conditions),
            Ok(false) => {}
            Err(reason) => {
                let condition = text[start..].split(',').next().unwrap_or_default();
                return Err(ConditionError {
                    condition: condition.trim_end().to_owned(),
                    reason,
                    chars_before: text[..cursor.at].chars().count(),
                });
            }
        }
    }
}

fn condition(cursor: &mut Cursor<'_>) -> Result<Condition, String> {
    let field = cursor.field()?;
    let is_spaced = cursor.skip_spaces();
    if let Some(sign) = SIGNS.into_iter().find(|sign| cursor.eat(sign)) {
        let test = compare(cursor, sign, is_spaced)?;
        return Ok(Condition { field, test });
    }
    let start = cursor.at;
    let word = cursor.take_while(char::is_alphabetic);
    let is_alone = cursor.peek().is_none_or(|char| char.is_whitespace() || "(,\"'".contains(char));
    if word.is_empty() || !is_alone || !is_spaced {
        cursor.at = start;
        let known = [&SIGNS[..], &WORDS[..]].concat().join(" ");
        return Err(format!("an operator is expected here, one of: {known}"));
    }
    let test = word_test(cursor, word, start)?;
    Ok(Condition { field, test })
}

fn compare(cursor: &mut Cursor<'_>, sign: &str, is_spaced: bool) -> Result<Test, String> {
    let orders = [("<", Order::Less), ("<=", Order::AtMost), (">=", Order::AtLeast), (">", Order::Greater)];
    let order = orders.into_iter().find(|(known, _)| *known == sign);
    let Some((_, order)) = order else {
        let operand = Operand::new(cursor.value(!is_spaced, false)?.text);
        return Ok(if sign == "!=" { Test::NotEqual(operand) } else { Test::Equal(operand) });
    };
    let start = cursor.at;
    let operand = Operand::new(cursor.value(false, false)?.text);
    if operand.number.is_none() {
        cursor.at = start;
        return Err(format!("'{sign}' needs a number, not '{}'", operand.text));
    }
    Ok(Test::Order(order, operand))
}

fn word_test(cursor: &mut Cursor<'_>, word: &str, start: usize) -> Result<Test, String> {
    match word {
        "exists" => return Ok(Test::Exists),
        "in" => return Ok(Test::In(cursor.list(word)?)),
        "intersects" => return Ok(Test::Intersects(cursor.list(word)?)),
        _ if WORDS.contains(&word) => {}
        _ => {
            cursor.at = start;
            return Err(format!("unknown operator '{word}'{}", nearest::hint(word, WORDS)));
        }
    }
    cursor.skip_spaces();
    let start = cursor.at;
    let text = cursor.value(false, false)?.text;
    let test = match word {
        _ if text.is_empty() => Err(format!("'{word}' needs a value; 'exists' asks for any")),
        "startswith" => Ok(Test::StartsWith(text)),
        "endswith" => Ok(Test::EndsWith(text)),
        "contains" => Ok(Test::Contains(text)),
        "glob" => glob(&text),
        "regex" => regex(text),
        _ => cidr(&text),
    };
    test.inspect_err(|_| cursor.at = start)
}

fn glob(pattern: &str) -> Result<Test, String> {
    if alternates_deep(pattern) > ALTERNATES_DEEP_MAX {
        return Err(format!("'{{…}}' within each other are read {ALTERNATES_DEEP_MAX} deep at most"));
    }
    // `*` stops at no `/`: fields hold command lines and URLs as well as paths.
    let glob = GlobBuilder::new(pattern).literal_separator(false).backslash_escape(true).build();
    glob.map(|glob| Test::Glob(glob.compile_matcher())).map_err(|error| error.kind().to_string())
}

/// How deep `{a,b}` stand within each other, or a little more where a bracket is a character.
fn alternates_deep(pattern: &str) -> usize {
    let (mut deep, mut deepest) = (0_usize, 0);
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => drop(chars.next()),
            '{' => deep += 1,
            '}' => deep = deep.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(deep);
    }
    deepest
}

fn regex(written: String) -> Result<Test, String> {
    // The pattern alone first, so that a stray parenthesis can't close the group around it.
    let whole = Regex::new(&written).and_then(|_| Regex::new(&format!(r"\A(?:{written})\z")));
    match whole {
        Ok(whole) => Ok(Test::Regex { written, whole }),
        Err(error) => Err(error.to_string().replace('\n', " ")),
    }
}

fn cidr(text: &str) -> Result<Test, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| format!("'{text}' is not a network such as 10.0.0.0/8"))?;
    Ok(Test::Cidr(network.trunc()))
}

/// Whether a field can be written without quotes.
pub(super) fn is_plain_field(field: &str) -> bool {
    let mut cursor = Cursor { text: field, at: 0 };
    !field.starts_with('"') && cursor.field().is_ok() && cursor.rest().is_empty()
}

struct Value {
    text: String,
    is_quoted: bool,
}

struct Cursor<'a> {
    text: &'a str,
    /// Index of the next byte.
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn eat(&mut self, token: &str) -> bool {
        let is_there = self.rest().starts_with(token);
        self.at += if is_there { token.len() } else { 0 };
        is_there
    }

    fn take_while(&mut self, test: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|char| !test(char)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_spaces(&mut self) -> bool {
        !self.take_while(char::is_whitespace).is_empty()
    }

    /// The name of a field: as Falco has them, `proc.aname[2]`, `k8s.pod.label[app.example/name]`;
    /// any other in double quotes.
    fn field(&mut self) -> Result<String, String> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let start = self.at;
        loop {
            self.take_while(|char| char.is_ascii_alphanumeric() || "._-/".contains(char));
            let bracket = self.at;
            if !self.eat("[") {
                break;
            }
            self.take_while(|char| char != ']');
            if !self.eat("]") {
                self.at = bracket;
                return Err("this '[' is not closed".to_owned());
            }
        }
        if start == self.at {
            let hint = "a value with a comma needs quotes, a field with other signs too";
            return Err(format!("the name of a field is expected here ({hint})"));
        }
        Ok(self.text[start..self.at].to_owned())
    }

    /// The text between the quote that comes next and its twin.
    fn quoted(&mut self) -> Result<String, String> {
        let start = self.at;
        let quote = self.bump();
        let mut text = String::new();
        while let Some(char) = self.bump() {
            match char {
                _ if Some(char) == quote => return Ok(text),
                '\\' if self.peek() == quote || self.peek() == Some('\\') => {
                    text.extend(self.bump());
                }
                _ => text.push(char),
            }
        }
        self.at = start;
        Err("this quote is not closed".to_owned())
    }

    /// A value up to the next comma, or in a list up to `)`.
    ///
    /// `is_verbatim` keeps the spaces around it, for the sake of rules that were written when they
    /// counted.
    fn value(&mut self, is_verbatim: bool, in_list: bool) -> Result<Value, String> {
        if !is_verbatim {
            self.skip_spaces();
        }
        let start = self.at;
        if self.peek() == Some('\'') {
            let text = self.quoted()?;
            self.skip_spaces();
            if !self.is_at_end_of_value(in_list) {
                return Err("a comma is expected after the quote".to_owned());
            }
            return Ok(Value { text, is_quoted: true });
        }
        let (mut text, mut solid, mut is_quoted) = (String::new(), 0, false);
        while !self.is_at_end_of_value(in_list) {
            if self.peek() == Some('"') {
                text.push_str(&self.quoted()?);
                is_quoted = true;
                solid = text.len();
            } else if let Some(char) = self.bump() {
                text.push(char);
                solid = if char.is_whitespace() { solid } else { text.len() };
            }
        }
        if !is_quoted && let Some(word) = joining_word(&text) {
            self.at = start;
            return Err(format!("'{word}' joins no conditions here: write a comma, or quote the value"));
        }
        if !is_verbatim {
            text.truncate(solid);
        }
        Ok(Value { text, is_quoted })
    }

    fn is_at_end_of_value(&self, in_list: bool) -> bool {
        match self.peek() {
            None | Some(',') => true,
            Some(')') => in_list,
            Some(_) => false,
        }
    }

    fn list(&mut self, word: &str) -> Result<Vec<Operand>, String> {
        self.skip_spaces();
        if !self.eat("(") {
            return Err(format!("'{word}' needs a list such as (a, b)"));
        }
        let mut operands = Vec::new();
        loop {
            let value = self.value(false, true)?;
            if value.text.is_empty() && !value.is_quoted {
                return Err("a value is expected here; the empty text is \"\"".to_owned());
            }
            operands.push(Operand::new(value.text));
            if self.eat(")") {
                return Ok(operands);
            }
            if !self.eat(",") {
                return Err("this list is not closed by ')'".to_owned());
            }
        }
    }
}

/// The `and` or `or` between what looks like two conditions of Falco's language. Taken as a value
/// it would make a `!=` true for all events.
fn joining_word(value: &str) -> Option<&'static str> {
    ["and", "or"].into_iter().find(|word| {
        let (_, next) = value.split_once(&format!(" {word} ")).unwrap_or_default();
        let mut cursor = Cursor { text: next.trim_start().trim_start_matches("not "), at: 0 };
        let is_field = cursor.field().is_ok();
        cursor.skip_spaces();
        let rest = cursor.rest();
        let is_word = |word: &&str| rest.split_whitespace().next() == Some(word);
        is_field && (SIGNS.iter().any(|sign| rest.starts_with(sign)) || WORDS.iter().any(is_word))
    })
}
