//! What the interfaces that read, write and exec have in common.

use std::time::Duration;

use policy::{Address, AddressError};
use tokio::time::Instant;

use super::bindings::falco_talon::actionner::types::{Collection, Object};
use super::call::Call;
use crate::clients::{Answer, ApiRequest, Kubernetes, RequestError};

/// Left of a call's deadline when a wait ends, so that the actionner can say what it waited for.
const TO_REPORT: Duration = Duration::from_millis(250);

impl Call {
    /// The way to the cluster.
    pub(super) fn kubernetes(&self) -> Result<&Kubernetes, RequestError> {
        let missing = || RequestError::Unavailable("the host has no Kubernetes client".to_owned());
        self.clients.kubernetes.as_ref().ok_or_else(missing)
    }

    /// Send `request` within the call's deadline and the policy's limit of bytes.
    pub(super) async fn send(&self, request: &ApiRequest) -> Result<Answer, RequestError> {
        self.kubernetes()?.send(request, self.deadline, self.grants.limits.response_bytes_max).await
    }

    /// The end of a wait of `timeout_ms` that leaves the actionner time to report.
    pub(super) fn wait_until(&self, timeout_ms: u32) -> Instant {
        let end = self.deadline.checked_sub(TO_REPORT).unwrap_or(self.deadline);
        end.min(Instant::now() + Duration::from_millis(timeout_ms.into()))
    }
}

/// The address of one object, each part checked.
pub(super) fn object_address(object: &Object) -> Result<Address<'_>, AddressError> {
    let Object { group, version, resource, namespace, name } = object;
    Address::new(group, version, resource, namespace.as_deref(), Some(name))
}

/// The address of the objects of one resource, each part checked.
pub(super) fn collection_address(collection: &Collection) -> Result<Address<'_>, AddressError> {
    let Collection { group, version, resource, namespace, .. } = collection;
    Address::new(group, version, resource, namespace.as_deref(), None)
}

/// The query of a request; parameters without a value are left out.
pub(super) fn query(parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    match query.finish() {
        query if query.is_empty() => query,
        query => format!("?{query}"),
    }
}
