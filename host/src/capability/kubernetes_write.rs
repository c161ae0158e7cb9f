//! `kubernetes-write`: change objects of the cluster.
//!
//! Each body is looked through before it is sent: the fields that it touches are part of
//! the question put to the policy, and the object that it names must be the one addressed.
//! In a dry run every request carries `dryRun=All`.

use std::time::Duration;

use futures_util::future::try_join_all;
use http::Method;
use policy::{
    Address, AddressError, Decision, KubernetesRequest, PatchKind, TouchedField, Verb, check_identity, decide,
    given_up_fields, name_in_body, touched_fields,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::bindings::falco_talon::actionner::kubernetes_write::{
    ApplyOptions, DeleteOptions, Eviction, Host, PatchType, Preconditions, Propagation, Written,
};
use super::bindings::falco_talon::actionner::types::{Collection, Error, Object};
use super::call::{Call, Closed};
use super::error::CapabilityError;
use super::interfaces::answered;
use super::kubernetes::{collection_address, object_address, query};
use super::preconditions::require;
use crate::clients::{self, ApiRequest, JSON, Refusal, RequestError};
use crate::telemetry::audit::Entry;

/// An API server is not to be flooded by the pods of one node.
const EVICTIONS_AT_ONCE_MAX: usize = 16;

/// The function that is closed once for each pod.
const EVICT: &str = "kubernetes-write.evict";

/// Between two attempts at an eviction that a budget forbids for now.
const BUDGET_PAUSE: Duration = Duration::from_secs(1);

/// A write, looked through.
struct Write<'a> {
    /// Where it is sent to.
    address: Address<'a>,
    /// Which object it is about: of a collection, the one that the body names.
    name: String,
    /// What it touches, and leaves there.
    fields: Vec<TouchedField>,
    /// What was looked at is what is sent, and not the guest's text: another parser could
    /// take another of two equal keys.
    body: Value,
}

impl Host for Call {
    async fn patch(
        &mut self,
        object: Object,
        patch_type: PatchType,
        body: String,
        preconditions: Preconditions,
    ) -> Result<Written, Closed> {
        const CAPABILITY: &str = "kubernetes-write.patch";
        let (kind, content_type) = match patch_type {
            PatchType::Merge => (PatchKind::Merge, "application/merge-patch+json"),
            PatchType::StrategicMerge => (PatchKind::StrategicMerge, "application/strategic-merge-patch+json"),
            PatchType::Json => (PatchKind::Json, "application/json-patch+json"),
        };
        let write =
            look_through(object_address(&object), kind, &body).map_err(|reason| self.invalid(CAPABILITY, reason))?;
        let Write { address, fields, mut body, .. } = write;
        let preconditions = self.still(&address, &preconditions);
        require(&preconditions, kind, &address, &mut body).map_err(|reason| self.invalid(CAPABILITY, reason))?;
        let entry = self.gate(CAPABILITY, &[KubernetesRequest::new(Verb::Patch, &address, &fields).into()])?;
        let path = address.path() + &self.body_query(&[]);
        let request = self.request(Method::PATCH, path, content_type, &body);
        self.change(entry, &address, &preconditions, &request).await
    }

    async fn apply(&mut self, object: Object, body: String, options: ApplyOptions) -> Result<Written, Closed> {
        const CAPABILITY: &str = "kubernetes-write.apply";
        let ApplyOptions { force, preconditions } = options;
        let write = look_through(object_address(&object), PatchKind::Apply, &body)
            .map_err(|reason| self.invalid(CAPABILITY, reason))?;
        let Write { address, fields, mut body, .. } = write;
        let preconditions = self.still(&address, &preconditions);
        require(&preconditions, PatchKind::Apply, &address, &mut body)
            .map_err(|reason| self.invalid(CAPABILITY, reason))?;
        // The API server creates what is not there, so both verbs must be granted.
        let asked = [Verb::Create, Verb::Patch].map(|verb| KubernetesRequest::new(verb, &address, &fields).into());
        let entry = self.gate(CAPABILITY, &asked)?;
        let entry = self.allow_to_give_up(entry, &address, &body).await?;
        let path = address.path() + &self.body_query(&[("force", if force { "true" } else { "false" })]);
        let request = self.request(Method::PATCH, path, "application/apply-patch+yaml", &body);
        self.change(entry, &address, &preconditions, &request).await
    }

    async fn create(&mut self, collection: Collection, body: String) -> Result<Written, Closed> {
        const CAPABILITY: &str = "kubernetes-write.create";
        let write = look_through(collection_address(&collection), PatchKind::Create, &body)
            .map_err(|reason| self.invalid(CAPABILITY, reason))?;
        let object = write.address.named(&write.name).map_err(|error| self.invalid(CAPABILITY, error))?;
        let entry = self.gate(CAPABILITY, &[KubernetesRequest::new(Verb::Create, &object, &write.fields).into()])?;
        let path = write.address.path() + &self.body_query(&[]);
        let request = self.request(Method::POST, path, JSON, &write.body);
        self.change(entry, &object, &Preconditions { uid: None, resource_version: None }, &request).await
    }

    async fn delete(&mut self, object: Object, options: DeleteOptions) -> Result<(), Closed> {
        const CAPABILITY: &str = "kubernetes-write.delete";
        let address = object_address(&object).map_err(|error| self.invalid(CAPABILITY, error))?;
        let entry = self.gate(CAPABILITY, &[KubernetesRequest::new(Verb::Delete, &address, &[]).into()])?;
        let preconditions = self.still(&address, &options.preconditions);
        let options = DeleteOptions { preconditions, ..options };
        let request = self.request(Method::DELETE, address.path(), JSON, &self.delete_options(&options));
        let sent = self.write(&request).await;
        let sent = self.sent_to(&address, options.preconditions.uid.as_deref(), sent).await;
        if sent.is_ok() && !self.dry_run {
            self.seen.forget(&address);
        }
        self.close_about(entry, &address, sent).map(drop)
    }

    async fn evict(
        &mut self,
        evictions: Vec<Eviction>,
        grace_period_s: Option<u32>,
        timeout_ms: u32,
    ) -> Result<Vec<Result<(), Error>>, Closed> {
        let end = self.wait_until(timeout_ms);
        let mut allowed = Vec::new();
        for eviction in &evictions {
            allowed.push(answered(self.allow_eviction(eviction, grace_period_s))?);
        }
        let at_once = Semaphore::new(EVICTIONS_AT_ONCE_MAX);
        let evictions = allowed.into_iter().map(|allowed| async {
            match allowed {
                Ok((entry, address, uid, request)) => {
                    let evicted = self.evict_within(&at_once, &request, end).await;
                    let evicted = self.or_gone(&address, uid.as_deref(), evicted).await;
                    answered(self.close_about(entry, &address, evicted))
                }
                Err(error) => Ok(Err(error)),
            }
        });
        Ok(try_join_all(evictions).await?)
    }
}

impl Call {
    /// Ask for what an apply of `body` removes, since this actionner has applied it before, and does not now.
    async fn allow_to_give_up(&mut self, entry: Entry, address: &Address<'_>, body: &Value) -> Result<Entry, Closed> {
        let (manager, subresource) = (self.field_manager(), address.subresource().unwrap_or_default());
        let held = async {
            self.kubernetes()?.held_fields(address.whole().path(), subresource, &manager, self.deadline).await
        };
        let held = match held.await {
            Ok(held) => held,
            Err(refusal) => return self.close_about(entry, address, Err(refusal)),
        };
        let fields = given_up_fields(&held, body);
        let request = KubernetesRequest::new(Verb::Patch, address, &fields);
        match decide(&request.into(), &self.grants, &self.facts) {
            Decision::Denied(denial) if !fields.is_empty() => {
                self.close(entry, Err(CapabilityError::Denied(vec![denial])))
            }
            _ => Ok(entry),
        }
    }

    /// Send a write that leaves an object behind, and say whether it has changed anything.
    ///
    /// A rehearsal leaves the version as it is, whatever it would have changed.
    async fn change(
        &mut self,
        entry: Entry,
        address: &Address<'_>,
        preconditions: &Preconditions,
        request: &ApiRequest,
    ) -> Result<Written, Closed> {
        let sent = self.write(request).await;
        let sent = self.sent_to(address, preconditions.uid.as_deref(), sent).await;
        let clients::Written { identity, created } = self.close_about(entry, address, sent)?;
        let clients::Identity { name, uid, resource_version } = identity.clone();
        let before = preconditions.resource_version.as_deref().or_else(|| self.seen.version(address, &uid));
        let is_same = before == Some(resource_version.as_str());
        let changed = match (created, self.dry_run) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) if is_same => Some(false),
            // Another may have changed it since it was read.
            (false, false) => preconditions.resource_version.as_ref().map(|_| true),
        };
        if !(created && self.dry_run) {
            self.seen.note(address, identity);
        }
        Ok(Written { name, uid, resource_version, created, changed })
    }

    fn allow_eviction<'a>(
        &mut self,
        eviction: &'a Eviction,
        grace_period_s: Option<u32>,
    ) -> Result<(Entry, Address<'a>, Option<String>, ApiRequest), Closed> {
        let Eviction { namespace, pod, preconditions } = eviction;
        let address = Address::new("", "v1", "pods/eviction", Some(namespace), Some(pod))
            .map_err(|error| self.invalid(EVICT, error))?;
        let entry = self.gate(EVICT, &[KubernetesRequest::new(Verb::Create, &address, &[]).into()])?;
        let preconditions = self.still(&address.whole(), preconditions);
        let uid = preconditions.uid.clone();
        let options = DeleteOptions { grace_period_s, propagation: None, preconditions };
        let body = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": namespace, "name": pod},
            "deleteOptions": self.delete_options(&options),
        });
        let request = self.request(Method::POST, address.path() + &self.write_query(&[]), JSON, &body);
        Ok((entry, address, uid, request))
    }

    /// A pod whose name another has by now is gone.
    async fn or_gone(
        &self,
        address: &Address<'_>,
        uid: Option<&str>,
        evicted: Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        match (evicted, uid) {
            (Err(Refusal { error: RequestError::Conflict(_), .. }), Some(uid)) if self.is_gone(address, uid).await => {
                Err(RequestError::NotFound.into())
            }
            (evicted, _) => evicted,
        }
    }

    /// Ask until the pod's budgets allow it, or `end` is near.
    async fn evict_within(&self, at_once: &Semaphore, request: &ApiRequest, end: Instant) -> Result<(), Refusal> {
        loop {
            let sent = async {
                // Never closed.
                let _permit = at_once.acquire().await;
                self.kubernetes()?.write(request, end).await
            };
            match sent.await {
                Err(Refusal { error: RequestError::Unavailable(_), .. }) if Instant::now() + BUDGET_PAUSE < end => {
                    sleep(BUDGET_PAUSE).await;
                }
                result => return result.map(drop),
            }
        }
    }

    /// Who holds the fields that are applied, and is the author of other writes: each actionner by itself, or an
    /// apply of one would give up what another has applied.
    fn field_manager(&self) -> String {
        format!("falco-talon.{}", self.grants.actionner.replace(':', "."))
    }

    fn request(&self, method: Method, path: String, content_type: &'static str, body: &Value) -> ApiRequest {
        ApiRequest::write(method, path, content_type, body, self.dry_run)
    }

    /// The query of a write whose body is the actionner's: what the type does not have is refused, and not dropped
    /// without a word.
    fn body_query(&self, parameters: &[(&str, &str)]) -> String {
        let manager = self.field_manager();
        self.write_query(&[&[("fieldManager", manager.as_str()), ("fieldValidation", "Strict")], parameters].concat())
    }

    fn write_query(&self, parameters: &[(&str, &str)]) -> String {
        let mut parameters = parameters.to_vec();
        parameters.push(("dryRun", if self.dry_run { "All" } else { "" }));
        query(&parameters)
    }

    fn delete_options(&self, options: &DeleteOptions) -> Value {
        let DeleteOptions { grace_period_s, propagation, preconditions } = options;
        let Preconditions { uid, resource_version } = preconditions;
        let mut body = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        if let Some(seconds) = grace_period_s {
            body["gracePeriodSeconds"] = (*seconds).into();
        }
        if let Some(propagation) = propagation {
            body["propagationPolicy"] = match propagation {
                Propagation::Orphan => "Orphan",
                Propagation::Background => "Background",
                Propagation::Foreground => "Foreground",
            }
            .into();
        }
        for (key, value) in [("uid", uid), ("resourceVersion", resource_version)] {
            if let Some(value) = value {
                body["preconditions"][key] = value.as_str().into();
            }
        }
        if self.dry_run {
            body["dryRun"] = json!(["All"]);
        }
        body
    }
}

/// What a body touches, and whether it is about the object that is addressed.
fn look_through<'a>(
    address: Result<Address<'a>, AddressError>,
    kind: PatchKind,
    body: &str,
) -> Result<Write<'a>, String> {
    let address = address.map_err(|error| error.to_string())?;
    let body: Value = serde_json::from_str(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let mut name = address.name().unwrap_or_default().to_owned();
    if kind == PatchKind::Create {
        name = name_in_body(&body).map_err(|error| error.to_string())?.to_owned();
    }
    if matches!(kind, PatchKind::Create | PatchKind::Apply) {
        let object = address.named(&name).map_err(|error| error.to_string())?;
        check_identity(&object, &body).map_err(|error| error.to_string())?;
    }
    let fields = touched_fields(kind, &body)?;
    Ok(Write { address, name, fields, body })
}
