//! Names as Kubernetes allows them, and why a part of an address is refused.
//!
//! Clients put these parts into a URL as they are, so that a name such as `web/exec`, `..` or
//! `web?force` would reach something else than what was decided on. Names are those of RFC 1123:
//! lower-case letters, digits, `-` and `.`. The few objects of Kubernetes whose names have other
//! characters (`system:…` among the roles) can't be addressed. Does not know which resources there are.

/// The longest label of RFC 1123, and so the longest namespace.
pub(crate) const NAMESPACE_BYTES_MAX: usize = 63;
pub(super) const NAME_BYTES_MAX: usize = 253;
/// How much of a refused text is shown.
pub(crate) const SHOWN_CHARS_MAX: usize = 64;

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A part that must be there is empty or left out.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// A part has characters that Kubernetes does not allow there, or too many.
    #[error("`{shown}` can't be a {part}: lower-case letters, digits{other} only, at most {bytes_max}")]
    Malformed {
        /// Which part.
        part: &'static str,
        /// What it was, escaped and cut: it comes from a guest or an event.
        shown: String,
        /// What is allowed besides letters and digits, as a part of the sentence.
        other: &'static str,
        /// The most bytes that it may have.
        bytes_max: usize,
    },
    /// An object that lies in a namespace is named without one.
    #[error("{0} lie in a namespace, and none is named")]
    NoNamespace(&'static str),
    /// An object that lies in no namespace is named with one.
    #[error("{0} lie in no namespace, and one is named")]
    OutsideNamespaces(&'static str),
    /// A list is of a collection.
    #[error("a list names no object")]
    NamedList,
}

/// A text from a guest, an event or a file as it may stand in a message: cut, and without
/// characters that move the cursor, hide or reorder what follows.
pub(crate) fn shown(text: &str, chars_max: usize) -> String {
    let mut shown = String::new();
    for character in text.chars().take(chars_max) {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    if text.chars().nth(chars_max).is_some() {
        shown.push('…');
    }
    shown
}

pub(crate) fn check_namespace(namespace: &str) -> Result<(), AddressError> {
    check("namespace", namespace, is_label)
}

/// Check the name of an object.
pub(crate) fn check_name(name: &str) -> Result<(), AddressError> {
    check("name", name, is_name)
}

pub(super) fn check(part: &'static str, text: &str, is_right: fn(&str) -> bool) -> Result<(), AddressError> {
    if is_right(text) {
        return Ok(());
    }
    if text.is_empty() {
        return Err(AddressError::Empty(part));
    }
    let (other, bytes_max) = match part {
        "name" | "group" => (", `-` and `.`", NAME_BYTES_MAX),
        _ => (" and `-`", NAMESPACE_BYTES_MAX),
    };
    Err(AddressError::Malformed { part, shown: shown(text, SHOWN_CHARS_MAX), other, bytes_max })
}

/// A label of RFC 1123.
pub(super) fn is_label(text: &str) -> bool {
    text.len() <= NAMESPACE_BYTES_MAX && is_part(text)
}

/// A subdomain of RFC 1123: parts with dots between, each as long as it likes in Kubernetes.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    let is_right = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(is_right) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_long_as_kubernetes_allows() {
        let name = "a".repeat(NAME_BYTES_MAX);
        assert!(check_name(&name).is_ok());
        assert!(check_name(&format!("{name}a")).is_err());
        assert!(check_namespace(&"a".repeat(NAMESPACE_BYTES_MAX)).is_ok());
        assert!(check_namespace(&"a".repeat(NAMESPACE_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn what_is_shown_of_a_refused_part_is_escaped_and_cut() {
        let error = check_name(&format!("\u{1b}[31m{}", "x".repeat(10_000))).unwrap_err();
        let text = error.to_string();
        assert!(text.len() < 250 && !text.chars().any(char::is_control), "{text}");
    }
}
