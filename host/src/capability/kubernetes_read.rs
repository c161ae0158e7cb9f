//! `kubernetes-read`: look at objects of the cluster.
//!
//! What was read of a target is learnt: its owners and its node become targets of the same
//! call, which is how an actionner reaches the node of a pod and nothing else.

use std::time::Duration;

use futures_util::TryFutureExt;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use kube::core::discovery::v2::APIGroupDiscoveryList;
use policy::{Address, KubernetesRequest, Verb};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};
use wasmtime::component::Resource;

use super::bindings::falco_talon::actionner::kubernetes_read::{
    Condition, Departure, Host, ListOptions, LogOptions, ResourceType, Since,
};
use super::bindings::falco_talon::actionner::types::{Collection, Object};
use super::call::{Call, Closed};
use super::condition;
use super::kubernetes::{collection_address, object_address, query};
use super::spool::Handle;
use crate::clients::{Answer, ApiRequest, Effect, Kubernetes, Refusal, RequestError, convert_client_error};
use crate::telemetry::audit::Entry;

/// How long a wait pauses at first between two looks, and at most.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(50);
const LOOK_AGAIN_MAX: Duration = Duration::from_millis(500);

impl Host for Call {
    async fn get(&mut self, object: Object) -> Result<String, Closed> {
        let address = object_address(&object).map_err(|error| self.invalid("kubernetes-read.get", error))?;
        let entry = self.gate("kubernetes-read.get", &[KubernetesRequest::new(Verb::Get, &address, &[]).into()])?;
        let read = self.read(&ApiRequest::get(address.path())).await;
        let answer = self.close_about(entry, &address, read)?;
        self.learn(&answer.object);
        Ok(answer.into_text())
    }

    async fn list(&mut self, collection: Collection, options: ListOptions) -> Result<String, Closed> {
        let address = collection_address(&collection).map_err(|error| self.invalid("kubernetes-read.list", error))?;
        let ListOptions { label_selector, field_selector, limit, continue_ } = &options;
        let node = pods_of_node(&address, field_selector);
        let request = KubernetesRequest { node, ..KubernetesRequest::new(Verb::List, &address, &[]) };
        let entry = self.gate("kubernetes-read.list", &[request.into()])?;
        let path = address.path()
            + &query(&[
                ("labelSelector", label_selector),
                ("fieldSelector", field_selector),
                ("limit", &limit.map(|limit| limit.to_string()).unwrap_or_default()),
                ("continue", continue_.as_deref().unwrap_or_default()),
            ]);
        let read = self.read(&ApiRequest::get(path)).await;
        let answer = self.close_about(entry, &address, read)?;
        if let (Some(_), Some(pods)) = (node, answer.object["items"].as_array()) {
            self.facts.targets.learn_pods_of_node(pods);
        }
        Ok(answer.into_text())
    }

    async fn discover(&mut self, plural: String) -> Result<Vec<ResourceType>, Closed> {
        let entry = self.gate("kubernetes-read.discover", &[])?;
        let found = async {
            let discover = discover(self.kubernetes()?, &plural);
            timeout_at(self.deadline, discover).await.map_err(|_| RequestError::Timeout)?
        };
        let found = found.await;
        self.close(entry, found)
    }

    async fn logs(&mut self, namespace: String, pod: String, options: LogOptions) -> Result<String, Closed> {
        let (entry, address, request) = self.allow_logs("kubernetes-read.logs", &namespace, &pod, &options)?;
        let read = async {
            let kubernetes = self.kubernetes()?;
            let response = kubernetes.open(&request, self.deadline).await?;
            let bytes_max = self.grants.limits.response_bytes_max;
            let bytes = kubernetes.read(response, self.deadline, bytes_max, request.effect()).await?;
            Ok::<_, Refusal>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let read = read.await;
        self.close_about(entry, &address, read)
    }

    async fn logs_into(
        &mut self,
        namespace: String,
        pod: String,
        options: LogOptions,
        artifact: Resource<Handle>,
    ) -> Result<u64, Closed> {
        let (entry, address, request) = self.allow_logs("kubernetes-read.logs-into", &namespace, &pod, &options)?;
        let host_time = self.host_time.clone();
        let poured = host_time.work(self.pour_logs(&request, Handle::from(&artifact))).await;
        self.close_about(entry, &address, poured)
    }

    async fn wait(&mut self, object: Object, any_of: Vec<Condition>, timeout_ms: u32) -> Result<String, Closed> {
        const CAPABILITY: &str = "kubernetes-read.wait";
        let address = object_address(&object).map_err(|error| self.invalid(CAPABILITY, error))?;
        let conditions = condition::parse(any_of).map_err(|error| self.invalid(CAPABILITY, error))?;
        let entry = self.gate(CAPABILITY, &[KubernetesRequest::new(Verb::Get, &address, &[]).into()])?;
        let waited = self.wait_for(&ApiRequest::get(address.path()), &conditions, timeout_ms).await;
        let answer = self.close_about(entry, &address, waited)?;
        self.learn(&answer.object);
        Ok(answer.into_text())
    }

    async fn wait_deleted(&mut self, departures: Vec<Departure>, timeout_ms: u32) -> Result<Vec<bool>, Closed> {
        const CAPABILITY: &str = "kubernetes-read.wait-deleted";
        let addresses = departures.iter().map(|departure| object_address(&departure.object));
        let addresses: Vec<_> = addresses.collect::<Result<_, _>>().map_err(|error| self.invalid(CAPABILITY, error))?;
        let asked: Vec<_> =
            addresses.iter().map(|address| KubernetesRequest::new(Verb::Get, address, &[]).into()).collect();
        let entry = self.gate(CAPABILITY, &asked)?;
        let end = self.wait_until(timeout_ms);
        let bytes_max = self.grants.limits.response_bytes_max;
        let waited = async {
            let kubernetes = self.kubernetes()?;
            let gone = addresses.iter().zip(&departures).map(|(address, departure)| {
                let request = ApiRequest::get(address.path());
                let gone = wait_gone(kubernetes, request, departure.uid.as_deref(), end, bytes_max);
                gone.map_err(|refusal| self.refused(CAPABILITY, address, refusal))
            });
            join_all(gone).await.into_iter().collect::<Result<Vec<bool>, RequestError>>()
        };
        let waited = waited.await;
        self.close(entry, waited)
    }
}

impl Call {
    fn allow_logs<'a>(
        &mut self,
        capability: &'static str,
        namespace: &'a str,
        pod: &'a str,
        options: &'a LogOptions,
    ) -> Result<(Entry, Address<'a>, ApiRequest), Closed> {
        let address = Address::new("", "v1", "pods/log", Some(namespace), Some(pod))
            .map_err(|error| self.invalid(capability, error))?;
        let entry = self.gate(capability, &[KubernetesRequest::new(Verb::Get, &address, &[]).into()])?;
        let path = address.path() + &log_query(options);
        Ok((entry, address, ApiRequest::get(path)))
    }

    /// What was read of an object: which others it names, and which version of it this was.
    fn learn(&mut self, object: &Value) {
        self.facts.targets.learn(object);
        let metadata = &object["metadata"];
        if let (Some(uid), Some(version)) = (metadata["uid"].as_str(), metadata["resourceVersion"].as_str()) {
            self.versions.insert(uid.to_owned(), version.to_owned());
        }
    }

    async fn pour_logs(&mut self, request: &ApiRequest, handle: Handle) -> Result<u64, Refusal> {
        let deadline = self.deadline;
        let mut body = self.kubernetes()?.open(request, deadline).await?.into_body();
        let mut bytes = 0;
        while let Some(frame) = timeout_at(deadline, body.frame()).await.map_err(|_| RequestError::Timeout)? {
            let frame = frame.map_err(|error| convert_client_error(&error, request.effect()))?;
            if let Ok(data) = frame.into_data() {
                bytes += data.len() as u64;
                self.spool.append(handle, data.into()).await?;
            }
        }
        Ok(bytes)
    }

    async fn wait_for(
        &self,
        request: &ApiRequest,
        conditions: &[condition::Condition],
        timeout_ms: u32,
    ) -> Result<Answer, Refusal> {
        let end = self.wait_until(timeout_ms);
        let kubernetes = self.kubernetes()?;
        let mut pause = LOOK_AGAIN_MIN;
        loop {
            let answer = kubernetes.send(request, self.deadline, self.grants.limits.response_bytes_max).await?;
            if condition::any_is_met(conditions, &answer.object) {
                return Ok(answer);
            }
            look_again(&mut pause, end).await?;
        }
    }
}

/// Whether an object goes, or another takes its name, before `end`.
async fn wait_gone(
    kubernetes: &Kubernetes,
    request: ApiRequest,
    uid: Option<&str>,
    end: Instant,
    bytes_max: usize,
) -> Result<bool, Refusal> {
    let mut pause = LOOK_AGAIN_MIN;
    loop {
        match kubernetes.send(&request, end, bytes_max).await {
            Ok(answer) if uid.is_some_and(|uid| answer.object["metadata"]["uid"] != uid) => return Ok(true),
            Err(Refusal { error: RequestError::NotFound, .. }) => return Ok(true),
            Ok(_) => {}
            Err(Refusal { error: RequestError::Timeout, .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        if look_again(&mut pause, end).await.is_err() {
            return Ok(false);
        }
    }
}

/// Pause, each time longer, unless that would be past `end`.
async fn look_again(pause: &mut Duration, end: Instant) -> Result<(), RequestError> {
    if Instant::now() + *pause > end {
        return Err(RequestError::Timeout);
    }
    sleep(*pause).await;
    *pause = (*pause * 3 / 2).min(LOOK_AGAIN_MAX);
    Ok(())
}

fn log_query(options: &LogOptions) -> String {
    let LogOptions { container, tail_lines, since, limit_bytes, timestamps, previous } = options;
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let switch = |is_on: bool| if is_on { "true" } else { "" };
    let (seconds, time) = match since {
        Some(Since::Seconds(seconds)) => (seconds.to_string(), ""),
        Some(Since::Time(time)) => (String::new(), time.as_str()),
        None => (String::new(), ""),
    };
    query(&[
        ("container", container),
        ("tailLines", &number(tail_lines.map(u64::from))),
        ("sinceSeconds", &seconds),
        ("sinceTime", time),
        ("limitBytes", &number(*limit_bytes)),
        ("timestamps", switch(*timestamps)),
        ("previous", switch(*previous)),
    ])
}

/// The node whose pods alone a list asks for.
fn pods_of_node<'a>(address: &Address<'_>, field_selector: &'a str) -> Option<&'a str> {
    let is_pods = address.group().is_empty() && address.resource() == "pods";
    field_selector.strip_prefix("spec.nodeName=").filter(|node| is_pods && !node.contains(','))
}

/// The API server's own groups come first in its answers, the core group in one of its own.
async fn discover(kubernetes: &Kubernetes, plural: &str) -> Result<Vec<ResourceType>, RequestError> {
    let unanswered = |error: kube::Error| convert_client_error(&error, Effect::None);
    let client = kubernetes.client();
    let core = client.list_core_api_versions_aggregated().await.map_err(unanswered)?;
    let groups = client.list_api_groups_aggregated().await.map_err(unanswered)?;
    Ok([core, groups].iter().flat_map(|list| resources_of(list, plural)).collect())
}

/// Of each group the first version that has the resource, which is the one that it prefers.
fn resources_of(list: &APIGroupDiscoveryList, plural: &str) -> Vec<ResourceType> {
    let of_group = list.items.iter().filter_map(|group| {
        group.versions.iter().find_map(|version| {
            let is_it = |name: &Option<String>| name.as_deref() == Some(plural);
            let resource = version.resources.iter().find(|resource| is_it(&resource.resource))?;
            Some(ResourceType {
                group: group.metadata.as_ref().and_then(|metadata| metadata.name.clone()).unwrap_or_default(),
                version: version.version.clone()?,
                resource: plural.to_owned(),
                kind: resource.response_kind.as_ref()?.kind.clone()?,
                namespaced: resource.scope.as_deref() == Some("Namespaced"),
            })
        })
    });
    of_group.collect()
}
