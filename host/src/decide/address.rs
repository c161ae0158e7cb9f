//! Addresses of objects, every part checked before a path is made of it.
//!
//! Clients put these parts into a URL as they are, so that a name such as `web/exec`, `..` or
//! `web?force` would reach something else than what was decided on. Names are those of RFC 1123:
//! lower-case letters, digits, `-` and `.`. The few objects of Kubernetes whose names have other
//! characters (`system:…` among the roles) can't be addressed.

use std::fmt;

use super::KubernetesRequest;
use crate::policy::resource::{known, write_address};
use crate::policy::{FieldPath, Verb};

/// The longest label of RFC 1123, and so the longest namespace.
pub(crate) const NAMESPACE_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 253;
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

/// The address of an object, or of a collection where it has no name, with every part checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    group: &'a str,
    version: &'a str,
    resource: &'a str,
    subresource: Option<&'a str>,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// Check the words that a guest sent. `resource` may carry a subresource after a `/`.
    pub fn new(
        group: &'a str,
        version: &'a str,
        resource: &'a str,
        namespace: Option<&'a str>,
        name: Option<&'a str>,
    ) -> Result<Self, AddressError> {
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource)),
            None => (resource, None),
        };
        check_resource(group, resource, subresource)?;
        check("version", version, is_label)?;
        if let Some(namespace) = namespace {
            check_namespace(namespace)?;
        }
        if let Some(name) = name {
            check_name(name)?;
        }
        Ok(Address { group, version, resource, subresource, namespace, name })
    }

    /// This collection's object of a name: what a create asks for, once its body was read.
    pub fn named(self, name: &'a str) -> Result<Self, AddressError> {
        check_name(name)?;
        Ok(Address { name: Some(name), ..self })
    }

    /// The question for [`super::decide`].
    pub fn request(&self, verb: Verb, fields: &'a [FieldPath]) -> KubernetesRequest<'a> {
        KubernetesRequest {
            verb,
            group: self.group,
            resource: self.resource,
            subresource: self.subresource,
            namespace: self.namespace,
            name: self.name,
            fields,
            node: None,
        }
    }

    /// `v1` or `apps/v1`, as an object of this address writes it.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path under which the API server has it.
    pub fn path(&self) -> String {
        let root = if self.group.is_empty() { "api" } else { "apis" };
        let mut path = format!("/{root}/{}", self.api_version());
        let namespace = self.namespace.map(|namespace| ["namespaces", namespace]);
        let steps = namespace.iter().flatten().copied().chain([self.resource]).chain(self.name).chain(self.subresource);
        for step in steps {
            path.push('/');
            path.push_str(step);
        }
        path
    }

    /// Empty for the core group.
    pub fn group(&self) -> &'a str {
        self.group
    }

    /// Plural, without the subresource.
    pub fn resource(&self) -> &'a str {
        self.resource
    }

    /// What follows the name.
    pub fn subresource(&self) -> Option<&'a str> {
        self.subresource
    }

    /// None outside of namespaces.
    pub fn namespace(&self) -> Option<&'a str> {
        self.namespace
    }

    /// None for a collection.
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }
}

/// `apps/deployments/scale shop/web`: for people; nothing is parsed from it.
impl fmt::Display for Address<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(formatter, self.group, self.resource, self.subresource)?;
        match (self.namespace, self.name) {
            (Some(namespace), Some(name)) => write!(formatter, " {namespace}/{name}"),
            (None, Some(name)) => write!(formatter, " {name}"),
            (Some(namespace), None) => write!(formatter, " in {namespace}"),
            (None, None) => Ok(()),
        }
    }
}

/// Check the words that name a resource.
pub(crate) fn check_resource(group: &str, resource: &str, subresource: Option<&str>) -> Result<(), AddressError> {
    if !group.is_empty() {
        check("group", group, is_name)?;
    }
    check("resource", resource, is_label)?;
    subresource.map_or(Ok(()), |name| check("subresource", name, is_label))
}

/// Check that a namespace is named where the resource lies in one, and only there. Only of
/// Kubernetes' own resources is it known.
pub(super) fn check_place(
    group: &str,
    resource: &str,
    namespace: Option<&str>,
    is_list: bool,
) -> Result<(), AddressError> {
    match (known(group, resource), namespace) {
        // A list without a namespace is one over all of them.
        (Some(known), None) if known.in_namespace && !is_list => Err(AddressError::NoNamespace(known.resource)),
        (Some(known), Some(_)) if !known.in_namespace => Err(AddressError::OutsideNamespaces(known.resource)),
        _ => Ok(()),
    }
}

pub(super) fn check_namespace(namespace: &str) -> Result<(), AddressError> {
    check("namespace", namespace, is_label)
}

/// Check the name of an object.
pub(crate) fn check_name(name: &str) -> Result<(), AddressError> {
    check("name", name, is_name)
}

fn check(part: &'static str, text: &str, is_right: fn(&str) -> bool) -> Result<(), AddressError> {
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
fn is_label(text: &str) -> bool {
    text.len() <= NAMESPACE_BYTES_MAX && is_part(text)
}

/// A subdomain of RFC 1123: parts with dots between, each as long as it likes in Kubernetes.
fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    let is_right = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(is_right) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that hostile events and guests bring.
    const HOSTILE: &[&str] = &[
        "",
        ".",
        "..",
        "../../secrets",
        "web-1/exec",
        "web%2fexec",
        "%2e%2e",
        "web?force=true",
        "web#x",
        "web;x",
        "  ",
        "web ",
        " web",
        "Web-1",
        "KUBE-SYSTEM",
        "w\u{435}b",
        "web\r\nx",
        "web\0",
        "web\u{200b}",
        "--all",
        "-web",
        "web-",
        "*",
        "app=web",
        "a..b",
        ".a",
        "a.",
        "a_b",
        "a\\b",
        "a:b",
        "a@b",
        "a&b",
        "a+b",
        "ａ",
        "web\u{202e}",
    ];

    #[test]
    fn every_part_refuses_what_would_change_the_path() {
        for text in HOSTILE {
            assert!(Address::new("", "v1", "pods", Some("n"), Some(text)).is_err(), "{text:?}");
            assert!(Address::new("", "v1", "pods", Some(text), Some("p")).is_err(), "{text:?}");
            assert!(Address::new("", "v1", text, Some("n"), Some("p")).is_err() || *text == "web-1/exec");
            assert!(Address::new("", text, "pods", Some("n"), Some("p")).is_err(), "{text:?}");
            assert!(Address::new("", "v1", &format!("pods/{text}"), None, None).is_err(), "{text:?}");
            if !text.is_empty() {
                assert!(Address::new(text, "v1", "pods", None, None).is_err(), "{text:?}");
            }
        }
    }

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

    #[track_caller]
    fn check_path(address: [&str; 5], expected: &str) {
        let some = |text: &'static str| (!text.is_empty()).then_some(text);
        let [group, version, resource, namespace, name] = address.map(|part| &*part.to_owned().leak());
        let address = Address::new(group, version, resource, some(namespace), some(name)).unwrap();
        assert_eq!(address.path(), expected);
    }

    #[test]
    fn paths_are_those_of_the_api_server() {
        check_path(["", "v1", "pods", "shop", "web-0"], "/api/v1/namespaces/shop/pods/web-0");
        check_path(["", "v1", "nodes", "", "worker-1"], "/api/v1/nodes/worker-1");
        check_path(["", "v1", "pods", "", ""], "/api/v1/pods");
        check_path(
            ["apps", "v1", "deployments/scale", "shop", "web"],
            "/apis/apps/v1/namespaces/shop/deployments/web/scale",
        );
    }
}
