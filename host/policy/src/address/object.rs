//! Addresses of objects, every part checked before a path is made of it.

use std::fmt;

use super::name::{AddressError, check, check_name, check_namespace, is_label};
use super::resource::{check_resource, write_address};

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

    /// The address of the object itself, where this is one of a part of it.
    pub fn whole(self) -> Self {
        Address { subresource: None, ..self }
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
