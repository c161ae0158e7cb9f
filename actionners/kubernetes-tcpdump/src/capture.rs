//! The container of a capture, its command, and what their states say.
//!
//! Does not call Kubernetes.

use falco_talon_sdk::exec::Exit;
use falco_talon_sdk::kubernetes::Condition;
use falco_talon_sdk::{Failure, Pod};
use serde_json::{Value, json};

use crate::Parameters;

/// How much longer than the capture the container lives: it has to be found running first.
const MARGIN_S: u32 = 30;

/// What tcpdump ends with itself, what `timeout` makes of that when the time is over, and what a
/// shell's or BusyBox' own says of a program that was interrupted.
const SUCCESSES: [i32; 3] = [0, 124, 130];

/// Refuses what would be a capture of all pods of the node, and of the node itself.
pub(crate) fn check_network(pod: Pod<'_>, object: &Value) -> Result<(), Failure> {
    if object["spec"]["hostNetwork"] == true {
        let why = "uses the network of its node, so that a tcpdump would capture the packets of others";
        return Err(pod.concerned(Failure::rejected(format!("{pod} {why}"))));
    }
    Ok(())
}

/// The patch that adds the container. `target` is the one whose processes it can see.
pub(crate) fn container(name: &str, target: &str, parameters: &Parameters) -> Value {
    let lifetime_s = parameters.duration_s() + MARGIN_S;
    json!({ "spec": { "ephemeralContainers": [{
        "name": name,
        "image": parameters.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", lifetime_s.to_string()],
        "targetContainerName": target,
        "securityContext": {
            "privileged": false,
            "allowPrivilegeEscalation": false,
            "runAsUser": 0,
            // A pod that must not run as root says so for all its containers.
            "runAsNonRoot": false,
            "capabilities": { "drop": ["ALL"], "add": ["NET_RAW", "NET_ADMIN"] },
        },
    }] } })
}

/// The container has started when it runs, or when it has ended already.
pub(crate) fn started(name: &str) -> [Condition; 2] {
    let state = format!("status.ephemeralContainerStatuses[name={name}].state");
    [Condition::exists(format!("{state}.running")), Condition::exists(format!("{state}.terminated"))]
}

/// Whether the container runs in this pod, and why not.
pub(crate) fn check_started(pod: Pod<'_>, name: &str, object: &Value) -> Result<(), Failure> {
    let statuses = object["status"]["ephemeralContainerStatuses"].as_array().into_iter().flatten();
    let state = statuses.into_iter().find(|status| status["name"] == name).map_or(&Value::Null, |it| &it["state"]);
    if !state["running"].is_null() {
        return Ok(());
    }
    let not_ready = format!("ephemeral container for the tcpdump not ready in {pod}");
    let told = ["terminated", "waiting"].into_iter().find(|key| !state[*key].is_null());
    let told = told.map(|key| &state[key]);
    let words = |key: &str| told.and_then(|told| told[key].as_str()).filter(|words| !words.is_empty());
    let reason: Vec<_> = ["reason", "message"].into_iter().filter_map(words).collect();
    let message = if reason.is_empty() { not_ready } else { format!("{not_ready}: {}", reason.join(": ")) };
    Err(pod.concerned(Failure::other(message)))
}

/// Ends by itself, so that nothing goes on in the pod when nobody listens any more.
pub(crate) fn command(parameters: &Parameters) -> Vec<String> {
    let duration_s = parameters.duration_s().to_string();
    let snaplen = parameters.snaplen.to_string();
    let timeout = ["timeout", "-s", "INT", duration_s.as_str()];
    let tcpdump = ["tcpdump", "-n", "-U", "-i", "any", "-s", snaplen.as_str(), "-w", "-"];
    timeout.into_iter().chain(tcpdump).map(str::to_owned).collect()
}

pub(crate) fn check_exit(pod: Pod<'_>, exit: &Exit) -> Result<(), Failure> {
    if SUCCESSES.contains(&exit.code) {
        return Ok(());
    }
    Err(pod.concerned(Failure::from_exit(format_args!("the tcpdump of {pod}"), exit)))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const POD: Pod<'_> = Pod { namespace: "n", name: "p" };

    fn parameters(value: Value) -> Parameters {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_container_may_capture_and_no_more() {
        let body = container("falco-talon-tcpdump-0af76", "web", &parameters(json!({"duration": 10, "image": "a:1"})));
        expect![[r#"
            {
              "spec": {
                "ephemeralContainers": [
                  {
                    "command": [
                      "sleep",
                      "40"
                    ],
                    "image": "a:1",
                    "imagePullPolicy": "IfNotPresent",
                    "name": "falco-talon-tcpdump-0af76",
                    "securityContext": {
                      "allowPrivilegeEscalation": false,
                      "capabilities": {
                        "add": [
                          "NET_RAW",
                          "NET_ADMIN"
                        ],
                        "drop": [
                          "ALL"
                        ]
                      },
                      "privileged": false,
                      "runAsNonRoot": false,
                      "runAsUser": 0
                    },
                    "targetContainerName": "web"
                  }
                ]
              }
            }"#]]
        .assert_eq(&format!("{body:#}"));
    }

    #[test]
    fn the_command_ends_by_itself() {
        fn check(given: Value, expected: &str) {
            assert_eq!(command(&parameters(given)).join(" "), expected);
        }
        check(json!({}), "timeout -s INT 5 tcpdump -n -U -i any -s 4096 -w -");
        check(json!({"duration": 10, "snaplen": 1024}), "timeout -s INT 10 tcpdump -n -U -i any -s 1024 -w -");
        check(json!({"duration": 0, "snaplen": 0}), "timeout -s INT 5 tcpdump -n -U -i any -s 0 -w -");
    }

    #[test]
    fn the_network_of_a_node_is_not_captured() {
        assert_eq!(check_network(POD, &json!({"spec": {"containers": []}})), Ok(()));
        assert_eq!(check_network(POD, &json!({"spec": {"hostNetwork": false}})), Ok(()));
        let failure = check_network(POD, &json!({"spec": {"hostNetwork": true}})).unwrap_err();
        let expected = "the pod 'p' in the namespace 'n' uses the network of its node, \
                        so that a tcpdump would capture the packets of others";
        assert_eq!(failure.message, expected);
    }

    #[test]
    fn what_keeps_it_from_starting_is_told() {
        fn check(state: Value, expected: Result<(), &str>) {
            let other = json!({"name": "other", "state": {"running": {}}});
            let object = json!({"status": {"ephemeralContainerStatuses": [other, {"name": "dump", "state": state}]}});
            let found = check_started(POD, "dump", &object).map_err(|failure| failure.message);
            let expected = expected.map_err(|rest| {
                format!("ephemeral container for the tcpdump not ready in the pod 'p' in the namespace 'n'{rest}")
            });
            assert_eq!(found, expected);
        }
        check(json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}), Ok(()));
        check(json!({"running": {}}), Ok(()));
        check(
            json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}}),
            Err(": ErrImagePull: no such image"),
        );
        check(json!({"terminated": {"reason": "Completed", "exitCode": 0}}), Err(": Completed"));
        check(json!({"waiting": {}}), Err(""));
        check(json!({}), Err(""));
        assert!(check_started(POD, "dump", &Value::Null).is_err());
    }

    #[test]
    fn the_end_of_the_time_is_a_success() {
        fn check(code: i32, stderr: &str, expected: Result<(), &str>) {
            let exit = Exit { code, stdout: Vec::new(), stderr: stderr.into(), truncated: false };
            let found = check_exit(POD, &exit).map_err(|failure| failure.message);
            assert_eq!(found, expected.map_err(str::to_owned));
        }
        check(0, "5 packets captured", Ok(()));
        check(124, "", Ok(()));
        check(130, "", Ok(()));
        let said = "the tcpdump of the pod 'p' in the namespace 'n' ended with the exit code 1: no permission";
        check(1, "no permission\n", Err(said));
        check(127, "", Err("the tcpdump of the pod 'p' in the namespace 'n' ended with the exit code 127"));
    }

    #[test]
    fn the_conditions_are_for_one_container() {
        let state = "status.ephemeralContainerStatuses[name=dump].state";
        let expected = [format!("{state}.running"), format!("{state}.terminated")];
        assert_eq!(started("dump"), expected.map(Condition::exists));
    }
}
