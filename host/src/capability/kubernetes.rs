//! What the interfaces that read, write and exec have in common.

use std::time::Duration;

use policy::{Address, AddressError, Decision, KubernetesRequest, Learnt, ObjectId, Replaced, Verb, decide};
use tokio::time::Instant;

use super::bindings::falco_talon::actionner::kubernetes_write::Preconditions;
use super::bindings::falco_talon::actionner::types::{Collection, Object};
use super::call::{Call, Closed};
use super::preconditions::compares_uid;
use crate::clients::{Answer, ApiRequest, End, Identity, Kubernetes, Refusal, RequestError, Said, Written};
use crate::telemetry::audit::Entry;

/// Said of an object that is another than the one that was meant.
const REPLACED: &str = "another object has its name since";

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
        self.kubernetes()?.get(path, &self.permit(entry).await?, self.grants.limits.response_bytes_max).await
    }

    /// Write, and close as what is about the object at `address`, which has `uid` where that is known.
    ///
    /// # Errors
    ///
    /// Where it was not carried out, or nobody knows.
    pub(super) async fn write(
        &mut self,
        entry: Entry,
        address: &Address<'_>,
        uid: Option<&str>,
        request: &ApiRequest,
    ) -> Result<Written, Closed> {
        let entry = self.check_successor(entry, address, uid)?;
        let end = match (self.kubernetes(), self.permit(&entry).await) {
            (Ok(kubernetes), Ok(permit)) => kubernetes.write(request, &permit).await,
            (Err(error), _) | (_, Err(error)) => return self.close(entry, Err(error)),
        };
        if end.is_conflict() && self.is_gone(&entry, address, uid).await {
            self.note_replaced(address);
            return self.close_end(&|_| RequestError::Conflict(REPLACED.to_owned()), end, entry);
        }
        let written = self.close_write_about(entry, address, end)?;
        // What was made in a rehearsal is not there.
        if !(written.created && self.dry_run) {
            self.facts.targets.note_written(address, &written.identity.uid);
        }
        Ok(written)
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
        let may_read = || {
            let decided = self.work(|| decide(&get, &self.grants, &self.facts));
            decided.is_ok_and(|decision| matches!(decision, Decision::Allowed { .. }))
        };
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

/// Names can pass from one object to another between a read and a write. So each write about an object that was read
/// says which one it is for.
impl Call {
    /// Take in what was read at `address`: which object it is, and which others it names.
    ///
    /// # Errors
    ///
    /// Where it is not the object that the event is about, but another of its name.
    pub(super) fn learn(&mut self, address: &Address<'_>, read: Result<Answer, Refusal>) -> Result<Answer, Refusal> {
        let answer = read.inspect_err(|refusal| self.note_outrun(address, &refusal.error))?;
        let learnt = self.work_on(|call| call.facts.targets.learn(address, &answer.object));
        if let Err(Replaced { object, learnt }) = learnt.map_err(RequestError::from)? {
            if learnt == Learnt::Named {
                self.replaced = Some(object);
            }
            return Err(RequestError::Conflict(REPLACED.to_owned()).into());
        }
        if address.subresource().is_none() {
            self.seen.note(address, Identity::of(&answer.object));
        }
        Ok(answer)
    }

    /// What a write must find at `address`: what the actionner asks for, and the object that was seen there, in this
    /// attempt or in one before.
    pub(super) fn still(&self, address: &Address<'_>, preconditions: &Preconditions) -> Preconditions {
        let Preconditions { uid, resource_version } = preconditions.clone();
        let known = || self.target_uid(address).or_else(|| self.seen.uid(address));
        let known = || known().filter(|_| compares_uid(address)).map(str::to_owned);
        Preconditions { uid: uid.or_else(known), resource_version }
    }

    /// Refuse a write that the actionner means for the successor of what an attempt before has found.
    pub(super) fn check_successor(
        &mut self,
        entry: Entry,
        address: &Address<'_>,
        uid: Option<&str>,
    ) -> Result<Entry, Closed> {
        let object = ObjectId::at(address).zip(uid);
        if !object.is_some_and(|(object, uid)| self.facts.targets.is_another(&object, uid)) {
            return Ok(entry);
        }
        self.note_replaced(address);
        self.close(entry, Err(RequestError::Conflict(REPLACED.to_owned())))
    }

    fn target_uid(&self, address: &Address<'_>) -> Option<&str> {
        self.facts.targets.uid(&ObjectId::at(address)?)
    }

    /// Whether the object with `uid` is no longer at `address`. Where that can't be known, it is taken to be there still.
    pub(super) async fn is_gone(&self, entry: &Entry, address: &Address<'_>, uid: Option<&str>) -> bool {
        let Some(uid) = uid else { return false };
        match self.read(entry, &address.whole().path()).await {
            Ok(answer) => answer.object["metadata"]["uid"] != uid,
            Err(Refusal { error: RequestError::NotFound, .. }) => true,
            Err(_) => false,
        }
    }

    /// Note that the object at `address` is another by now, if it is what the event is about.
    fn note_replaced(&mut self, address: &Address<'_>) {
        let named = |id: &ObjectId| {
            self.facts.targets.iter().any(|target| target.learnt == Learnt::Named && target.object == *id)
        };
        if let Some(object) = ObjectId::at(address).filter(named) {
            self.replaced = Some(object);
        }
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
