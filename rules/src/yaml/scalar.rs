//! Scalars: the text as written, and what YAML takes an unquoted one for.

use std::sync::Arc;

/// A scalar as written.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: Arc<str>,
    pub(crate) kind: Kind,
    /// Columns between the place of the scalar and the first character of its text, where the
    /// characters of the text stand one by one in the file; nothing for texts of several lines or
    /// with escapes.
    pub(crate) inset: Option<u32>,
}

/// What YAML takes a scalar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Integer,
    Float,
    Text,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "boolean",
            Kind::Integer => "integer",
            Kind::Float => "number",
            Kind::Text => "string",
        }
    }

    /// What an unquoted text is, by the core schema of YAML 1.2. Decimal integers with a leading
    /// zero stay texts, since half of the world reads them as octal.
    pub(crate) fn of_plain(text: &str) -> Kind {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return Kind::Bool,
            _ => {}
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.starts_with(|char: char| char.is_ascii_digit() || char == '.') {
            return Kind::Text;
        }
        let is_octal_like = digits.len() > 1 && digits.starts_with('0');
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return if is_octal_like { Kind::Text } else { Kind::Integer };
        }
        if radix(text).is_some() {
            return Kind::Integer;
        }
        // What is left that Rust reads as a float and begins with a digit or a point is one in YAML.
        if digits.bytes().any(|byte| byte.is_ascii_digit()) && digits.parse::<f64>().is_ok() {
            return Kind::Float;
        }
        Kind::Text
    }
}

impl Scalar {
    /// The number that the scalar stands for, if it stands for one that JSON can carry exactly.
    pub(crate) fn number(&self) -> Option<serde_json::Number> {
        match self.kind {
            Kind::Integer => {
                let digits = self.text.strip_prefix('+').unwrap_or(&self.text);
                let signed = radix(&self.text).or_else(|| digits.parse::<i64>().ok());
                let number = signed.map(Into::into);
                number.or_else(|| digits.parse::<u64>().ok().map(Into::into))
            }
            Kind::Float => serde_json::Number::from_f64(self.text.parse().ok()?),
            Kind::Null | Kind::Bool | Kind::Text => None,
        }
    }

    /// The boolean that the scalar stands for, if it stands for one.
    pub(crate) fn boolean(&self) -> Option<bool> {
        (self.kind == Kind::Bool).then(|| self.text.starts_with(['t', 'T']))
    }
}

fn radix(text: &str) -> Option<i64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'0', b'o', ..] => (&text[2..], 8),
        _ => return None,
    };
    let is_digit = |char: char| char.is_digit(radix);
    digits.chars().all(is_digit).then(|| i64::from_str_radix(digits, radix).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Kind) {
        assert_eq!(Kind::of_plain(text), expected, "{text:?}");
    }

    #[test]
    fn plain_scalars_have_the_kinds_of_the_core_schema() {
        for text in ["", "~", "null", "NULL"] {
            check(text, Kind::Null);
        }
        for text in ["true", "True", "FALSE"] {
            check(text, Kind::Bool);
        }
        for text in ["0", "-1", "+5", "1725538330819462123", "0x1F", "0o17"] {
            check(text, Kind::Integer);
        }
        for text in ["1.5", "-.5", "1.", "1e3", "1.10"] {
            check(text, Kind::Float);
        }
        for text in ["33%", "yes", "on", "010", "1.2.3", "10.0.0.0/8", "-", ".", ".inf", "nan", "e5", "0x", "1_0"] {
            check(text, Kind::Text);
        }
    }
}
