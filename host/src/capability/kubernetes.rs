//! What the interfaces that read, write and exec have in common.

use std::time::Duration;

use policy::{Address, AddressError, Decision, KubernetesRequest, Verb, decide};
use tokio::time::Instant;

use super::bindings::falco_talon::actionner::types::{Collection, Object};
use super::call::{Call, Closed};
use crate::clients::{Answer, ApiRequest, End, Kubernetes, Refusal, RequestError, Said, Written};
use crate::telemetry::audit::Entry;

/// Left of a call's deadline when a wait ends, so that the actionner can say what it waited for.
const TO_REPORT: Duration = Duration::from_millis(250);

impl Call {
    /// The way to the cluster.
    pub(super) fn kubernetes(&self) -> Result<&Kubernetes, RequestError> {
        let missing = || RequestError::Unavailable("the host has no Kubernetes client".to_owned());
        self.clients.kubernetes.as_ref().ok_or_else(missing)
    }

    /// Read the object or the list at `path`, up to the policy's limit of bytes.
    pub(super) async fn read(&self, entry: &Entry, path: &str) -> Result<Answer, Refusal> {
        self.kubernetes()?.get(path, &self.permit(entry), self.grants.limits.response_bytes_max).await
    }

    /// Write, and close as what is about the object at `address`.
    ///
    /// # Errors
    ///
    /// Where it was not carried out, or nobody knows.
    pub(super) async fn write(
        &self,
        entry: Entry,
        address: &Address<'_>,
        request: &ApiRequest,
    ) -> Result<Written, Closed> {
        let permit = self.permit(&entry);
        match self.kubernetes() {
            Ok(kubernetes) => self.close_write_about(entry, address, kubernetes.write(request, &permit).await),
            Err(error) => self.close(entry, Err(error)),
        }
    }

    /// The end of a read of the object at `address`, in which a refusal says what the actionner may hear.
    ///
    /// # Errors
    ///
    /// The error of `result`.
    pub(super) fn close_read_about<T>(
        &self,
        entry: Entry,
        address: &Address<'_>,
        result: Result<T, Refusal>,
    ) -> Result<T, Closed> {
        let result = result.map_err(|refusal| self.refused(entry.capability(), address, refusal));
        self.close(entry, result)
    }

    /// The same for a write.
    ///
    /// # Errors
    ///
    /// Where it was not carried out, or nobody knows.
    pub(super) fn close_write_about<T>(&self, entry: Entry, address: &Address<'_>, end: End<T>) -> Result<T, Closed> {
        let capability = entry.capability();
        self.close_end(&|refusal| self.refused(capability, address, refusal), end, entry)
    }

    /// What an actionner hears of a refusal, of a request about the object at `address`.
    ///
    /// What the API server says can quote the object, so who may not read that gets the host's words; the others are
    /// for the log.
    pub(super) fn refused(&self, capability: &'static str, address: &Address<'_>, refusal: Refusal) -> RequestError {
        let Refusal { error, said } = refusal;
        let Some(Said { words, is_about_the_object }) = said else { return error };
        let get = KubernetesRequest::new(Verb::Get, address, &[]).into();
        let may_read = || matches!(decide(&get, &self.grants, &self.facts), Decision::Allowed { .. });
        match error {
            RequestError::NotFound => error,
            RequestError::Conflict(_) if is_about_the_object && may_read() => RequestError::Conflict(words),
            RequestError::Invalid(_) if is_about_the_object && may_read() => RequestError::Invalid(words),
            _ => self.hush(capability, Refusal { error, said: Some(Said { words, is_about_the_object }) }),
        }
    }

    /// The end of a wait of `timeout_ms` that leaves the actionner time to report.
    pub(super) fn wait_until(&self, timeout_ms: u32) -> Instant {
        let end = self.deadline.checked_sub(TO_REPORT).unwrap_or(self.deadline);
        self.end_of(Some(timeout_ms)).min(end)
    }
}

/// The address of one object, each part checked.
pub(super) fn object_address(object: &Object) -> Result<Address<'_>, AddressError> {
    let Object { group, version, resource, namespace, name } = object;
    Address::new(group, version, resource, namespace.as_deref(), Some(name))
}

/// The address of the objects of one resource, each part checked.
pub(super) fn collection_address(collection: &Collection) -> Result<Address<'_>, AddressError> {
    let Collection { group, version, resource, namespace } = collection;
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
