//! Real events and rule files, from the folder that `FALCO_DATA_DIR` names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rules::{Diagnostic, Document, Event, Severity, Source};

use crate::catalogue::catalogue;

pub(crate) fn files(folder: &str) -> Option<BTreeMap<String, PathBuf>> {
    let Some(data) = std::env::var_os("FALCO_DATA_DIR") else {
        eprintln!("skipped: FALCO_DATA_DIR names no folder");
        return None;
    };
    let entries = fs::read_dir(Path::new(&data).join(folder)).expect("the data folder");
    let file = |path: PathBuf| (path.file_name().expect("a name").to_string_lossy().into_owned(), path);
    Some(entries.map(|entry| file(entry.expect("an entry").path())).collect())
}

#[test]
fn real_events_are_accepted() {
    for (name, path) in files("events").into_iter().flatten() {
        let body = fs::read(path).expect("a file");
        let event = Event::from_json(&body);
        if name == "sidekick-blog-time-with-z-plus-2.json" {
            assert!(event.expect_err(&name).to_string().contains("RFC 3339"));
            continue;
        }
        let event = event.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Event::from_json(event.to_json().as_bytes()).expect(&name), event, "{name}");
        check_nothing_is_lost(&name, &body, &event);
    }
}

/// Every output field is there as sent, down to the digits of its numbers.
fn check_nothing_is_lost(name: &str, body: &[u8], event: &Event) {
    let sent: serde_json::Value = serde_json::from_slice(body).expect(name);
    let fields = sent["output_fields"].as_object().cloned().unwrap_or_default();
    assert_eq!(fields, event.output_fields, "{name}");
}

/// The bodies of `malformed` that are events, however odd. All others must be refused.
const ACCEPTED: &[&str] = &[
    "priority-upper-case.json",
    "priority-info-short.json",
    "tags-null.json",
    "tags-10000.json",
    "time-offset.json",
    "time-no-fraction.json",
    "time-year-9999.json",
    "time-leap-second.json",
    "duplicate-key-case.json",
    "unknown-extra-keys.json",
    "string-2-mib.json",
    "fields-20000.json",
    "key-64-kib.json",
    "number-minus-1e-400.json",
    "number-minus-zero.json",
    "field-name-env-hijack.json",
    "field-name-odd.json",
    "rule-name-crlf.json",
    "rule-name-64-kib.json",
    "output-ansi-escape.json",
    "output-log-forgery.json",
    "output-html-script.json",
    "output-template-and-jndi.json",
    "field-csv-formula.json",
    "hostname-crlf-path.json",
];
const ACCEPTED_PREFIXES: &[&str] = &["pod-name-", "namespace-", "audit-target-", "fd-name-", "remote-"];

#[test]
fn malformed_bodies_are_reported_from_odd_ones() {
    for (name, path) in files("malformed").into_iter().flatten() {
        let expected =
            ACCEPTED.contains(&name.as_str()) || ACCEPTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let event = Event::from_json(&fs::read(path).expect("a file"));
        assert_eq!(event.is_ok(), expected, "{name}: {event:?}");
        match event {
            Ok(event) => {
                assert_eq!(Event::from_json(event.to_json().as_bytes()).expect(&name), event, "{name}");
                let is_absent = ["object", "array", "number", "boolean", "null", "empty"]
                    .iter()
                    .any(|kind| name == format!("pod-name-{kind}.json"));
                assert!(!is_absent || event.pod().is_none(), "{name}");
            }
            Err(error) => assert!(error.to_string().len() < 1000 && !error.to_string().contains('\n'), "{name}"),
        }
    }
}

#[test]
fn the_exact_key_wins() {
    let Some(files) = files("malformed") else {
        return;
    };
    let event = Event::from_json(&fs::read(&files["duplicate-key-case.json"]).expect("a file")).expect("an event");
    let extra = Event::from_json(&fs::read(&files["unknown-extra-keys.json"]).expect("a file")).expect("an event");
    assert_eq!(event.rule, extra.rule);
}

/// Files that are refused, each with what its message must say. All others are valid.
const REFUSED: &[(&str, &str)] = &[
    // No YAML.
    ("builtin-cilium-example-bad-indent.yaml", "wrong syntax"),
    ("builtin-terminate-example-tab.yaml", "wrong syntax"),
    ("docs-rules-syntax-template.yaml", "the key '<string>' is there twice"),
    // Keys that the original ignores.
    (
        "docs-2024-06-actionners-intro.yaml",
        "unknown key 'contexts' in an action block; did you mean 'additional_contexts'?",
    ),
    (
        "docs-actionners-intro-contexts-key.yaml",
        "unknown key 'contexts' in an action block; did you mean 'additional_contexts'?",
    ),
    ("blog-v0-1-0-label-inline-misindented.yaml", "unknown key 'labels' in an action block"),
    ("match-inside-action.yaml", "unknown key 'match' in an action block; it belongs to a rule block"),
    ("rules-inside-action.yaml", "unknown key 'rules' in an action block; it belongs to a rule block"),
    // Actionners of other names.
    ("blog-labelize-quarantine.yaml", "unknown actionner; did you mean 'kubernetes:label'?"),
    ("helm-rules-2024-01.yaml", "unknown actionner; did you mean 'kubernetes:label'?"),
    ("project-rules-2024-01-first-action-blocks.yaml", "unknown actionner; did you mean 'kubernetes:label'?"),
    ("project-rules-2024-03-lambda.yaml", "unknown actionner; did you mean 'kubernetes:label'?"),
    // Parameters that the original ignores.
    ("blog-netpol-allow-param.yaml", "unknown parameter 'allow'; did you mean 'allow_cidr'?"),
    (
        "docs-rules-example-camelcase-params.yaml",
        "unknown parameter 'ignoreDaemonsets'; did you mean 'ignore_daemonsets'?",
    ),
    ("invented-netpol-parameters.yaml", "unknown parameter 'deny_all_ingress'"),
    ("project-rules-head.yaml", "unknown parameter 'force'"),
    ("project-rules-2024-06.yaml", "unknown parameter 'allow'; did you mean 'allow_cidr'?"),
    // The syntax of before 2024.
    ("helm-rules-2023-name-dsl.yaml", "the syntax of before 2024"),
    ("project-rules-2022-01-first.yaml", "the syntax of before 2024"),
    ("project-rules-2022-01-mostly-commented.yaml", "the syntax of before 2024"),
    ("project-rules-2022-01-name-dsl.yaml", "the syntax of before 2024"),
    ("project-rules-2023-04-name-dsl-arguments.yaml", "the syntax of before 2024"),
    ("project-rules-2023-06-name-dsl-reload.yaml", "the syntax of before 2024"),
    ("project-rules-2023-08-name-dsl-terminate.yaml", "the syntax of before 2024"),
    ("project-rules-2023-12-name-dsl-script.yaml", "the syntax of before 2024"),
    // What the original refuses too.
    ("priority-as-map.yaml", "'priority' must be a text, this is a map"),
    ("action-without-name.yaml", "action without a name"),
    ("output-field-value-with-comma.yaml", "incorrect output field key 'f'"),
    ("dry-run-capital-true.yaml", "'dry_run' setting can be 'true' or 'false' only"),
    ("continue-yes.yaml", "'continue' setting can be 'true' or 'false' only"),
    (
        "grace-period-string.yaml",
        "'grace_period_seconds' expected type 'integer', got type 'string'; write it without quotes",
    ),
    ("undefined-action-reference.yaml", "missing actionner; no action block has this name"),
];

/// Action blocks alone, which are valid as such, and what is found in a rule that uses them all.
const REFUSED_ONCE_USED: &[(&str, &str)] = &[
    ("builtin-sysdig-example-2025-01.yaml", "unknown parameter 'snaplen'"),
    ("docs-2024-04-actionners-intro-labelize.yaml", "unknown actionner; did you mean 'kubernetes:label'?"),
    ("docs-delete-tail-lines.yaml", "unknown parameter 'tail_lines'; it takes no parameters"),
    ("docs-download-tail-lines.yaml", "missing parameter 'file'"),
    ("docs-output-gcp-gcs.yaml", "missing parameter 'file'"),
    ("docs-output-local-file.yaml", "missing parameter 'file'"),
    ("docs-output-minio-s3.yaml", "missing parameter 'file'"),
];

fn verdict(files: &[Source]) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let (_, warnings) = Document::parse(files)?.check(&catalogue())?;
    Ok(warnings)
}

fn check_verdict(name: &str, files: &[Source], refused: &[(&str, &str)]) {
    let expected = refused.iter().find(|(file, _)| *file == name).map(|(_, message)| *message);
    match (verdict(files), expected) {
        (Ok(_), None) => {}
        (Err(findings), Some(message)) => {
            let mut errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
            assert!(errors.clone().all(|error| error.position.is_some()), "{name}: {findings:#?}");
            assert!(errors.any(|error| error.message.contains(message)), "{name}: {findings:#?}");
        }
        (verdict, _) => panic!("{name}: {verdict:#?}"),
    }
}

#[test]
fn real_rule_files_are_accepted_or_refused_for_a_named_mistake() {
    let all = [files("talon-rules"), files("talon-rules-patterns")].into_iter().flatten().flatten();
    for (name, path) in all {
        let text = fs::read_to_string(&path).expect("a file");
        let source = Source { path: name.clone(), text };
        check_verdict(&name, std::slice::from_ref(&source), REFUSED);
        if REFUSED.iter().all(|(file, _)| *file != name) {
            check_verdict(&name, &[source.clone(), user_of_all(&source.text)], REFUSED_ONCE_USED);
        }
    }
}

/// A rule that uses every action block of a file.
fn user_of_all(text: &str) -> Source {
    let names = text.lines().filter_map(|line| line.strip_prefix("- action: "));
    let actions: String = names.map(|name| format!("    - action: {name}\n")).collect();
    let rule = format!("- rule: Uses All\n  match: {{rules: [x]}}\n  actions:\n{actions}");
    Source { path: "user.yaml".to_owned(), text: if actions.is_empty() { String::new() } else { rule } }
}

#[test]
fn warnings_tell_of_rules_that_match_more_than_meant() {
    let Some(files) = files("talon-rules-patterns") else {
        return;
    };
    for (name, message) in [
        ("rule-without-match.yaml", "matches every event"),
        ("output-field-not-equal-absent.yaml", "'!=' is true for events without the field too"),
    ] {
        let text = fs::read_to_string(&files[name]).expect("a file");
        let warnings = verdict(&[Source { path: name.to_owned(), text }]).expect(name);
        assert!(warnings.iter().any(|warning| warning.message.contains(message)), "{name}: {warnings:?}");
    }
}
