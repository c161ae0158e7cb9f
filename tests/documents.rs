//! The READMEs: what is generated is up to date, what is shown works, and links lead somewhere.
//! `UPDATE_EXPECT=1` rewrites what is generated.

mod markdown;

use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use host::Arguments;
use host::testing::{ActionLabels, Compat, Config, Metrics, NotificationLabels};
use host::testing::{Format, Level, Logger};
use host::testing::{Loader, Problem};
use host::testing::{catalogue, configuration};
use policy::{Facts, KubernetesRequest, Limits, Policy, Verb, explain};
use regex::Regex;
use rules::Event;

use crate::data::loader;
use crate::hostile::event;
use crate::languages;
use markdown::{Block, Document};

pub(crate) use markdown::root;

/// What the README may have for whoever opens it first.
const README_LINES_MAX: usize = 180;

/// The actionner that the README for authors shows.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/example-http.wasm"));

const METRICS_PREFIX: &str = "falcosecurity_falco_talon_";

fn told(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// A loader of these rule files, with the example for authors among the actionners.
async fn loader_of(folder: &Path, files: &[&str]) -> Loader {
    fs::create_dir(folder.join("actionners")).unwrap();
    fs::write(folder.join("actionners/page.wasm"), PAGE).unwrap();
    fs::write(folder.join("rules.yaml"), "[]").unwrap();
    let mut loader = loader(folder);
    let page = loader.inspect_file(&loader.policy().unwrap(), &folder.join("actionners/page.wasm")).await.unwrap();
    fs::write(folder.join("policy.yaml"), page.policy_entry()).unwrap();
    loader.policy_file = Some(folder.join("policy.yaml"));
    let paths = (1..).map(|number| folder.join(format!("rules-{number}.yaml")));
    loader.rules_files = paths
        .zip(files)
        .map(|(path, text)| {
            fs::write(&path, text).unwrap();
            path
        })
        .collect();
    loader
}

/// The texts of the blocks that are of this kind.
fn texts<'a>(blocks: &'a [Block], info: &str) -> Vec<&'a str> {
    blocks.iter().filter(|block| block.info == info).map(|block| block.text.as_str()).collect()
}

fn is_policy(text: &str) -> bool {
    !text.trim_start().starts_with('-')
}

fn fenced(info: &str, text: &str) -> String {
    format!("```{info}\n{}\n```\n", text.trim_end())
}

#[tokio::test]
async fn the_catalogue_is_what_the_components_say() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), "[]").unwrap();
    let loader = loader(folder.path());
    let (inspections, problems) = loader.inspect(&loader.policy().unwrap(), |_| true).await;
    assert!(problems.is_empty(), "{}", told(&problems));
    let policy = loader.policy().unwrap_or_else(|problems| panic!("{}", told(&problems)));
    Document::read("actionners/README.md").hold(&[catalogue::markdown(&inspections, &policy)]);
}

#[test]
fn configuration_and_metrics_are_those_of_the_host() {
    Document::read("host/README.md").hold(&[configuration::markdown(), metrics()]);
}

#[test]
fn notifiers_are_configured_as_shown() {
    let document = Document::read("notifiers/README.md");
    document.hold(&[configuration::notifiers()]);
    for text in document.sections().iter().flat_map(|blocks| texts(blocks, "yaml configuration")) {
        let loaded = Config::load(Some(Path::new("c.yaml")), &["r.yaml".into()], |_| None, |_| Ok(text.to_owned()));
        let (_, warnings) = loaded.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(warnings.is_empty(), "{text}: {warnings:?}");
    }
}

/// Every metric that has been counted once.
fn metrics() -> String {
    let metrics = Metrics::new("0", 10).unwrap().shown_as(Compat::Singular);
    metrics.event("e", "p", "s");
    metrics.matched("e", "p", "s", "r");
    let labels =
        ActionLabels { action: "a", actionner: "a", event: "e", rule: "r", status: "s", namespace: "n", pod: "p" };
    metrics.action(&labels);
    metrics.output("a", "r", "t", "s");
    metrics.action_took("a", Duration::ZERO);
    metrics.host_call_took("c", Duration::ZERO);
    metrics.denied("a", "c");
    metrics.retried("a");
    metrics.coalesced("a");
    metrics.sandbox_took("a", Duration::ZERO);
    metrics.upload_took("t", Duration::ZERO);
    metrics.gave_up("t");
    let labels = NotificationLabels { action: "a", actionner: "a", notifier: "n", rule: "r", status: "s", target: "t" };
    metrics.notified(&labels, 1);
    metrics.notification_took("n", Duration::ZERO);
    metrics.notifications_waiting("n", 0);
    metrics.notification_given_up("n");
    metrics.notification_dropped("n");
    metrics.places_free("k", 0);
    drop(metrics.running("a"));
    metrics.displaced("k");
    metrics.rejected("r");
    metrics.reloaded(true);
    metrics.check("c", true);
    let text = metrics.render();
    let mut rows = "| metric | type | labels | what it is |\n|---|---|---|---|\n".to_owned();
    let label = Regex::new(r#"([a-z_]+)=""#).unwrap();
    let line = |kind: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("# {kind} {name} ")));
        line.unwrap().to_owned()
    };
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        let is_sample = |line: &&str| line.starts_with(name) && !line.contains("_bucket{");
        let sample = text.lines().find(is_sample).unwrap();
        let labels = label.captures_iter(sample).map(|found| format!("`{}`", &found[1]));
        let labels: Vec<_> = labels.filter(|label| !label.starts_with("`otel_")).collect();
        let (of_type, help) = (line("TYPE", name), line("HELP", name));
        let name = name.strip_prefix(METRICS_PREFIX).unwrap();
        rows.push_str(&format!("| `{name}` | {of_type} | {} | {help} |\n", labels.join(", ")));
    }
    rows
}

#[tokio::test]
async fn examples_of_rules_and_policies_are_right() {
    for document in Document::all() {
        // What is generated, the catalogue's examples among it, is tested where it comes from.
        for blocks in document.sections() {
            let (policies, rules): (Vec<_>, Vec<_>) =
                texts(&blocks, "yaml").into_iter().partition(|text| is_policy(text));
            let folder = tempfile::tempdir().unwrap();
            let mut loader = loader_of(folder.path(), &rules).await;
            let name = &document.name;
            if !rules.is_empty() {
                let loaded = loader.load().await;
                let loaded = loaded.unwrap_or_else(|problems| panic!("{name}: {}\n{rules:?}", told(&problems)));
                assert!(loaded.warnings.is_empty(), "{name}: {}\n{rules:?}", told(&loaded.warnings));
            }
            loader.actionners_dir = None;
            for text in policies {
                fs::write(folder.path().join("policy.yaml"), text).unwrap();
                let policy = loader.policy();
                let policy = policy.unwrap_or_else(|problems| panic!("{name}: {}\n{text}", told(&problems)));
                let problems = loader.check_policy(&policy).await;
                assert!(problems.is_empty(), "{name}: {}\n{text}", told(&problems));
            }
        }
    }
}

#[tokio::test]
async fn rules_are_merged_and_checked_as_the_reference_says() {
    let document = Document::read("rules/README.md");
    let mut expected = Vec::new();
    for blocks in document.sections() {
        let folder = tempfile::tempdir().unwrap();
        let (rules, wrong) = (texts(&blocks, "yaml"), texts(&blocks, "yaml wrong"));
        if rules.len() > 1 {
            let loader = loader_of(folder.path(), &rules).await;
            let merged = loader.document().unwrap_or_else(|problems| panic!("{}", told(&problems)));
            expected.push(fenced("yaml", &merged.to_yaml()));
        }
        for wrong in wrong {
            let folder = tempfile::tempdir().unwrap();
            let loader = loader_of(folder.path(), &[wrong]).await;
            let Err(problems) = loader.load().await else { panic!("it is right") };
            let found = as_logged(&problems).replace(&format!("{}/rules-1", folder.path().display()), "rules");
            expected.push(fenced("text", &found));
        }
    }
    document.hold(&expected);
}

/// The lines of `rules check`, without their times.
fn as_logged(problems: &[Problem]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    let logger = Logger::new(Format::Text, file.reopen().unwrap());
    problems.iter().for_each(|problem| problem.report(&logger, Level::Error));
    logger.line(Level::Fatal, "rules").error(&"invalid rules").write();
    let lines = fs::read_to_string(file.path()).unwrap();
    lines.lines().map(|line| format!("{}\n", line.split_once(' ').unwrap().1)).collect()
}

#[test]
fn limits_and_denials_are_those_of_the_policy() {
    let document = Document::read("host/policy/README.md");
    let sections = document.sections();
    let first = sections.iter().find_map(|blocks| texts(blocks, "yaml").first().copied()).unwrap();
    let policy = Policy::bundled([("kubernetes:label", "{}"), ("kubernetes:terminate", "{}")]).unwrap();
    let policy = policy.with(Policy::parse("policy.yaml", first).unwrap()).unwrap();
    let facts = Facts::of(&Event::from_json(event("shell", "web-0").as_bytes()).unwrap());
    let request = KubernetesRequest {
        verb: Verb::Patch,
        group: "",
        resource: "nodes",
        subresource: None,
        namespace: None,
        name: Some("node-1"),
        fields: &["metadata.labels.suspicious=seen".parse().unwrap()],
        node: None,
    };
    let answer = explain::call("kubernetes:label", &policy.entry("kubernetes:label"), &facts, &request);
    document.hold(&[fenced("yaml", &format!("limits: {}", Limits::default())), fenced("text", &answer)]);
}

#[tokio::test]
async fn the_actionner_for_authors_is_one_that_is_built_and_run() {
    let read = |name: &str| fs::read_to_string(root().join("tests/guests/example-http").join(name)).unwrap();
    let source = read("src/lib.rs");
    let (code, tests) = source.split_once("#[cfg(test)]").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let loader = loader_of(folder.path(), &[]).await;
    let file = folder.path().join("actionners/page.wasm");
    let page = loader.inspect_file(&loader.policy().unwrap(), &file).await.unwrap();
    // It differs with each compiler.
    let entry = page.policy_entry().replace(&page.digest, "sha256:…");
    Document::read("actionners/sdk/README.md").hold(&[
        fenced("rust", code),
        fenced("json", &read("parameters.json")),
        fenced("rust", &format!("#[cfg(test)]{tests}")),
        languages::table(),
        fenced("text", &entry),
    ]);
}

#[test]
fn links_lead_somewhere() {
    let dead = |document: &Document| -> Vec<String> {
        let dead = document.links().into_iter().filter(|link| !document.leads(link));
        dead.map(|link| format!("{}: {link}", document.name)).collect()
    };
    let dead: Vec<_> = Document::all().iter().flat_map(dead).collect();
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn commands_that_are_shown_exist() {
    let recipes = fs::read_to_string(root().join("justfile")).unwrap();
    let is_recipe = |name: &str| recipes.lines().any(|line| line.split([' ', ':']).next() == Some(name));
    for document in Document::all() {
        for code in document.code() {
            let command = code.split(" #").next().unwrap();
            let words: Vec<&str> = command.split_whitespace().collect();
            match words.as_slice() {
                ["just", recipe, ..] => assert!(is_recipe(recipe), "{}: {command}", document.name),
                ["falco-talon", ..] => check_arguments(&words, &document.name),
                _ => {}
            }
        }
    }
}

/// In prose, what an argument is about may be left out.
fn check_arguments(words: &[&str], document: &str) {
    let allowed = [
        ErrorKind::MissingRequiredArgument,
        ErrorKind::MissingSubcommand,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    if let Err(error) = Arguments::try_parse_from(words) {
        assert!(allowed.contains(&error.kind()), "{document}: {words:?}: {error}");
    }
}

#[test]
fn the_first_readme_is_short_and_names_every_room() {
    let readme = Document::read("README.md");
    let lines = readme.text.lines().count();
    assert!(lines <= README_LINES_MAX, "{lines} lines");
    for folder in ["", "host/src/"] {
        for entry in fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_room = entry.path().is_dir() && name != "target" && !name.starts_with('.');
            let shown = format!("`{folder}{name}/`");
            assert!(!is_room || readme.text.contains(&shown), "the README has no line for {shown}");
        }
    }
}
