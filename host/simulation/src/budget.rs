//! Pod disruption budgets: what their controller would write into their status, counted from the pods, and what an
//! eviction heeds.

use http::StatusCode;
use serde_json::{Value, json};

use super::resource;
use super::selector::LabelSelector;
use super::status::Refusal;
use super::store::Store;

/// What a budget asks for and has.
struct Count {
    healthy: i64,
    desired: i64,
    expected: i64,
    /// Why it can't be counted.
    failed: Option<String>,
}

/// Whether a pod has ended, or not begun: budgets don't count it.
pub(super) fn is_beyond(pod: &Value) -> bool {
    let phase = pod["status"]["phase"].as_str();
    matches!(phase, Some("Succeeded" | "Failed" | "Pending")) || !pod["metadata"]["deletionTimestamp"].is_null()
}

/// Refuse where the budgets of a pod forbid its eviction.
pub(super) fn check(store: &Store, namespace: &str, pod: &Value) -> Result<(), Refusal> {
    let Some(budgets) = resource::by_kind("policy/v1", "PodDisruptionBudget") else {
        return Ok(());
    };
    let selects = |budget: &Value| {
        let selector = &budget["spec"]["selector"];
        !selector.is_null() && LabelSelector::of(selector).matches(&pod["metadata"]["labels"])
    };
    let selecting: Vec<&Value> =
        store.of(budgets, Some(namespace)).map(|(_, budget)| budget).filter(|budget| selects(budget)).collect();
    let budget = match selecting.as_slice() {
        [] => return Ok(()),
        [budget] => *budget,
        _ => {
            let message =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Refusal::internal(message));
        }
    };
    let count = count(store, namespace, &budget["spec"]);
    if !is_ready(pod) {
        let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        if always || count.failed.is_none() && count.healthy >= count.desired && count.desired > 0 {
            return Ok(());
        }
    }
    if count.failed.is_none() && count.healthy > count.desired && count.expected > 0 {
        return Ok(());
    }
    let name = budget["metadata"]["name"].as_str().unwrap_or_default();
    let text = match count.failed {
        Some(error) => format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed sync: {error}"
        ),
        None => format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            count.desired, count.healthy
        ),
    };
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let details = json!({"causes": [{"reason": "DisruptionBudget", "message": text}]});
    Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message, details))
}

fn count(store: &Store, namespace: &str, spec: &Value) -> Count {
    let Some(resource) = resource::by_kind("v1", "Pod") else {
        return Count { healthy: 0, desired: 0, expected: 0, failed: None };
    };
    let selector = LabelSelector::of(&spec["selector"]);
    let pods: Vec<&Value> = store.of(resource, Some(namespace)).map(|(_, pod)| pod).collect();
    let pods: Vec<&Value> = pods.into_iter().filter(|pod| selector.matches(&pod["metadata"]["labels"])).collect();
    let counted = |pod: &&&Value| is_ready(pod) && pod["metadata"]["deletionTimestamp"].is_null();
    let healthy = i64::try_from(pods.iter().filter(counted).count()).unwrap_or(i64::MAX);
    let here = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    if let Some(desired) = spec["minAvailable"].as_i64() {
        return Count { healthy, desired, expected: here, failed: None };
    }
    let expected = match scale(store, namespace, &pods) {
        Ok(expected) => expected,
        Err(error) => {
            return Count { healthy, desired: 0, expected: 0, failed: Some(error) };
        }
    };
    let share = |value: &Value| match value
        .as_str()
        .and_then(|text| text.strip_suffix('%'))
        .and_then(|text| text.parse::<i64>().ok())
    {
        Some(percent) => (percent * expected + 99) / 100,
        None => value.as_i64().unwrap_or_default(),
    };
    let desired = if spec["maxUnavailable"].is_null() {
        share(&spec["minAvailable"])
    } else {
        (expected - share(&spec["maxUnavailable"])).max(0)
    };
    Count { healthy, desired, expected, failed: None }
}

/// How many pods the controllers of these pods want.
fn scale(store: &Store, namespace: &str, pods: &[&Value]) -> Result<i64, String> {
    let mut counted: Vec<String> = Vec::new();
    let mut sum = 0;
    for pod in pods {
        let Some(mut owner) = controller(pod) else {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            return Err(format!("found no controllers for pod {name:?}"));
        };
        let mut object = owned_by(store, namespace, owner);
        // A ReplicaSet of a Deployment: the Deployment decides.
        if let Some(above) = object.and_then(controller) {
            (owner, object) = (above, owned_by(store, namespace, above));
        }
        let uid = owner["uid"].as_str().unwrap_or_default().to_owned();
        if !counted.contains(&uid) {
            sum += object.map_or(1, |object| object["spec"]["replicas"].as_i64().unwrap_or(1));
            counted.push(uid);
        }
    }
    Ok(sum)
}

fn controller(object: &Value) -> Option<&Value> {
    object["metadata"]["ownerReferences"].as_array()?.iter().find(|owner| owner["controller"] == true)
}

fn owned_by<'a>(store: &'a Store, namespace: &str, owner: &Value) -> Option<&'a Value> {
    let resource = resource::by_kind(owner["apiVersion"].as_str()?, owner["kind"].as_str()?)?;
    store.get(&super::store::Key::new(resource, Some(namespace), owner["name"].as_str()?))
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
