//! A text that is never shown: a password, a token, the value of a header.

use std::borrow::Cow;
use std::fmt;

/// A text that is never shown.
///
/// There is no way to print it, so that no message, no log line and no policy can show it by mistake; who needs it
/// asks for it by name.
///
/// ```compile_fail
/// println!("{}", policy::Secret::new("hunter2"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for whoever it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// A text of others, such as the error of a library, without the users and passwords of the addresses that it names.
pub fn without_userinfo(text: &str) -> Cow<'_, str> {
    const SCHEME_END: &str = "://";
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(SCHEME_END) {
        let (before, address) = rest.split_at(at + SCHEME_END.len());
        // Also an address that is none, such as one whose password has a slash, goes on up to here.
        let end = address.find(|it: char| it.is_whitespace() || "\"'`<>".contains(it)).unwrap_or(address.len());
        kept.push_str(before);
        rest = match address[..end].rfind('@') {
            Some(at) => {
                kept.push('…');
                &address[at..]
            }
            None => address,
        };
    }
    if kept.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(kept + rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_is_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
        assert_eq!(format!("{:#?}", Secret::default()), "Secret(…)");
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }

    #[test]
    fn addresses_are_shown_without_their_users() {
        let check = |text: &str, expected: &str| assert_eq!(without_userinfo(text), expected);
        check("no address", "no address");
        check("http://a/b?c=d@e f@g", "http://…@e f@g");
        check("for `http://u:hunter2@a/`: http://b:1", "for `http://…@a/`: http://b:1");
        check("https://u:hun/ter2@a \"ftp://hunter2@\"", "https://…@a \"ftp://…@\"");
        check("http://u:hunter2@ a:1", "http://…@ a:1");
        check("://", "://");
    }
}
