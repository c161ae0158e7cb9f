//! The job of a capture, its command, and what their states say.
//!
//! Does not call Kubernetes.

use falco_talon_sdk::exec::Exit;
use falco_talon_sdk::kubernetes::Condition;
use falco_talon_sdk::{Containers, Failure, Node, Pod};
use serde_json::{Value, json};

use crate::{Job, Parameters, Scope};

/// The container of the job's pod.
pub(crate) const CONTAINER: &str = "falco-talon-sysdig";

/// The label that Kubernetes itself puts on the pods of a job.
pub(crate) const POD_LABEL: &str = "batch.kubernetes.io/job-name";

/// A job is settled when its one pod is ready, or when that has failed already.
pub(crate) fn settled() -> [Condition; 2] {
    [Condition::equals("status.ready", "1"), Condition::equals("status.failed", "1")]
}

/// How much longer than start and capture the job may live.
const MARGIN_S: u32 = 30;

/// How long what is left of a job that has ended is kept, where nobody deletes it.
const KEPT_S: u32 = 60;

/// As many characters of a container's id as Falco's own tools compare.
const ID_CHARS: usize = 12;

/// What of the suspicious pod the capture needs to know.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan<'a> {
    node: Node<'a>,
    /// Selects the system calls; none for all of the node.
    filter: Option<String>,
    /// None where the runtime is known to have no such socket.
    socket: Option<&'a str>,
}

impl<'a> Plan<'a> {
    pub(crate) fn of(pod: Pod<'a>, object: &'a Value, parameters: &'a Parameters) -> Result<Self, Failure> {
        let node = Node::of(pod, object)?;
        let containers = Containers::of(pod, object);
        let filter = match parameters.scope {
            Scope::Node => None,
            Scope::Pod => Some(filter(&containers.ids()).ok_or_else(|| {
                let why = "has no container with an id yet, by which its system calls could be told from others";
                pod.concerned(Failure::rejected(format!("{pod} {why}")))
            })?),
        };
        let usual = match containers.runtime() {
            Some("containerd") => Some("/run/containerd/containerd.sock"),
            Some("cri-o") => Some("/run/crio/crio.sock"),
            _ => None,
        };
        Ok(Self { node, filter, socket: parameters.cri_socket.as_deref().or(usual) })
    }

    /// The job: it only waits until it is told what to run, and for no longer than it is needed.
    pub(crate) fn job(&self, job: &Job<'_>, parameters: &Parameters) -> Value {
        let labels = json!({
            "app.kubernetes.io/managed-by": "falco-talon",
            "app.kubernetes.io/name": "falco-talon-sysdig",
            "app.kubernetes.io/part-of": "falco-talon",
        });
        let capture_s = parameters.duration_s() + MARGIN_S;
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": { "name": job.name, "namespace": job.namespace, "labels": labels },
            "spec": {
                "activeDeadlineSeconds": parameters.start_timeout + capture_s,
                "ttlSecondsAfterFinished": KEPT_S,
                "backoffLimit": 0,
                "template": {
                    "metadata": { "labels": labels },
                    "spec": {
                        "nodeName": self.node.name,
                        "restartPolicy": "Never",
                        "terminationGracePeriodSeconds": 1,
                        "automountServiceAccountToken": false,
                        // The node may be cordoned or worse: that is where the suspect is.
                        "tolerations": [{ "operator": "Exists" }],
                        "containers": [container(parameters, parameters.start_timeout + capture_s)],
                        "volumes": [{ "name": "host", "hostPath": { "path": "/", "type": "Directory" } }],
                    },
                },
            },
        })
    }

    /// Capturing ends by itself. Paths are those of the node: sysdig looks below `HOST_ROOT`.
    pub(crate) fn command(&self, parameters: &Parameters) -> Vec<String> {
        let mut command = vec!["sysdig".to_owned(), "--modern-bpf".to_owned()];
        if let Some(socket) = self.socket {
            command.extend(["--cri".to_owned(), socket.to_owned()]);
        }
        let (duration_s, bytes) = (parameters.duration_s().to_string(), parameters.buffer_bytes().to_string());
        let rest = ["-M", duration_s.as_str(), "-s", bytes.as_str(), "-z", "-w", "-"];
        command.extend(rest.map(str::to_owned));
        command.extend(self.filter.clone());
        command
    }
}

/// What modern eBPF needs, and the files of the node, which nothing here can change.
fn container(parameters: &Parameters, lifetime_s: u32) -> Value {
    json!({
        "name": CONTAINER,
        "image": parameters.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", lifetime_s.to_string()],
        "env": [{ "name": "HOST_ROOT", "value": "/host" }],
        "securityContext": {
            "privileged": false,
            "allowPrivilegeEscalation": false,
            "runAsUser": 0,
            "runAsNonRoot": false,
            "capabilities": { "drop": ["ALL"], "add": ["BPF", "PERFMON", "SYS_PTRACE", "SYS_RESOURCE"] },
        },
        "resources": { "requests": { "cpu": "10m", "memory": "64Mi" }, "limits": { "memory": "1Gi" } },
        "volumeMounts": [{ "name": "host", "mountPath": "/host", "readOnly": true }],
    })
}

/// The ids are part of a filter's text, so that only what can be no other word of it may be
/// among them.
fn filter(ids: &[&str]) -> Option<String> {
    let short = ids.iter().filter_map(|id| id.get(..ID_CHARS));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let short: Vec<_> = short.filter(|id| id.bytes().all(plain)).collect();
    (!short.is_empty()).then(|| format!("container.id in ({})", short.join(",")))
}

/// Whether the job's pod is ready, in a job that the query has found.
pub(crate) fn check_settled(job: &Job<'_>, object: &Value) -> Result<(), Failure> {
    let status = &object["status"];
    if status["ready"].as_u64().unwrap_or(0) > 0 {
        return Ok(());
    }
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let told = conditions.filter_map(|condition| condition["message"].as_str()).find(|told| !told.is_empty());
    let told = told.map_or_else(String::new, |told| format!(": {told}"));
    Err(Failure::other(format!("{job} is not ready{told}")))
}

/// The first pod that runs.
pub(crate) fn running(pods: &[Value]) -> Option<&str> {
    let running = pods.iter().find(|pod| pod["status"]["phase"] == "Running")?;
    running["metadata"]["name"].as_str()
}

pub(crate) fn check_exit(pod: Pod<'_>, exit: &Exit) -> Result<(), Failure> {
    if exit.code == 0 {
        return Ok(());
    }
    Err(Failure::from_exit(format_args!("the sysdig capture of {pod}"), exit))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const POD: Pod<'_> = Pod { namespace: "n", name: "p" };

    fn job() -> Job<'static> {
        Job { pod: POD, namespace: "falco", name: "falco-talon-sysdig-0af76".to_owned() }
    }

    fn parameters(value: Value) -> Parameters {
        serde_json::from_value(value).unwrap()
    }

    fn pod(id: &str) -> Value {
        json!({
            "spec": {"nodeName": "node-1", "containers": [{"name": "web"}]},
            "status": {"containerStatuses": [{"name": "web", "containerID": id}]},
        })
    }

    #[test]
    fn the_command_fits_the_runtime() {
        fn check(id: &str, given: Value, expected: &str) {
            let (object, parameters) = (pod(id), parameters(given));
            let plan = Plan::of(POD, &object, &parameters).unwrap();
            assert_eq!(plan.command(&parameters).join(" "), expected);
        }
        let containerd = "containerd://0123456789abcdef0123";
        check(
            containerd,
            json!({}),
            "sysdig --modern-bpf --cri /run/containerd/containerd.sock -M 5 -s 2048 -z -w - \
             container.id in (0123456789ab)",
        );
        check(
            "cri-o://0123456789abcdef",
            json!({"duration": 20, "buffer_size": 128}),
            "sysdig --modern-bpf --cri /run/crio/crio.sock -M 20 -s 128 -z -w - container.id in (0123456789ab)",
        );
        check(
            "docker://0123456789abcdef",
            json!({"duration": 0, "buffer_size": 0}),
            "sysdig --modern-bpf -M 5 -s 2048 -z -w - container.id in (0123456789ab)",
        );
        check(
            containerd,
            json!({"scope": "node", "cri_socket": "/run/k3s/containerd/containerd.sock"}),
            "sysdig --modern-bpf --cri /run/k3s/containerd/containerd.sock -M 5 -s 2048 -z -w -",
        );
        check("", json!({"scope": "node"}), "sysdig --modern-bpf -M 5 -s 2048 -z -w -");
    }

    #[test]
    fn a_filter_has_ids_only() {
        assert_eq!(
            filter(&["0123456789abcdef", "bbbbbbbbbbbbb"]).unwrap(),
            "container.id in (0123456789ab,bbbbbbbbbbbb)"
        );
        assert_eq!(filter(&["0123", ") or evt.type exists", "éééééééé"]), None);
        assert_eq!(filter(&[]), None);
    }

    #[test]
    fn not_every_pod_can_be_captured() {
        fn check(object: &Value, expected: &str) {
            let parameters = parameters(json!({}));
            let failure = Plan::of(POD, object, &parameters).unwrap_err();
            assert_eq!(failure.message, format!("the pod 'p' in the namespace 'n' {expected}"));
        }
        check(&json!({"spec": {}}), "is not scheduled on a node");
        check(&json!({"spec": {"nodeName": ""}}), "is not scheduled on a node");
        check(
            &pod("containerd://0123"),
            "has no container with an id yet, by which its system calls could be told from others",
        );
    }

    #[test]
    fn states_are_told() {
        fn check(status: &Value, expected: Result<(), &str>) {
            let found = check_settled(&job(), &json!({ "status": status })).map_err(|failure| failure.message);
            let expected = expected.map_err(|rest| {
                format!("the job 'falco-talon-sysdig-0af76' in the namespace 'falco' is not ready{rest}")
            });
            assert_eq!(found, expected);
        }
        check(&json!({"active": 1, "ready": 1}), Ok(()));
        check(&json!({"active": 1, "ready": 0}), Err(""));
        check(&json!({"failed": 1, "conditions": [{"message": "no more attempts"}]}), Err(": no more attempts"));
    }

    #[test]
    fn a_pod_that_runs_is_found() {
        let with = |name: &str, phase: &str| json!({"metadata": {"name": name}, "status": {"phase": phase}});
        assert_eq!(running(&[with("a", "Pending"), with("b", "Running")]), Some("b"));
        assert_eq!(running(&[with("a", "Failed")]), None);
        assert_eq!(running(&[]), None);
    }

    #[test]
    fn a_failed_capture_says_why() {
        fn check(code: i32, stderr: &str, expected: Result<(), &str>) {
            let exit = Exit { code, stdout: Vec::new(), stderr: stderr.into(), truncated: false };
            let found = check_exit(POD, &exit).map_err(|failure| failure.message);
            assert_eq!(found, expected.map_err(str::to_owned));
        }
        check(0, "a warning", Ok(()));
        check(
            1,
            "no BTF\n",
            Err("the sysdig capture of the pod 'p' in the namespace 'n' ended with the exit code 1: no BTF"),
        );
        check(137, "", Err("the sysdig capture of the pod 'p' in the namespace 'n' ended with the exit code 137"));
    }

    #[test]
    fn the_job_is_bounded_in_every_way() {
        let (object, parameters) = (pod("containerd://0123456789abcdef"), parameters(json!({"image": "a:1"})));
        let body = Plan::of(POD, &object, &parameters).unwrap().job(&job(), &parameters);
        expect![[r#"
            {
              "apiVersion": "batch/v1",
              "kind": "Job",
              "metadata": {
                "labels": {
                  "app.kubernetes.io/managed-by": "falco-talon",
                  "app.kubernetes.io/name": "falco-talon-sysdig",
                  "app.kubernetes.io/part-of": "falco-talon"
                },
                "name": "falco-talon-sysdig-0af76",
                "namespace": "falco"
              },
              "spec": {
                "activeDeadlineSeconds": 95,
                "backoffLimit": 0,
                "template": {
                  "metadata": {
                    "labels": {
                      "app.kubernetes.io/managed-by": "falco-talon",
                      "app.kubernetes.io/name": "falco-talon-sysdig",
                      "app.kubernetes.io/part-of": "falco-talon"
                    }
                  },
                  "spec": {
                    "automountServiceAccountToken": false,
                    "containers": [
                      {
                        "command": [
                          "sleep",
                          "95"
                        ],
                        "env": [
                          {
                            "name": "HOST_ROOT",
                            "value": "/host"
                          }
                        ],
                        "image": "a:1",
                        "imagePullPolicy": "IfNotPresent",
                        "name": "falco-talon-sysdig",
                        "resources": {
                          "limits": {
                            "memory": "1Gi"
                          },
                          "requests": {
                            "cpu": "10m",
                            "memory": "64Mi"
                          }
                        },
                        "securityContext": {
                          "allowPrivilegeEscalation": false,
                          "capabilities": {
                            "add": [
                              "BPF",
                              "PERFMON",
                              "SYS_PTRACE",
                              "SYS_RESOURCE"
                            ],
                            "drop": [
                              "ALL"
                            ]
                          },
                          "privileged": false,
                          "runAsNonRoot": false,
                          "runAsUser": 0
                        },
                        "volumeMounts": [
                          {
                            "mountPath": "/host",
                            "name": "host",
                            "readOnly": true
                          }
                        ]
                      }
                    ],
                    "nodeName": "node-1",
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 1,
                    "tolerations": [
                      {
                        "operator": "Exists"
                      }
                    ],
                    "volumes": [
                      {
                        "hostPath": {
                          "path": "/",
                          "type": "Directory"
                        },
                        "name": "host"
                      }
                    ]
                  }
                },
                "ttlSecondsAfterFinished": 60
              }
            }"#]]
        .assert_eq(&format!("{body:#}"));
    }
}
