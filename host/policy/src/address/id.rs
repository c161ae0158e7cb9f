//! Which object, whatever version of the API it is addressed by.

use std::fmt;

use super::name::{check_name, check_namespace};
use super::object::Address;
use super::resource::write_address;

/// One object of the cluster. Displays as `apps/deployments shop/web`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectId {
    /// Empty for the core group.
    pub group: String,
    /// Plural.
    pub resource: String,
    /// None outside of namespaces.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl ObjectId {
    pub(crate) fn new(group: &str, resource: &str, namespace: Option<&str>, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    /// The object at an address, or the one that the address is a part of; none of a collection.
    pub fn at(address: &Address<'_>) -> Option<Self> {
        Some(Self::new(address.group(), address.resource(), address.namespace(), address.name()?))
    }

    /// An object of the collection at an address, by what a list shows of it; none where that is no name.
    pub fn listed(address: &Address<'_>, namespace: Option<&str>, name: &str) -> Option<Self> {
        let are_names =
            check_name(name).is_ok() && namespace.is_none_or(|namespace| check_namespace(namespace).is_ok());
        are_names.then(|| Self::new(address.group(), address.resource(), namespace, name))
    }

    /// Whether it is this one.
    pub(crate) fn is(&self, group: &str, resource: &str, namespace: Option<&str>, name: &str) -> bool {
        self.name == name && self.resource == resource && self.group == group && self.namespace.as_deref() == namespace
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(formatter, &self.group, &self.resource, None)?;
        match &self.namespace {
            Some(namespace) => write!(formatter, " {namespace}/{}", self.name),
            None => write!(formatter, " {}", self.name),
        }
    }
}
