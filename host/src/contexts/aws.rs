//! `aws`: the instance that the host runs on, in the words of its metadata service.
//!
//! Only what [`InstanceFact`] names can be asked for, and none of that is a credential.

use serde::Deserialize;

use super::values::{ContextError, Values};
use crate::clients::{Clients, InstanceFact};

/// The part of `iam/info` that is of interest.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Profile {
    instance_profile_arn: String,
    instance_profile_id: String,
}

pub(super) async fn values(clients: &Clients) -> Result<Values, ContextError> {
    let missing = || ContextError::missing("the host has no client for the metadata of its instance");
    let instance = clients.instance.as_ref().ok_or_else(missing)?;
    let refused = |error| ContextError::of("the metadata of the host's instance", error);
    let [region, profile] = instance.facts([InstanceFact::Region, InstanceFact::Profile]).await.map_err(refused)?;
    // An instance without a profile has none to tell of.
    let profile: Profile = profile.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let values = [
        ("aws.instance_profile_arn", profile.instance_profile_arn),
        ("aws.instance_profile_id", profile.instance_profile_id),
        ("aws.region", region.unwrap_or_default()),
    ];
    Ok(values.into_iter().filter(|(_, value)| !value.is_empty()).collect())
}
