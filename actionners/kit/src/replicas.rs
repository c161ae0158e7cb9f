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

/// What is known of a pod before any owner is read. The reasons go on where a pod is named: "belongs to a DaemonSet".
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Nothing spares it.
    Take,
    /// Spare it, and say why.
    Spare(&'static str),
    /// It depends on the workload at this address. If that is [confirmed](Owner::is_confirmed_by) to be the pod's owner,
    /// [`Sparing::reason`] says what it means, and otherwise [`Sparing::standalone`].
    Read(Object),
}

impl Sparing {
    /// Whether a pod in `namespace` is spared, that says it is controlled by `owner`.
    ///
    /// Anyone who may make a pod may write that, so that none is spared for it before the owner was read.
    #[must_use]
    pub fn judge(&self, namespace: &str, owner: Option<&Owner>) -> Verdict {
        let Some(owner) = owner else {
            return self.standalone().map_or(Verdict::Take, Verdict::Spare);
        };
        let is = |kind| owner.is("apps", kind);
        let matters = (is("DaemonSet") && self.daemonsets)
            || (is("StatefulSet") && self.statefulsets)
            || ((is("ReplicaSet") || is("StatefulSet")) && self.min_healthy.is_some());
        owner.object(namespace).filter(|_| matters).map_or(Verdict::Take, Verdict::Read)
    }

    /// Why a pod is spared that nothing controls, if it is.
    #[must_use]
    pub fn standalone(&self) -> Option<&'static str> {
        self.standalone_pods.then_some("is a standalone pod")
    }

    /// Why a pod is spared that `owner` controls, if it is. `workload` is the owner as it was read, and `taken` of its
    /// ready pods are not counted any more.
    #[must_use]
    pub fn reason(&self, owner: &Owner, workload: &Value, taken: u64) -> Option<&'static str> {
        let is = |kind| owner.is("apps", kind);
        if is("DaemonSet") {
            return self.daemonsets.then_some("belongs to a DaemonSet");
        }
        if is("StatefulSet") && self.statefulsets {
            return Some("belongs to a StatefulSet");
        }
        let is_healthy = self.min_healthy.is_none_or(|min_healthy| min_healthy.holds(workload, taken));
        match (is_healthy, is("ReplicaSet"), is("StatefulSet")) {
            (false, true, _) => Some("belongs to a ReplicaSet without enough healthy replicas"),
            (false, _, true) => Some("belongs to a StatefulSet without enough healthy replicas"),
            _ => None,
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

    const NOTHING: Sparing =
        Sparing { daemonsets: false, statefulsets: false, standalone_pods: false, min_healthy: None };
    const DAEMONSETS: Sparing = Sparing { daemonsets: true, ..NOTHING };
    const STATEFULSETS: Sparing = Sparing { statefulsets: true, ..NOTHING };
    const STANDALONE_PODS: Sparing = Sparing { standalone_pods: true, ..NOTHING };
    const TWO_HEALTHY: Sparing = Sparing { min_healthy: Some(MinHealthy::Number(2)), ..NOTHING };

    #[test]
    fn an_owner_is_read_before_it_spares() {
        fn check(owner: Option<&Owner>, sparing: Sparing, expected: &Verdict) {
            assert_eq!(&sparing.judge("n", owner), expected);
        }
        let read = |resource| Verdict::Read(Object::namespaced("apps/v1", resource, "n", "web"));
        let daemon_set = owner("apps/v1", "DaemonSet");
        let stateful_set = owner("apps/v1", "StatefulSet");
        let replica_set = owner("apps/v1", "ReplicaSet");
        let job = owner("batch/v1", "Job");
        let custom = owner("acme.example/v1", "DaemonSet");
        check(Some(&daemon_set), DAEMONSETS, &read("daemonsets"));
        check(Some(&daemon_set), STATEFULSETS, &Verdict::Take);
        check(Some(&daemon_set), TWO_HEALTHY, &Verdict::Take);
        check(Some(&stateful_set), STATEFULSETS, &read("statefulsets"));
        check(Some(&stateful_set), TWO_HEALTHY, &read("statefulsets"));
        check(Some(&stateful_set), DAEMONSETS, &Verdict::Take);
        check(Some(&replica_set), TWO_HEALTHY, &read("replicasets"));
        check(Some(&replica_set), STATEFULSETS, &Verdict::Take);
        check(Some(&job), STANDALONE_PODS, &Verdict::Take);
        check(Some(&custom), DAEMONSETS, &Verdict::Take);
        check(None, STANDALONE_PODS, &Verdict::Spare("is a standalone pod"));
        check(None, DAEMONSETS, &Verdict::Take);
        check(None, TWO_HEALTHY, &Verdict::Take);
    }

    #[test]
    fn the_owner_decides() {
        fn check(kind: &str, sparing: Sparing, ready: u32, expected: Option<&str>) {
            let workload = json!({"spec": {"replicas": 3}, "status": {"readyReplicas": ready}});
            assert_eq!(sparing.reason(&owner("apps/v1", kind), &workload, 1), expected, "{kind} {sparing:?}");
        }
        check("DaemonSet", DAEMONSETS, 3, Some("belongs to a DaemonSet"));
        check("DaemonSet", TWO_HEALTHY, 0, None);
        check("StatefulSet", STATEFULSETS, 3, Some("belongs to a StatefulSet"));
        check("StatefulSet", TWO_HEALTHY, 3, None);
        check("StatefulSet", TWO_HEALTHY, 2, Some("belongs to a StatefulSet without enough healthy replicas"));
        check("ReplicaSet", TWO_HEALTHY, 3, None);
        check("ReplicaSet", TWO_HEALTHY, 2, Some("belongs to a ReplicaSet without enough healthy replicas"));
        check("ReplicaSet", NOTHING, 0, None);
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
