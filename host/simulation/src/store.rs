//! The objects, by resource, namespace and name, and the counters that make versions and uids. It knows no verbs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::resource::{self, Resource};

/// All objects.
#[derive(Debug, Default)]
pub(super) struct Store {
    objects: BTreeMap<Key, Value>,
    version: u64,
    made: u64,
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    group: &'static str,
    plural: &'static str,
    /// Empty for what is in none.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(resource: &Resource, namespace: Option<&str>, name: &str) -> Key {
        let namespace = namespace.unwrap_or_default().to_owned();
        Key { group: resource.group, plural: resource.plural, namespace, name: name.to_owned() }
    }

    fn is_of(&self, resource: &Resource) -> bool {
        self.group == resource.group && self.plural == resource.plural
    }
}

impl Store {
    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// The version of the newest change, for lists.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Keep an object under a new version, and return it as kept.
    pub(super) fn put(&mut self, key: Key, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(key, object.clone());
        object
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Value> {
        self.version += 1;
        self.objects.remove(key)
    }

    /// The objects of a resource in one namespace or all, in the order of namespace and name.
    pub(super) fn of<'a>(
        &'a self,
        resource: &Resource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Value)> {
        let (group, plural) = (resource.group, resource.plural);
        let first = Key { group, plural, namespace: namespace.unwrap_or_default().to_owned(), name: String::new() };
        let of_resource =
            self.objects.range(first..).take_while(move |(key, _)| key.group == group && key.plural == plural);
        of_resource.take_while(move |(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
    }

    /// All objects of all resources.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.objects.iter()
    }

    /// A namespace, where it exists.
    pub(super) fn namespace(&self, name: &str) -> Option<&Value> {
        self.objects.get(&Key::new(resource::namespaces(), None, name))
    }

    /// The resource of an object that is here.
    pub(super) fn resource_of(key: &Key) -> Option<&'static Resource> {
        resource::kinds().find(|resource| key.is_of(resource))
    }

    /// A uid that no other object has. Counted, not random, so that a run can be repeated.
    pub(super) fn new_uid(&mut self) -> String {
        self.made += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.made)
    }

    /// The end of a generated name: five characters that no word is made of, as the real one picks them, but counted.
    pub(super) fn new_suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        self.made += 1;
        let mut rest = usize::try_from(self.made).unwrap_or_default().wrapping_mul(7919);
        let mut suffix = String::new();
        for _ in 0..5 {
            suffix.push(char::from(LETTERS[rest % LETTERS.len()]));
            rest = rest / LETTERS.len() + 11;
        }
        suffix
    }
}
