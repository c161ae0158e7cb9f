//! Resources of other vendors, for a real API server to treat as the simulation treats them.

use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};

/// How long to wait before a cluster, whose parts work at their own pace, is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// Make the resources of other vendors known that tests use, and wait until they are served.
pub(crate) async fn install_custom_resources(client: &kube::Client) {
    let text = include_str!("custom-resources.yaml");
    let definitions: Vec<DynamicObject> = serde_saphyr::from_multiple(text).expect("definitions");
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    for definition in definitions {
        let name = definition.metadata.name.clone().expect("a name");
        let parameters = PatchParams::apply("falco-talon-tests").force();
        api.patch(&name, &parameters, &Patch::Apply(&definition)).await.expect("a definition");
        let is_served = |object: &DynamicObject| {
            let conditions = object.data["status"]["conditions"].as_array();
            let established =
                |condition: &serde_json::Value| condition["type"] == "Established" && condition["status"] == "True";
            conditions.is_some_and(|conditions| conditions.iter().any(established))
        };
        while !is_served(&api.get(&name).await.expect("the definition")) {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
