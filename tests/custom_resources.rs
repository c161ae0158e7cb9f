//! Resources of other vendors, for a real API server to treat as the simulation treats them.

use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};

use crate::material::folder;

/// How long to wait before a cluster, whose parts work at their own pace, is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// Make the resources of other vendors known that tests use, and wait until they are served.
pub(crate) async fn install_custom_resources(client: &kube::Client) {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    // A file for each.
    for entry in std::fs::read_dir(folder("crds")).expect("the folder") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a file");
        let definition: DynamicObject = serde_saphyr::from_str(&text).expect("a definition");
        let name = definition.metadata.name.clone().expect("a name");
        let parameters = PatchParams::apply("falco-talon-tests").force();
        api.patch(&name, &parameters, &Patch::Apply(&definition)).await.expect("a definition");
        let spec = &definition.data["spec"];
        let [group, plural, version] = [&spec["group"], &spec["names"]["plural"], &spec["versions"][0]["name"]]
            .map(|text| text.as_str().expect("a text"));
        // Its conditions say so a little too early.
        let list =
            || http::Request::get(format!("/apis/{group}/{version}/{plural}")).body(Vec::new()).expect("a request");
        while client.request_text(list()).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
