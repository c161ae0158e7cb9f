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
