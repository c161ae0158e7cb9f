//! What an actionner may be called, for rules, policies and components alike.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

/// The name of an actionner: `category:name`, such as `kubernetes:label`.
///
/// A name is read by many: it stands in rule files and as a key of policies without quotes, in log lines, in labels of
/// metrics, and in the arguments of commands. So both words begin with a small letter and go on with small letters,
/// digits, `-` and `_`. YAML takes that for a text and never for a number, neither a shell nor a terminal sees more in
/// it than letters, and no two names differ in letter case only. 64 bytes are the most, so that the name of a stranger's
/// component can't fill lines. What reads a name accepts what any other accepts: a component could otherwise have a name
/// that no policy can grant anything and no rule can use.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionnerName(Arc<str>);

/// A text is not the name of an actionner. The message goes on after what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is written 'category:name', such as 'kubernetes:label': both begin with a small letter and go on with small \
     letters, digits, '-' and '_', {BYTES_MAX} characters at most together"
)]
pub struct ActionnerNameError;

const BYTES_MAX: usize = 64;

impl ActionnerName {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ActionnerName {
    type Err = ActionnerNameError;

    fn from_str(text: &str) -> Result<ActionnerName, ActionnerNameError> {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        let is_word =
            |word: &str| word.starts_with(|char: char| char.is_ascii_lowercase()) && word.bytes().all(is_inner);
        match text.split_once(':') {
            Some((category, name)) if text.len() <= BYTES_MAX && is_word(category) && is_word(name) => {
                Ok(ActionnerName(text.into()))
            }
            _ => Err(ActionnerNameError),
        }
    }
}

/// Whoever only shows or compares a name sees the text.
impl Deref for ActionnerName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ActionnerName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ActionnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ActionnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, is_name: bool) {
        let parsed = text.parse::<ActionnerName>();
        assert_eq!(
            parsed.as_ref().map(ActionnerName::as_str),
            if is_name { Ok(text) } else { Err(&ActionnerNameError) }
        );
    }

    #[test]
    fn names_are_two_words_of_small_letters() {
        for name in ["kubernetes:label", "a:b", "acme:page-2", "acme_inc:page_2", "no:on", "a-:b_"] {
            check(name, true);
        }
        for other in ["", "label", ":", "kubernetes:", ":label", "a:b:c", "Kubernetes:label", "a:B", "a:b ", "a: b"] {
            check(other, false);
        }
        for other in ["1a:b", "a:2", "-a:b", "a:_b", "a.b:c", "a/b:c", "../a:b", "a:b\n", "é:b", "a\u{1b}[0m:b"] {
            check(other, false);
        }
    }

    #[test]
    fn names_are_short() {
        check(&format!("a:{}", "b".repeat(62)), true);
        check(&format!("a:{}", "b".repeat(63)), false);
    }
}
