//! `kubernetes:drain`: moves the pods off the node of the pod of an event.
//!
//! As `kubectl drain` does: the node is cordoned first, mirror pods stay, finished pods go, and
//! pods are evicted, so that disruption budgets hold. Unlike there, pods that nothing would
//! bring back go too, and those of DaemonSets unless the rule says otherwise: what may run on
//! the node is suspicious. The pod of the event has the first turn. Does not remove the node,
//! nor what its pods have stored there.

mod conclusion;
mod selection;

use falco_talon_kit::replicas::{MinHealthy, Sparing};
use falco_talon_sdk::kubernetes::{self, Collection, Departure, Eviction, ListOptions, Preconditions};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Node, Outcome, Pod};
use serde::Deserialize;
use serde::de::IgnoredAny;

use conclusion::Conclusion;
use selection::{Candidate, Selection, Workloads, candidates};

/// How long refused evictions are tried again where the rule waits for pods to go afterwards,
/// for which some of the deadline must be left. Elsewhere all of it is used.
const EVICTION_BEFORE_WAIT_MS_MAX: u32 = 120_000;

struct Drain;

falco_talon_sdk::export!(Drain);

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// None: that of each pod.
    grace_period_seconds: Option<u32>,
    #[serde(default)]
    ignore_daemonsets: bool,
    #[serde(default)]
    ignore_statefulsets: bool,
    min_healthy_replicas: Option<MinHealthy>,
    /// As the documentation calls it.
    #[serde(default)]
    ignore_error: bool,
    /// As rules that are in use call it.
    #[serde(default)]
    ignore_errors: bool,
    /// In seconds; zero: don't wait.
    #[serde(default)]
    max_wait_period: u32,
    #[serde(default)]
    wait_period_excluded_namespaces: Vec<String>,
    /// Published rules have it, where it does nothing.
    #[serde(rename = "force")]
    _force: Option<IgnoredAny>,
}

impl Actionner for Drain {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:drain",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Drain a node",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        reads: Some(&[]),
        needs: include_str!("../needs.json"),
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let object = pod.read()?;
        let node = Node::of(pod, &object)?;
        node.cordon()?;
        let pods = kubernetes::list(&Collection::all("v1", "pods"), &on_node(node)).map_err(|error| {
            let doing = format_args!("can't list the pods of {node}");
            node.concerned(Failure::from_error(doing, &error))
        })?;
        let host_namespace = context.text("falco-talon.namespace");
        let mut read = kubernetes::get;
        let mut workloads = Workloads::new(&mut read);
        let selection = Selection::of(candidates(&pods, pod), parameters.sparing(), host_namespace, &mut workloads);
        let mut conclusion = Conclusion::new(selection.stay);
        let evicted = evict(selection.evict, parameters, &mut workloads, &mut conclusion);
        // In a dry run they don't go.
        if context.text("falco-talon.rule.dry_run") != Some("true") {
            wait(&evicted, parameters, &mut conclusion);
        }
        conclusion.outcome(node, parameters.ignore_error || parameters.ignore_errors)
    }
}

impl Parameters {
    fn sparing(&self) -> Sparing {
        Sparing {
            daemonsets: self.ignore_daemonsets,
            statefulsets: self.ignore_statefulsets,
            standalone_pods: false,
            min_healthy: self.min_healthy_replicas,
        }
    }

    fn eviction_ms_max(&self) -> u32 {
        if self.max_wait_period == 0 { u32::MAX } else { EVICTION_BEFORE_WAIT_MS_MAX }
    }

    fn waits_for(&self, candidate: &Candidate) -> bool {
        let excluded = self.wait_period_excluded_namespaces.contains(&candidate.namespace);
        self.max_wait_period > 0 && !excluded
    }
}

fn on_node(node: Node<'_>) -> ListOptions {
    ListOptions { field_selector: format!("spec.nodeName={}", node.name), ..ListOptions::default() }
}

/// Evicts the pods side by side; what is returned is on its way out.
fn evict(
    pods: Vec<Candidate>,
    parameters: &Parameters,
    workloads: &mut Workloads<'_>,
    conclusion: &mut Conclusion,
) -> Vec<Candidate> {
    if pods.is_empty() {
        return pods;
    }
    let evictions: Vec<_> = pods
        .iter()
        .map(|it| Eviction {
            namespace: it.namespace.clone(),
            pod: it.name.clone(),
            preconditions: Preconditions::uid(it.uid.clone()),
        })
        .collect();
    let results = kubernetes::evict(&evictions, parameters.grace_period_seconds, parameters.eviction_ms_max());
    // What goes wrong with all of them goes wrong with each.
    let results = results.unwrap_or_else(|error| vec![Err(error); pods.len()]);
    let answers = pods.into_iter().zip(results);
    let leaves = answers.filter_map(|(pod, result)| {
        conclusion.evicted(&pod, result, || workloads.is_of_daemonset(&pod)).then_some(pod)
    });
    leaves.collect()
}

fn wait(evicted: &[Candidate], parameters: &Parameters, conclusion: &mut Conclusion) {
    let awaited: Vec<_> = evicted.iter().filter(|it| parameters.waits_for(it)).collect();
    if awaited.is_empty() {
        return;
    }
    let departures: Vec<_> =
        awaited.iter().map(|it| Departure { object: it.pod().object(), uid: it.uid.clone() }).collect();
    let timeout_ms = parameters.max_wait_period.saturating_mul(1_000);
    let gone = kubernetes::wait_deleted(&departures, timeout_ms);
    conclusion.waited(&awaited, gone);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parameters(value: Value) -> Parameters {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn each_parameter_spares_what_it_names() {
        let given = json!({"ignore_daemonsets": true, "ignore_statefulsets": true, "min_healthy_replicas": "33%"});
        let expected = Sparing {
            daemonsets: true,
            statefulsets: true,
            standalone_pods: false,
            min_healthy: Some(MinHealthy::Percentage(33)),
        };
        assert_eq!(parameters(given).sparing(), expected);
        assert_eq!(parameters(json!({})).sparing(), Sparing::default());
    }

    #[test]
    fn pods_are_waited_for_where_the_rule_says_so() {
        fn check(given: Value, expected: bool) {
            let pods = [json!({"metadata": {"namespace": "shop", "name": "web-0"}})];
            let pods = candidates(&pods, Pod { namespace: "shop", name: "web-0" });
            assert_eq!(parameters(given).waits_for(&pods[0]), expected);
        }
        check(json!({}), false);
        check(json!({"max_wait_period": 5}), true);
        check(json!({"max_wait_period": 5, "wait_period_excluded_namespaces": ["batch"]}), true);
        check(json!({"max_wait_period": 5, "wait_period_excluded_namespaces": ["batch", "shop"]}), false);
    }

    #[test]
    fn evictions_leave_time_to_wait() {
        assert_eq!(parameters(json!({})).eviction_ms_max(), u32::MAX);
        assert_eq!(parameters(json!({"max_wait_period": 90})).eviction_ms_max(), 120_000);
    }

    #[test]
    fn the_pods_are_those_on_the_node() {
        assert_eq!(on_node(Node { name: "node-1" }).field_selector, "spec.nodeName=node-1");
    }
}
