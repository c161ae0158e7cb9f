//! `kubernetes-read`: look at objects of the cluster.
//!
//! What was read of a target is learnt: its node becomes a target of the same call, and its controller once that was
//! read, too, which is how an actionner reaches the node of a pod and nothing else.

use std::time::Duration;

use futures_util::future::join_all;
use kube::core::discovery::v2::APIGroupDiscoveryList;
use policy::{Address, KubernetesRequest, Verb};
use tokio::time::{Instant, sleep};
use wasmtime::component::Resource;

use super::bindings::falco_talon::actionner::kubernetes_read::{
    Condition, Departure, Host, ListOptions, LogOptions, ResourceType, Since,
};
use super::bindings::falco_talon::actionner::types::{Collection, Object};
use super::call::{Call, Closed};
use super::catalogue::Capability;
use super::condition;
use super::kubernetes::{collection_address, object_address, query};
use super::spool::Handle;
use crate::clients::{Answer, Refusal, RequestError};
use crate::telemetry::audit::Entry;

/// How long a wait pauses at first between two looks, and at most.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(50);
const LOOK_AGAIN_MAX: Duration = Duration::from_millis(500);

/// More objects than this are not waited for at once: no node has as many pods.
const DEPARTURES_MAX: usize = 1_000;

/// How much time a wait takes for each object that it looks at, on the average: so that waiting for the pods of a node
/// to go is not what keeps an API server busy.
const LOOK_PACE: Duration = Duration::from_millis(50);

/// Left when a wait looks at many objects for the last time.
const LAST_LOOK: Duration = Duration::from_millis(250);

impl Host for Call {
    async fn get(&mut self, object: Object) -> Result<String, Closed> {
        let address = self.understand(Capability::Get, || object_address(&object))?;
        let asked = [KubernetesRequest::new(Verb::Get, &address, &[]).into()];
        let entry = self.gate(Capability::Get, &asked)?;
        let read = self.read(&entry, &address.path()).await;
        let read = self.learn(&address, read);
        let answer = self.close_read_about(entry, &address, read)?;
        Ok(self.work(|| answer.into_text())?)
    }

    async fn list(&mut self, collection: Collection, options: ListOptions) -> Result<String, Closed> {
        let address = self.understand(Capability::List, || collection_address(&collection))?;
        let ListOptions { label_selector, field_selector, limit, continue_ } = &options;
        let node = pods_of_node(&address, field_selector);
        let request = KubernetesRequest { node, ..KubernetesRequest::new(Verb::List, &address, &[]) };
        let entry = self.gate(Capability::List, &[request.into()])?;
        let path = address.path()
            + &query(&[
                ("labelSelector", label_selector),
                ("fieldSelector", field_selector),
                ("limit", &limit.map(|limit| limit.to_string()).unwrap_or_default()),
                ("continue", continue_.as_deref().unwrap_or_default()),
            ]);
        let read = self.read(&entry, &path).await;
        let answer = self.close_read_about(entry, &address, read)?;
        self.work_on(|call| call.seen.note_listed(&address, &answer.object))?;
        if let (Some(_), Some(pods)) = (node, answer.object["items"].as_array()) {
            let left_out = self.work_on(|call| call.facts.targets.learn_pods_of_node(pods))?;
            if left_out > 0 {
                let told = format!("{left_out} pods of the node are out of its reach: there are too many of them");
                self.explain(Capability::List.name(), &told);
            }
        }
        Ok(self.work(|| answer.into_text())?)
    }

    async fn discover(&mut self, plural: String) -> Result<Vec<ResourceType>, Closed> {
        let entry = self.gate(Capability::Discover, &[])?;
        let found = async { self.kubernetes()?.discover(&self.permit(&entry).await?).await };
        let found = found.await;
        let lists = self.close_read(entry, found)?;
        Ok(self.work(|| lists.iter().flat_map(|list| resources_of(list, &plural)).collect())?)
    }

    async fn logs(&mut self, namespace: String, pod: String, options: LogOptions) -> Result<String, Closed> {
        let (entry, address, path) = self.allow_logs(Capability::Logs, &namespace, &pod, &options)?;
        let bytes_max = self.grants.limits.response_bytes_max;
        let read = async { self.kubernetes()?.read(&path, &self.permit(&entry).await?, bytes_max).await };
        let read = read.await;
        let bytes = self.close_read_about(entry, &address, read)?;
        Ok(self.work(|| String::from_utf8_lossy(&bytes).into_owned())?)
    }

    async fn logs_into(
        &mut self,
        namespace: String,
        pod: String,
        options: LogOptions,
        artifact: Resource<Handle>,
    ) -> Result<u64, Closed> {
        let (mut entry, address, path) = self.allow_logs(Capability::LogsInto, &namespace, &pod, &options)?;
        let (permit, host_time) = (self.permit(&entry).await, self.host_time.clone());
        let kubernetes = self.kubernetes().cloned();
        let mut file = self.spool.file(&artifact);
        let pour = async { kubernetes?.pour(&path, &permit?, &mut file).await };
        let poured = host_time.work(pour).await;
        if let Ok(bytes) = &poured {
            entry.bytes(*bytes);
        }
        self.close_read_about(entry, &address, poured)
    }

    async fn wait(&mut self, object: Object, any_of: Vec<Condition>, timeout_ms: u32) -> Result<String, Closed> {
        let address = self.understand(Capability::Wait, || object_address(&object))?;
        let conditions = self.understand(Capability::Wait, || condition::parse(any_of))?;
        let asked = [KubernetesRequest::new(Verb::Get, &address, &[]).into()];
        let entry = self.gate(Capability::Wait, &asked)?;
        let waited = self.wait_for(&entry, &address.path(), &conditions, timeout_ms).await;
        let waited = self.learn(&address, waited);
        let answer = self.close_read_about(entry, &address, waited)?;
        Ok(self.work(|| answer.into_text())?)
    }

    async fn wait_deleted(&mut self, departures: Vec<Departure>, timeout_ms: u32) -> Result<Vec<bool>, Closed> {
        let addresses = self.understand(Capability::WaitDeleted, || addresses_of(&departures))?;
        let asked: Vec<_> =
            addresses.iter().map(|address| KubernetesRequest::new(Verb::Get, address, &[]).into()).collect();
        let entry = self.gate(Capability::WaitDeleted, &asked)?;
        let awaited = addresses.iter().zip(&departures).map(|(address, it)| (address, it.uid.as_deref())).collect();
        let waited = self.wait_gone(&entry, awaited, self.wait_until(timeout_ms)).await;
        self.close(entry, waited)
    }
}

impl Call {
    fn allow_logs<'a>(
        &mut self,
        capability: Capability,
        namespace: &'a str,
        pod: &'a str,
        options: &'a LogOptions,
    ) -> Result<(Entry, Address<'a>, String), Closed> {
        let address = self.understand(capability, || Address::new("", "v1", "pods/log", Some(namespace), Some(pod)))?;
        let entry = self.gate(capability, &[KubernetesRequest::new(Verb::Get, &address, &[]).into()])?;
        let path = address.path() + &log_query(options);
        Ok((entry, address, path))
    }

    async fn wait_for(
        &self,
        entry: &Entry,
        path: &str,
        conditions: &[condition::Condition],
        timeout_ms: u32,
    ) -> Result<Answer, Refusal> {
        let end = self.wait_until(timeout_ms);
        let mut pause = LOOK_AGAIN_MIN;
        loop {
            let answer = self.read(entry, path).await?;
            if self.work(|| condition::any_is_met(conditions, &answer.object)).map_err(RequestError::from)? {
                return Ok(answer);
            }
            if !look_again(&mut pause, 1, end).await {
                return Err(RequestError::Timeout.into());
            }
        }
    }

    /// Whether each of these objects goes, or another takes its name, before `end`.
    async fn wait_gone(
        &self,
        entry: &Entry,
        awaited: Vec<(&Address<'_>, Option<&str>)>,
        end: Instant,
    ) -> Result<Vec<bool>, RequestError> {
        let kubernetes = self.kubernetes()?;
        let (permit, bytes_max) = (self.permit(entry).await?.until(end), self.grants.limits.response_bytes_max);
        let mut are_gone = vec![false; awaited.len()];
        let mut pause = LOOK_AGAIN_MIN;
        loop {
            let looks = awaited.iter().zip(&mut are_gone).filter(|(_, is_gone)| !**is_gone);
            let looks = looks.map(async |((address, uid), gone)| {
                let read = kubernetes.get(&address.path(), &permit, bytes_max).await;
                let refused = |refusal| self.refused(entry.capability(), address, refusal);
                *gone = is_gone(read, *uid).map_err(refused)?;
                Ok::<_, RequestError>(())
            });
            join_all(looks).await.into_iter().collect::<Result<(), _>>()?;
            let staying = are_gone.iter().filter(|is_gone| !**is_gone).count();
            if staying == 0 || !look_again(&mut pause, staying, end).await {
                return Ok(are_gone);
            }
        }
    }
}

/// The addresses of objects that are to go.
fn addresses_of(departures: &[Departure]) -> Result<Vec<Address<'_>>, String> {
    if departures.len() > DEPARTURES_MAX {
        return Err(format!("{} objects are more than the {DEPARTURES_MAX} that are waited for", departures.len()));
    }
    let addresses = departures.iter().map(|departure| object_address(&departure.object));
    addresses.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// Whether an object of this uid is no longer there, by what a read of its name has found.
fn is_gone(read: Result<Answer, Refusal>, uid: Option<&str>) -> Result<bool, Refusal> {
    match read {
        Ok(answer) => Ok(uid.is_some_and(|uid| answer.object["metadata"]["uid"] != uid)),
        Err(Refusal { error: RequestError::NotFound, .. }) => Ok(true),
        Err(Refusal { error: RequestError::Timeout, .. }) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

/// Pause before the next look at so many objects, each time longer; whether there is time for one before `end`.
async fn look_again(pause: &mut Duration, objects: usize, end: Instant) -> bool {
    let last_look = if objects > 1 { LAST_LOOK } else { LOOK_AGAIN_MIN };
    let left = end.saturating_duration_since(Instant::now()).saturating_sub(last_look);
    if left.is_zero() {
        return false;
    }
    let pace = LOOK_PACE.saturating_mul(u32::try_from(objects).unwrap_or(u32::MAX));
    sleep(pace.max(*pause).min(left)).await;
    *pause = (*pause * 3 / 2).min(LOOK_AGAIN_MAX);
    true
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
