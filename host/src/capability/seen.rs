//! Which objects of the cluster a call has seen, by their uids and versions. Does not know what they are seen for.

use std::collections::HashMap;

use policy::{Address, ObjectId};
use serde_json::Value;

use crate::clients::Identity;

/// The objects that were read or written, as they were then.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<ObjectId, Identity>);

impl Seen {
    /// The uid of what was seen at an address.
    pub(super) fn uid(&self, address: &Address<'_>) -> Option<&str> {
        Some(self.0.get(&ObjectId::at(address)?)?.uid.as_str())
    }

    /// The version of an object when it was seen, if it was this one.
    pub(super) fn version(&self, address: &Address<'_>, uid: &str) -> Option<&str> {
        let seen = self.0.get(&ObjectId::at(address)?).filter(|seen| seen.uid == uid)?;
        Some(seen.resource_version.as_str())
    }

    /// What is at an address now.
    pub(super) fn note(&mut self, address: &Address<'_>, identity: Identity) {
        // What is not stored, such as a token that was asked for, has none.
        if !identity.uid.is_empty() {
            self.0.extend(ObjectId::at(address).map(|id| (id, identity)));
        }
    }

    /// What a list has shown of the collection at an address.
    pub(super) fn note_listed(&mut self, address: &Address<'_>, list: &Value) {
        for item in list["items"].as_array().into_iter().flatten() {
            let metadata = &item["metadata"];
            let namespace = metadata["namespace"].as_str().or(address.namespace());
            let Some(id) = metadata["name"].as_str().and_then(|name| ObjectId::listed(address, namespace, name)) else {
                continue;
            };
            let identity = Identity::of(item);
            if !identity.uid.is_empty() {
                self.0.insert(id, identity);
            }
        }
    }

    /// Whatever is at an address next is another object.
    pub(super) fn forget(&mut self, address: &Address<'_>) {
        if let Some(id) = ObjectId::at(address) {
            self.0.remove(&id);
        }
    }
}
