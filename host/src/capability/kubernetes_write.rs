//! `kubernetes-write`: change objects of the cluster.
//!
//! Each body is looked through before it is sent: the fields that it touches are part of
//! the question put to the policy, and the object that it names must be the one addressed.
//! In a dry run every request carries `dryRun=All`.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use policy::{
    Address, AddressError, Decision, KubernetesRequest, PatchKind, TouchedField, Verb, check_identity, decide,
    given_up_fields, name_in_body, replaced_maps, touched_fields,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::bindings::falco_talon::actionner::kubernetes_write::{
    ApplyOptions, DeleteOptions, Eviction, Host, PatchType, Preconditions, Propagation, Written,
};
use super::bindings::falco_talon::actionner::types::{Collection, Error, Object};
use super::call::{Call, Closed};
use super::catalogue::Capability;
use super::error::CapabilityError;
use super::interfaces::answered;
use super::kubernetes::{collection_address, object_address, query};
use super::preconditions::require;
use crate::clients::{self, ApiRequest, Exhausted, JSON, RequestError};
use crate::telemetry::audit::Entry;

/// More pods than any node has.
const EVICTIONS_MAX: usize = 1_000;

/// Between two attempts at an eviction that a budget forbids for now, at first and at most.
const BUDGET_PAUSE_MIN: Duration = Duration::from_secs(1);
const BUDGET_PAUSE_MAX: Duration = Duration::from_secs(10);

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
    /// What must be so of the object for it to be made.
    preconditions: Preconditions,
}

impl Host for Call {
    async fn patch(
        &mut self,
        object: Object,
        patch_type: PatchType,
        body: String,
        preconditions: Preconditions,
    ) -> Result<Written, Closed> {
        let (kind, content_type) = match patch_type {
            PatchType::Merge => (PatchKind::Merge, "application/merge-patch+json"),
            PatchType::StrategicMerge => (PatchKind::StrategicMerge, "application/strategic-merge-patch+json"),
            PatchType::Json => (PatchKind::Json, "application/json-patch+json"),
        };
        let write = self.understand(Capability::Patch, || {
            let write = look_through(object_address(&object), kind, &body)?;
            let preconditions = self.still(&write.address, &preconditions);
            write.require(preconditions, kind)
        })?;
        let asked = [KubernetesRequest::new(Verb::Patch, &write.address, &write.fields).into()];
        let entry = self.gate(Capability::Patch, &asked)?;
        let path = write.address.path() + &self.body_query(&[]);
        let request = self.request(Method::PATCH, path, content_type, &write.body)?;
        self.change(entry, &write.address, &write.preconditions, &request).await
    }

    async fn apply(&mut self, object: Object, body: String, options: ApplyOptions) -> Result<Written, Closed> {
        let ApplyOptions { force, preconditions } = options;
        let write = self.understand(Capability::Apply, || {
            let write = look_through(object_address(&object), PatchKind::Apply, &body)?;
            let preconditions = self.still(&write.address, &preconditions);
            write.require(preconditions, PatchKind::Apply)
        })?;
        // The API server creates what is not there, so both verbs must be granted.
        let asked = [Verb::Create, Verb::Patch];
        let asked = asked.map(|verb| KubernetesRequest::new(verb, &write.address, &write.fields).into());
        let entry = self.gate(Capability::Apply, &asked)?;
        let entry = self.allow_to_replace(entry, &write.address, &write.body).await?;
        let path = write.address.path() + &self.body_query(&[("force", if force { "true" } else { "false" })]);
        let request = self.request(Method::PATCH, path, "application/apply-patch+yaml", &write.body)?;
        self.change(entry, &write.address, &write.preconditions, &request).await
    }

    async fn create(&mut self, collection: Collection, body: String) -> Result<Written, Closed> {
        let write = self.understand(Capability::Create, || {
            look_through(collection_address(&collection), PatchKind::Create, &body)
        })?;
        let object = self.understand(Capability::Create, || write.address.named(&write.name))?;
        let asked = [KubernetesRequest::new(Verb::Create, &object, &write.fields).into()];
        let entry = self.gate(Capability::Create, &asked)?;
        let path = write.address.path() + &self.body_query(&[]);
        let request = self.request(Method::POST, path, JSON, &write.body)?;
        self.change(entry, &object, &write.preconditions, &request).await
    }

    async fn delete(&mut self, object: Object, options: DeleteOptions) -> Result<(), Closed> {
        let address = self.understand(Capability::Delete, || object_address(&object))?;
        let asked = [KubernetesRequest::new(Verb::Delete, &address, &[]).into()];
        let entry = self.gate(Capability::Delete, &asked)?;
        let preconditions = self.still(&address, &options.preconditions);
        let options = DeleteOptions { preconditions, ..options };
        let request = self.request(Method::DELETE, address.path(), JSON, &self.delete_options(&options))?;
        self.write(entry, &address, options.preconditions.uid.as_deref(), &request).await?;
        if !self.dry_run {
            self.seen.forget(&address);
        }
        Ok(())
    }

    async fn evict(
        &mut self,
        evictions: Vec<Eviction>,
        grace_period_s: Option<u32>,
        timeout_ms: u32,
    ) -> Result<Vec<Result<(), Error>>, Closed> {
        self.understand(Capability::Evict, || check_count(&evictions))?;
        let end = self.wait_until(timeout_ms);
        let mut allowed = Vec::new();
        for eviction in &evictions {
            allowed.push(answered(self.allow_eviction(eviction, grace_period_s))?);
        }
        let evictions = allowed.into_iter().map(|allowed| async {
            match allowed {
                Ok((entry, address, uid, request)) => {
                    answered(self.evict_within(entry, &address, uid.as_deref(), &request, end).await)
                }
                Err(error) => Ok(Err(error)),
            }
        });
        // Each has its end, also where another one's is that of the whole call.
        Ok(join_all(evictions).await.into_iter().collect::<Result<_, _>>()?)
    }
}

impl Write<'_> {
    /// With what must be so of the object for it to be made.
    fn require(mut self, preconditions: Preconditions, kind: PatchKind) -> Result<Self, String> {
        require(&preconditions, kind, &self.address, &mut self.body).map_err(|error| error.to_string())?;
        Ok(Self { preconditions, ..self })
    }
}

impl Call {
    /// Ask for what an apply of `body` touches besides: what this actionner has applied before and does not now, and
    /// maps that are replaced whole.
    async fn allow_to_replace(&mut self, entry: Entry, address: &Address<'_>, body: &Value) -> Result<Entry, Closed> {
        let (manager, subresource) = (self.field_manager(), address.subresource().unwrap_or_default());
        let path = address.whole().path();
        let managers = async { self.kubernetes()?.field_managers(&path, &self.permit(&entry).await?).await };
        let managers = match managers.await {
            Ok(managers) => managers,
            Err(refusal) => return self.close_read_about(entry, address, Err(refusal)),
        };
        let denial = self.work(|| {
            let is_own = |it: &&clients::FieldManager| {
                it.manager == manager && it.operation == "Apply" && it.subresource == subresource
            };
            let given_up = managers.iter().filter(is_own).flat_map(|it| given_up_fields(&it.fields, body));
            let replaced = managers.iter().flat_map(|it| replaced_maps(&it.fields, body));
            let fields: Vec<_> = given_up.chain(replaced).collect();
            let request = KubernetesRequest::new(Verb::Patch, address, &fields);
            match decide(&request.into(), &self.grants, &self.facts) {
                Decision::Denied(denial) if !fields.is_empty() => Some(denial),
                _ => None,
            }
        })?;
        match denial {
            Some(denial) => self.close(entry, Err(CapabilityError::Denied(vec![denial]))),
            None => Ok(entry),
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
        let written = self.write(entry, address, preconditions.uid.as_deref(), request).await?;
        let clients::Written { identity, created } = written;
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
        let address =
            self.understand(Capability::Evict, || Address::new("", "v1", "pods/eviction", Some(namespace), Some(pod)))?;
        let asked = [KubernetesRequest::new(Verb::Create, &address, &[]).into()];
        let entry = self.gate(Capability::Evict, &asked)?;
        let preconditions = self.still(&address.whole(), preconditions);
        let uid = preconditions.uid.clone();
        let entry = self.check_successor(entry, &address, uid.as_deref())?;
        let options = DeleteOptions { grace_period_s, propagation: None, preconditions };
        let body = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": namespace, "name": pod},
            "deleteOptions": self.delete_options(&options),
        });
        let request = self.request(Method::POST, address.path(), JSON, &body)?;
        Ok((entry, address, uid, request))
    }

    /// Ask until the pod's budgets allow it, or `end` is near.
    async fn evict_within(
        &self,
        entry: Entry,
        address: &Address<'_>,
        uid: Option<&str>,
        request: &ApiRequest,
        end: Instant,
    ) -> Result<(), Closed> {
        let (kubernetes, permit) = match (self.kubernetes(), self.permit(&entry).await) {
            (Ok(kubernetes), Ok(permit)) => (kubernetes, permit.until(end)),
            (Err(error), _) | (_, Err(error)) => return self.close(entry, Err(error)),
        };
        let mut pause = BUDGET_PAUSE_MIN;
        loop {
            let evicted = kubernetes.write(request, &permit).await;
            let left = end.saturating_duration_since(Instant::now());
            // A pod whose name another has by now is gone.
            if evicted.is_conflict() && self.is_gone(&entry, address, uid).await {
                return self.close_end(&|_| RequestError::NotFound, evicted.map(drop), entry);
            }
            if !evicted.may_be_sent_again() || left <= BUDGET_PAUSE_MIN {
                return self.close_write_about(entry, address, evicted.map(drop));
            }
            // Once more shortly before the end.
            sleep(pause.min(left - BUDGET_PAUSE_MIN / 2)).await;
            pause = (pause * 3 / 2).min(BUDGET_PAUSE_MAX);
        }
    }

    /// Who holds the fields that are applied, and is the author of other writes: each actionner by itself, or an
    /// apply of one would give up what another has applied.
    fn field_manager(&self) -> String {
        format!("falco-talon.{}", self.grants.actionner.replace(':', "."))
    }

    fn request(
        &self,
        method: Method,
        path: String,
        content_type: &'static str,
        body: &Value,
    ) -> Result<ApiRequest, Exhausted> {
        let body = self.work(|| body.to_string().into())?;
        Ok(ApiRequest::write(method, path, content_type, body))
    }

    /// The query of a write whose body is the actionner's: what the type does not have is refused, and not dropped
    /// without a word.
    fn body_query(&self, parameters: &[(&str, &str)]) -> String {
        let manager = self.field_manager();
        query(&[&[("fieldManager", manager.as_str()), ("fieldValidation", "Strict")], parameters].concat())
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

fn check_count(evictions: &[Eviction]) -> Result<(), String> {
    match evictions.len() {
        ..=EVICTIONS_MAX => Ok(()),
        count => Err(format!("{count} pods are more than the {EVICTIONS_MAX} that are evicted in one call")),
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
    Ok(Write { address, name, fields, body, preconditions: Preconditions { uid: None, resource_version: None } })
}
