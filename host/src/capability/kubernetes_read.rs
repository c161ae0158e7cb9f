//! `kubernetes-read`: look at objects of the cluster.
//!
//! What was read of a target is learnt: its owners and its node become targets of the same
//! call, which is how an actionner reaches the node of a pod and nothing else.

use http::Method;

use super::bindings::falco_talon::actionner::kubernetes_read::Host;
use super::bindings::falco_talon::actionner::types::{Collection, Object};
use super::kubernetes::{Answer, ApiRequest, JSON, collection_address, object_address, query};
use super::{Call, CapabilityError};
use crate::policy::Verb;

impl Host for Call {
    async fn get(&mut self, object: Object) -> Result<String, CapabilityError> {
        let address = object_address(&object).map_err(|error| self.invalid("kubernetes-read.get", error))?;
        let entry = self.gate("kubernetes-read.get", &[address.request(Verb::Get, &[])])?;
        let request = ApiRequest { method: Method::GET, path: address.path(), content_type: JSON, body: Vec::new() };
        let answer = self.send(entry, &request).await?;
        self.targets.learn(&answer.object);
        Ok(answer.into_text())
    }

    async fn list(&mut self, collection: Collection) -> Result<String, CapabilityError> {
        let address = collection_address(&collection).map_err(|error| self.invalid("kubernetes-read.list", error))?;
        let entry = self.gate("kubernetes-read.list", &[address.request(Verb::List, &[])])?;
        let path = address.path()
            + &query(&[("labelSelector", &collection.label_selector), ("fieldSelector", &collection.field_selector)]);
        let request = ApiRequest { method: Method::GET, path, content_type: JSON, body: Vec::new() };
        self.send(entry, &request).await.map(Answer::into_text)
    }
}
