//! Discovery, as far as it can be compared: a real cluster has more resources than the simulation.

use kube::core::discovery::v2::{APIGroupDiscovery, APIGroupDiscoveryList};
use serde_json::Value;
use simulation::Simulation;

/// A line for each resource of an answer that the simulation serves too, in the order of the answer.
pub(crate) async fn known(answer: &Value) -> String {
    let client = Simulation::new(Vec::new()).expect("a cluster").client();
    let core = client.list_core_api_versions_aggregated().await.expect("the core group");
    let others = client.list_api_groups_aggregated().await.expect("the other groups");
    let served: Vec<String> = [core, others].iter().flat_map(|list| list.items.iter().flat_map(lines)).collect();
    assert!(served.len() > 20);
    let list: APIGroupDiscoveryList = serde_json::from_value(answer.clone()).expect("a list");
    let mut lines: Vec<String> = list.items.iter().flat_map(lines).filter(|line| served.contains(line)).collect();
    // The order of groups is not of interest: there is one resource of a name in each.
    lines.sort();
    lines.join("\n")
}

fn lines(group: &APIGroupDiscovery) -> Vec<String> {
    let name = group.metadata.as_ref().and_then(|metadata| metadata.name.as_deref()).unwrap_or_default();
    let of_version = group.versions.iter().flat_map(|version| {
        version.resources.iter().map(move |resource| {
            let kind = resource.response_kind.clone().expect("a kind");
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let words = [
                format!("{name}/{}", text(&version.version)),
                text(&resource.resource),
                text(&resource.singular_resource),
                text(&kind.group),
                text(&kind.version),
                text(&kind.kind),
                text(&resource.scope),
            ];
            words.join(" ")
        })
    });
    of_version.collect()
}
