//! Scalars: the text as written, and what YAML takes an unquoted one for.

use std::sync::Arc;

/// A scalar as written.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The text without quotes and escapes; a number or boolean in its own spelling.
    pub text: Arc<str>,
    /// What YAML takes it for.
    pub kind: Kind,
    /// Columns between the place of the scalar and the first character of its text, where the
    /// characters of the text stand one by one in the file; nothing for texts of several lines or
    /// with escapes.
    pub inset: Option<u32>,
}

/// What YAML takes a scalar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true` or `false`, in no other word.
    Bool,
    /// A whole number: decimal, `0x` or `0o`.
    Integer,
    /// Any other finite number.
    Float,
    /// Everything else, and all that is quoted.
    Text,
}

impl Kind {
    /// In the words of a message.
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
    /// A scalar that was not read from YAML.
    pub fn of_text(text: impl Into<Arc<str>>) -> Scalar {
        Scalar { text: text.into(), kind: Kind::Text, inset: None }
    }

    /// A number in decimal digits, without an exponent and without `.0`. Templates write 1000000 as `1e+06`.
    pub fn decimal(&self) -> Option<String> {
        let whole = || self.number().filter(|number| !number.is_f64()).map(|number| number.to_string());
        match self.kind {
            Kind::Integer => whole().or_else(|| self.float()),
            Kind::Float => self.float(),
            Kind::Null | Kind::Bool | Kind::Text => None,
        }
    }

    fn float(&self) -> Option<String> {
        self.text.parse::<f64>().ok().map(|number| number.to_string())
    }

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
    pub fn boolean(&self) -> Option<bool> {
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

    #[track_caller]
    fn check_decimal(text: &str, expected: Option<&str>) {
        let scalar = Scalar { kind: Kind::of_plain(text), ..Scalar::of_text(text) };
        assert_eq!(scalar.decimal().as_deref(), expected, "{text}");
    }

    #[test]
    fn numbers_in_decimal_digits() {
        check_decimal("+5", Some("5"));
        check_decimal("0x1F", Some("31"));
        check_decimal("18446744073709551615", Some("18446744073709551615"));
        check_decimal("-99999999999999999999999", Some("-100000000000000000000000"));
        check_decimal("1e+06", Some("1000000"));
        check_decimal("2.0", Some("2"));
        check_decimal("1.50", Some("1.5"));
        check_decimal("a", None);
        check_decimal("true", None);
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
