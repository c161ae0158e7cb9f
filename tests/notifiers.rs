//! Notices that are sent: to real servers, to one that answers as it is told, and to none.

mod events;
mod mail;
mod requests;
mod searched;

use std::path::{Path, PathBuf};
use std::process::Command;

use host::testing::{Config, Notice, Notifiers, Stage};
use serde_json::Value;

/// The clients of a configuration.
fn notifiers(text: &str, environment: &[(&str, &str)]) -> Notifiers {
    let variable =
        |name: &str| environment.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
    let read = |path: &Path| match path == Path::new("config.yaml") {
        true => Ok(text.to_owned()),
        false => Err(std::io::ErrorKind::NotFound.into()),
    };
    let rules = [PathBuf::from("rules.yaml")];
    let (config, _) = Config::load(Some(Path::new("config.yaml")), &rules, variable, read).unwrap();
    Notifiers::new(&config.notifiers, None, variable)
}

fn notice() -> Notice {
    Notice {
        stage: Stage::Action,
        time: "2024-09-05T12:52:10.819462Z".parse().unwrap(),
        status: "success".to_owned(),
        trace_id: "c954bd8b3391a08f23079552fdd639f3".to_owned(),
        rule: "Größe <x>".to_owned(),
        action: "Label it".to_owned(),
        actionner: "kubernetes:label".to_owned(),
        event: "a shell & more".to_owned(),
        objects: [("namespace", "prod"), ("pod", "web-0")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
        uid: None,
        output: "the pod 'web-0' has been labeled".to_owned(),
        error: String::new(),
        details: String::new(),
        output_target: String::new(),
        group: None,
    }
}

/// What a server answers to curl.
fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["-sS", "--max-time", "60"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn curl_json(arguments: &[&str]) -> Value {
    let answer = curl(arguments);
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {answer}"))
}

/// Events of the cluster need a client of it, and rights there, also where no action does.
#[tokio::test]
async fn a_rule_that_tells_the_cluster_is_known() {
    for (notifiers, expected) in [("[K8sEvents, slack]", true), ("[Slack]", false)] {
        let folder = tempfile::tempdir().unwrap();
        let action = "{action: Tell, actionner: 'kubernetes:label', parameters: {labels: {a: b}}}";
        let action = format!("- {action}\n");
        let rule =
            format!("- rule: r\n  match: {{rules: [x]}}\n  notifiers: {notifiers}\n  actions: [{{action: Tell}}]\n");
        std::fs::write(folder.path().join("rules.yaml"), action + &rule).unwrap();
        let loaded = crate::data::loader(folder.path()).load().await;
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!((loaded.generation.tells_the_cluster, loaded.warnings.len()), (expected, 0));
        assert!(loaded.generation.rules.rules()[0].notifiers.contains(&"slack".to_owned()));
    }
}
