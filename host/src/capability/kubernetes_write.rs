//! `kubernetes-write`: change objects of the cluster.
//!
//! Each body is looked through before it is sent: the fields that it touches are part of
//! the question put to the policy, and the object that it names must be the one addressed.
//! In a dry run every request carries `dryRun=All`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::Method;
use policy::{
    Address, AddressError, KubernetesRequest, PatchKind, TouchedField, Verb, check_identity, name_in_body,
    touched_fields,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::bindings::falco_talon::actionner::kubernetes_write::{Applied, DeleteOptions, Eviction, Host, PatchType};
use super::bindings::falco_talon::actionner::types::{Collection, Error, Object};
use super::call::{Call, Closed};
use super::interfaces::answered;
use super::kubernetes::{collection_address, object_address, query};
use crate::clients::{Answer, ApiRequest, JSON, RequestError};
use crate::telemetry::audit::Entry;

/// Who holds the fields that an actionner applies, and the author of its other writes.
const FIELD_MANAGER: &str = "falco-talon";

/// An API server is not to be flooded by the pods of one node.
const EVICTIONS_AT_ONCE_MAX: usize = 16;

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
    body: Bytes,
}

impl Host for Call {
    async fn patch(&mut self, object: Object, patch_type: PatchType, body: String) -> Result<String, Closed> {
        const CAPABILITY: &str = "kubernetes-write.patch";
        let (kind, content_type) = match patch_type {
            PatchType::Merge => (PatchKind::Merge, "application/merge-patch+json"),
            PatchType::StrategicMerge => (PatchKind::StrategicMerge, "application/strategic-merge-patch+json"),
            PatchType::Json => (PatchKind::Json, "application/json-patch+json"),
        };
        let write = look_through(object_address(&object), kind, &body).map_err(|it| self.invalid(CAPABILITY, it))?;
        let entry =
            self.gate(CAPABILITY, &[KubernetesRequest::new(Verb::Patch, &write.address, &write.fields).into()])?;
        let path = write.address.path() + &self.write_query(&[("fieldManager", FIELD_MANAGER)]);
        let request = ApiRequest { method: Method::PATCH, path, content_type, body: write.body };
        let sent = self.send(&request).await;
        let answer = self.close(entry, sent)?;
        self.facts.targets.learn(&answer.object);
        Ok(answer.into_text())
    }

    async fn apply(&mut self, object: Object, body: String) -> Result<Applied, Closed> {
        const CAPABILITY: &str = "kubernetes-write.apply";
        let write = look_through(object_address(&object), PatchKind::Apply, &body)
            .map_err(|error| self.invalid(CAPABILITY, error))?;
        // The API server creates what is not there, so both verbs must be granted.
        let asked =
            [Verb::Create, Verb::Patch].map(|verb| KubernetesRequest::new(verb, &write.address, &write.fields).into());
        let entry = self.gate(CAPABILITY, &asked)?;
        let path = write.address.path() + &self.write_query(&[("fieldManager", FIELD_MANAGER), ("force", "false")]);
        let content_type = "application/apply-patch+yaml";
        let request = ApiRequest { method: Method::PATCH, path, content_type, body: write.body };
        let sent = self.send(&request).await;
        let answer = self.close(entry, sent)?;
        Ok(Applied { created: answer.created, object: answer.into_text() })
    }

    async fn create(&mut self, collection: Collection, body: String) -> Result<String, Closed> {
        const CAPABILITY: &str = "kubernetes-write.create";
        let write = look_through(collection_address(&collection), PatchKind::Create, &body)
            .map_err(|error| self.invalid(CAPABILITY, error))?;
        let object = write.address.named(&write.name).map_err(|error| self.invalid(CAPABILITY, error))?;
        let entry = self.gate(CAPABILITY, &[KubernetesRequest::new(Verb::Create, &object, &write.fields).into()])?;
        let path = write.address.path() + &self.write_query(&[("fieldManager", FIELD_MANAGER)]);
        let request = ApiRequest { method: Method::POST, path, content_type: JSON, body: write.body };
        let sent = self.send(&request).await;
        self.close(entry, sent).map(Answer::into_text)
    }

    async fn delete(&mut self, object: Object, options: DeleteOptions) -> Result<(), Closed> {
        let address = object_address(&object).map_err(|error| self.invalid("kubernetes-write.delete", error))?;
        let entry =
            self.gate("kubernetes-write.delete", &[KubernetesRequest::new(Verb::Delete, &address, &[]).into()])?;
        let body = self.delete_options(&options).to_string().into();
        let request = ApiRequest { method: Method::DELETE, path: address.path(), content_type: JSON, body };
        let sent = self.send(&request).await;
        self.close(entry, sent).map(drop)
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
                Ok((entry, request)) => {
                    let evicted = self.evict_within(&at_once, &request, end).await;
                    answered(self.close(entry, evicted))
                }
                Err(error) => Ok(Err(error)),
            }
        });
        Ok(try_join_all(evictions).await?)
    }
}

impl Call {
    fn allow_eviction(
        &mut self,
        eviction: &Eviction,
        grace_period_s: Option<u32>,
    ) -> Result<(Entry, ApiRequest), Closed> {
        const CAPABILITY: &str = "kubernetes-write.evict";
        let Eviction { namespace, pod, uid } = eviction;
        let address = Address::new("", "v1", "pods/eviction", Some(namespace), Some(pod))
            .map_err(|error| self.invalid(CAPABILITY, error))?;
        let entry = self.gate(CAPABILITY, &[KubernetesRequest::new(Verb::Create, &address, &[]).into()])?;
        let body = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": namespace, "name": pod},
            "deleteOptions": self.delete_options(&DeleteOptions { grace_period_s, uid: uid.clone() }),
        });
        let path = address.path() + &self.write_query(&[]);
        Ok((entry, ApiRequest { method: Method::POST, path, content_type: JSON, body: body.to_string().into() }))
    }

    /// Ask until the pod's budgets allow it, or `end` is near.
    async fn evict_within(&self, at_once: &Semaphore, request: &ApiRequest, end: Instant) -> Result<(), RequestError> {
        loop {
            let sent = async {
                // Never closed.
                let _permit = at_once.acquire().await;
                self.kubernetes()?.send(request, self.deadline, self.grants.limits.response_bytes_max).await
            };
            match sent.await {
                Err(RequestError::Unavailable(_)) if Instant::now() + BUDGET_PAUSE < end => {
                    sleep(BUDGET_PAUSE).await;
                }
                result => return result.map(drop),
            }
        }
    }

    fn write_query(&self, parameters: &[(&str, &str)]) -> String {
        let mut parameters = parameters.to_vec();
        parameters.push(("dryRun", if self.dry_run { "All" } else { "" }));
        query(&parameters)
    }

    fn delete_options(&self, options: &DeleteOptions) -> Value {
        let mut body = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        if let Some(seconds) = options.grace_period_s {
            body["gracePeriodSeconds"] = seconds.into();
        }
        if let Some(uid) = &options.uid {
            body["preconditions"] = json!({"uid": uid});
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
    Ok(Write { address, name, fields, body: body.to_string().into() })
}
