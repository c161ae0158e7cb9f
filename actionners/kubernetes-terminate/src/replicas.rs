//! How many replicas must be healthy for a pod to be terminated.
//!
//! Knows `spec.replicas` and `status.readyReplicas`, which ReplicaSets and StatefulSets share;
//! does not know which of them it looks at.

use serde::Deserialize;
use serde_json::Value;

/// The parameter `min_healthy_replicas`: a number, or a percentage of the desired replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) enum MinHealthy {
    Number(u32),
    Percentage(u32),
}

/// The parameter as people write it: `2`, `"2"` or `33%`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u32),
    Text(String),
}

impl MinHealthy {
    /// Whether `workload` has enough ready replicas, the pod in question included.
    pub(crate) fn holds(self, workload: &Value) -> bool {
        let number = |value: &Value, default| value.as_u64().unwrap_or(default);
        // Kubernetes' own default of one replica, and no count where there are none.
        let desired = number(&workload["spec"]["replicas"], 1);
        let ready = number(&workload["status"]["readyReplicas"], 0);
        let wanted = match self {
            Self::Number(wanted) => u64::from(wanted),
            // Rounded up, as a disruption budget does: it is the least that must be healthy.
            Self::Percentage(percent) => desired.saturating_mul(u64::from(percent)).div_ceil(100),
        };
        ready >= wanted
    }
}

impl TryFrom<Written> for MinHealthy {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::Number(number) => return Ok(Self::Number(number)),
            Written::Text(text) => text,
        };
        let parsed = match text.strip_suffix('%') {
            Some(percent) if percent.bytes().all(|byte| byte.is_ascii_digit()) => {
                percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percentage)
            }
            Some(_) => None,
            None => text.parse().ok().map(Self::Number),
        };
        parsed.ok_or_else(|| format!("'{text}' is neither a whole number nor a percentage from 0% to 100%"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_percentages() {
        fn check(written: &Value, expected: Option<MinHealthy>) {
            assert_eq!(serde_json::from_value(written.clone()).ok(), expected, "{written}");
        }
        check(&json!(2), Some(MinHealthy::Number(2)));
        check(&json!("2"), Some(MinHealthy::Number(2)));
        check(&json!("+2"), Some(MinHealthy::Number(2)));
        check(&json!("33%"), Some(MinHealthy::Percentage(33)));
        check(&json!("0%"), Some(MinHealthy::Percentage(0)));
        check(&json!("100%"), Some(MinHealthy::Percentage(100)));
        check(&json!("101%"), None);
        check(&json!("%"), None);
        check(&json!("+3%"), None);
        check(&json!("33.3%"), None);
        check(&json!(" 2"), None);
        check(&json!("-1"), None);
        check(&json!(-1), None);
        check(&json!(true), None);
    }

    #[test]
    fn healthy_replicas_are_counted() {
        fn check(min_healthy: MinHealthy, ready: Option<u32>, desired: Option<u32>, expected: bool) {
            let workload = json!({"spec": {"replicas": desired}, "status": {"readyReplicas": ready}});
            assert_eq!(min_healthy.holds(&workload), expected, "{min_healthy:?} {workload}");
        }
        check(MinHealthy::Number(2), Some(2), Some(3), true);
        check(MinHealthy::Number(3), Some(2), Some(3), false);
        check(MinHealthy::Number(0), None, Some(3), true);
        check(MinHealthy::Number(1), None, Some(3), false);
        check(MinHealthy::Percentage(33), Some(1), Some(3), true);
        check(MinHealthy::Percentage(34), Some(1), Some(3), false);
        check(MinHealthy::Percentage(100), Some(3), Some(3), true);
        check(MinHealthy::Percentage(100), Some(2), Some(3), false);
        check(MinHealthy::Percentage(0), None, Some(3), true);
        check(MinHealthy::Percentage(50), Some(1), None, true);
        check(MinHealthy::Percentage(50), Some(0), Some(0), true);
    }
}
