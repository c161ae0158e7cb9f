//! A text that is never shown: a password, a token, the value of a header.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_is_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
        assert_eq!(format!("{:#?}", Secret::default()), "Secret(…)");
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }
}
