//! Which pods a rule spares because of the workload that owns them.
//!
//! DaemonSets, StatefulSets and standalone pods are spared as a rule says; pods of ReplicaSets
//! and StatefulSets where too few replicas would be healthy. Knows `spec.replicas` and
//! `status.readyReplicas`, which these two share; does not read anything, and does not know
//! what happens to a pod that is not spared.

use falco_talon_sdk::Owner;
use falco_talon_sdk::kubernetes::Object;
use serde::Deserialize;
use serde_json::Value;

/// What a rule says about the owners of pods. By default nothing is spared.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sparing {
    /// Spare the pods of DaemonSets.
    pub daemonsets: bool,
    /// Spare the pods of StatefulSets.
    pub statefulsets: bool,
    /// Spare the pods that belong to nothing, and so would not come back.
    pub standalone_pods: bool,
    /// Spare the pods of ReplicaSets and StatefulSets that have fewer healthy ones.
    pub min_healthy: Option<MinHealthy>,
}

/// What the owner of a pod means for it. The reasons go on where a pod is named: "belongs to a
/// DaemonSet".
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Nothing spares it.
    Take,
    /// Spare it, and say why.
    Spare(&'static str),
    /// Read the workload, and spare the pod for that reason if too few of its replicas are
    /// healthy.
    Count {
        /// The address of the workload.
        workload: Object,
        /// How many must be healthy.
        min_healthy: MinHealthy,
        /// Why the pod is spared then.
        reason: &'static str,
    },
}

impl Sparing {
    /// Whether it depends on the owner at all: if not, none needs to be read.
    #[must_use]
    pub fn depends_on_owner(&self) -> bool {
        *self != Self::default()
    }

    /// What `owner` means for a pod in `namespace`.
    #[must_use]
    pub fn judge(&self, namespace: &str, owner: Option<&Owner>) -> Verdict {
        let Some(owner) = owner else {
            return if self.standalone_pods { Verdict::Spare("is a standalone pod") } else { Verdict::Take };
        };
        let is = |kind| owner.is("apps", kind);
        if is("DaemonSet") && self.daemonsets {
            return Verdict::Spare("belongs to a DaemonSet");
        }
        if is("StatefulSet") && self.statefulsets {
            return Verdict::Spare("belongs to a StatefulSet");
        }
        let reason = if is("ReplicaSet") {
            "belongs to a ReplicaSet without enough healthy replicas"
        } else if is("StatefulSet") {
            "belongs to a StatefulSet without enough healthy replicas"
        } else {
            return Verdict::Take;
        };
        match (self.min_healthy, owner.object(namespace)) {
            (Some(min_healthy), Some(workload)) => Verdict::Count { workload, min_healthy, reason },
            _ => Verdict::Take,
        }
    }
}

/// The parameter `min_healthy_replicas`: a number, or a percentage of the desired replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum MinHealthy {
    /// As many as this.
    Number(u32),
    /// Of the desired ones, at most 100.
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
    /// Whether `workload` has enough ready replicas, the pod in question included, once `taken`
    /// of them are not counted any more.
    #[must_use]
    pub fn holds(self, workload: &Value, taken: u64) -> bool {
        let number = |value: &Value, default| value.as_u64().unwrap_or(default);
        // Kubernetes' own default of one replica, and no count where there are none.
        let desired = number(&workload["spec"]["replicas"], 1);
        let ready = number(&workload["status"]["readyReplicas"], 0);
        let wanted = match self {
            Self::Number(wanted) => u64::from(wanted),
            // Rounded up, as a disruption budget does: it is the least that must be healthy.
            Self::Percentage(percent) => desired.saturating_mul(u64::from(percent)).div_ceil(100),
        };
        ready.saturating_sub(taken) >= wanted
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

    fn owner(api_version: &str, kind: &str) -> Owner {
        Owner {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: "web".to_owned(),
            uid: "1".to_owned(),
        }
    }

    #[test]
    fn the_owner_decides() {
        fn check(owner: Option<&Owner>, sparing: Sparing, expected: &Verdict) {
            assert_eq!(&sparing.judge("n", owner), expected);
        }
        let nothing = Sparing::default();
        let daemonsets = Sparing { daemonsets: true, ..nothing };
        let statefulsets = Sparing { statefulsets: true, ..nothing };
        let standalone_pods = Sparing { standalone_pods: true, ..nothing };
        let one_healthy = Sparing { min_healthy: Some(MinHealthy::Number(1)), ..nothing };
        let daemon_set = owner("apps/v1", "DaemonSet");
        let stateful_set = owner("apps/v1", "StatefulSet");
        let job = owner("batch/v1", "Job");
        let custom = owner("acme.example/v1", "DaemonSet");
        check(Some(&daemon_set), daemonsets, &Verdict::Spare("belongs to a DaemonSet"));
        check(Some(&daemon_set), statefulsets, &Verdict::Take);
        check(Some(&daemon_set), one_healthy, &Verdict::Take);
        check(Some(&stateful_set), statefulsets, &Verdict::Spare("belongs to a StatefulSet"));
        check(Some(&stateful_set), daemonsets, &Verdict::Take);
        check(None, standalone_pods, &Verdict::Spare("is a standalone pod"));
        check(None, daemonsets, &Verdict::Take);
        check(None, one_healthy, &Verdict::Take);
        check(Some(&job), standalone_pods, &Verdict::Take);
        check(Some(&custom), daemonsets, &Verdict::Take);
    }

    #[test]
    fn the_replicas_of_the_owner_are_counted() {
        fn check(kind: &str, resource: &str, reason: &'static str) {
            let min_healthy = MinHealthy::Percentage(50);
            let sparing = Sparing { min_healthy: Some(min_healthy), ..Sparing::default() };
            let workload = Object::namespaced("apps/v1", resource, "n", "web");
            let expected = Verdict::Count { workload, min_healthy, reason };
            assert_eq!(sparing.judge("n", Some(&owner("apps/v1", kind))), expected);
        }
        check("ReplicaSet", "replicasets", "belongs to a ReplicaSet without enough healthy replicas");
        check("StatefulSet", "statefulsets", "belongs to a StatefulSet without enough healthy replicas");
    }

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
            assert_eq!(min_healthy.holds(&workload, 0), expected, "{min_healthy:?} {workload}");
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

    #[test]
    fn those_that_are_taken_are_not_healthy_any_more() {
        fn check(min_healthy: MinHealthy, taken: u64, expected: bool) {
            let workload = json!({"spec": {"replicas": 4}, "status": {"readyReplicas": 3}});
            assert_eq!(min_healthy.holds(&workload, taken), expected, "{min_healthy:?} {taken}");
        }
        check(MinHealthy::Number(2), 1, true);
        check(MinHealthy::Number(2), 2, false);
        check(MinHealthy::Percentage(50), 1, true);
        check(MinHealthy::Percentage(50), 2, false);
        check(MinHealthy::Number(0), 9, true);
    }
}
