//! What the policy says before and after a call, over all cases: `policy explain` answers as the run did, and the line
//! that a denial names allows that call and none beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::{Expect, expect};
use host::testing::Problem;
use policy::{
    Answer, Entry, Facts, Grants, KubernetesRequest, Policy, ResourceName, TouchedField, Verb, Written, answer,
};
use regex::Regex;
use rules::Event;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::cases::{Played, cases, name, play, read};
use crate::data::loader;
use crate::running::text;
use crate::world::World;

/// A request to the Kubernetes API, as the audit record and denials name it.
#[derive(Clone, Debug)]
struct Asked {
    verb: Verb,
    resource: ResourceName,
    namespace: Option<String>,
    name: Option<String>,
    fields: Vec<TouchedField>,
}

impl Asked {
    /// Of `patch apps/deployments shop/web`; none of what is not of the cluster.
    fn parse(text: &str) -> Option<Asked> {
        let words: Vec<&str> = text.split(' ').collect();
        let [verb, resource, place @ ..] = words.as_slice() else { return None };
        let (namespace, name) = match place {
            [] => (None, None),
            ["in", namespace] => (Some(*namespace), None),
            [place] => {
                place.split_once('/').map_or((None, Some(*place)), |(namespace, name)| (Some(namespace), Some(name)))
            }
            _ => return None,
        };
        Some(Asked {
            verb: verb.parse().ok()?,
            resource: resource.parse().ok()?,
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            fields: Vec::new(),
        })
    }

    fn answer(&self, grants: &Grants, facts: &Facts) -> Answer {
        let request = KubernetesRequest {
            verb: self.verb,
            group: &self.resource.group,
            resource: &self.resource.resource,
            subresource: self.resource.subresource.as_deref(),
            namespace: self.namespace.as_deref(),
            name: self.name.as_deref(),
            fields: &self.fields,
            node: None,
        };
        answer(grants, facts, &request)
    }

    fn is_allowed(&self, grants: &Grants, facts: &Facts) -> bool {
        !matches!(self.answer(grants, facts), Answer::Denied { .. })
    }
}

/// What a denial says, of which the rest is for people.
struct Denied {
    actionner: String,
    request: String,
    /// Under which key of the entry the line belongs, and the line.
    proposal: Option<(String, String)>,
}

impl Denied {
    /// Of each of the denials in a text, in their order.
    fn all(text: &str) -> Vec<Denied> {
        let start = Regex::new("`([^` ]+)` may not (.+?): ").unwrap();
        let line =
            Regex::new(r"add (?:under `(\w+):` of|to) `[^`]+` in the policy:\n  (?:- (.+)|(\w+): (.+))").unwrap();
        let starts: Vec<_> = start.captures_iter(text).collect();
        let ends = starts.iter().skip(1).map(|it| it.get(0).unwrap().start()).chain([text.len()]);
        let of = |(found, end): (&regex::Captures<'_>, usize)| {
            let text = &text[found.get(0).unwrap().end()..end];
            let group = |found: &regex::Captures<'_>, at: usize| found.get(at).map(|it| it.as_str().to_owned());
            let proposal = line.captures(text).map(|it| {
                let key = group(&it, 1).or_else(|| group(&it, 3)).unwrap();
                (key, group(&it, 2).or_else(|| group(&it, 4)).unwrap())
            });
            Denied { actionner: found[1].to_owned(), request: found[2].to_owned(), proposal }
        };
        starts.iter().zip(ends).map(of).collect()
    }
}

/// The grants of an entry that has but one line.
fn grants_of(key: &str, line: &str) -> Grants {
    let policy = Policy::bundled([("acme:test", &*format!("{key}: [{line}]"))]);
    let policy = policy.unwrap_or_else(|errors| panic!("{line}: {errors:?}"));
    let Entry::Granted(grants) = policy.entry("acme:test") else { panic!("not granted") };
    (*grants).clone()
}

/// The fields of a line, each with the first of its values.
fn fields_of(grants: &Grants) -> Vec<TouchedField> {
    let field = |grant: &policy::FieldGrant| {
        let value = grant.values.first().map_or_else(|| "x".to_owned(), ToString::to_string);
        format!("{}={value}", grant.path).parse().unwrap()
    };
    grants.granted.kubernetes[0].fields.iter().map(field).collect()
}

/// About how many calls `policy explain` was asked by now.
pub(crate) static ASKED_ABOUT: AtomicUsize = AtomicUsize::new(0);

/// The calls of a case to which `policy explain` answers otherwise than the run did.
pub(crate) fn explained_otherwise(played: &Played) -> Vec<String> {
    let Some(policy) = &played.policy else { return Vec::new() };
    let of = |tag: &'static str| played.lines.iter().filter(move |line| line["message"] == tag);
    let mut wrong = Vec::new();
    for line in of("audit") {
        let Entry::Granted(grants) = policy.entry(text(line, "actionner")) else { continue };
        let event = of("event").find(|event| event["trace_id"] == line["trace_id"]).unwrap();
        let is_it = |it: &&Event| it.rule == text(event, "event") && it.output == text(event, "output");
        let denied = Denied::all(text(line, "error"));
        let is_denied = text(line, "status") == "denied";
        for request in text(line, "request").split(", ") {
            let Some(mut asked) = Asked::parse(request) else { continue };
            let denial = denied.iter().find(|it| is_denied && it.request == request);
            if let Some((key, line)) = denial.and_then(|it| it.proposal.as_ref()) {
                asked.fields = fields_of(&grants_of(key, line));
            }
            let explained: Vec<Answer> =
                played.events.iter().filter(is_it).map(|event| asked.answer(&grants, &Facts::of(event))).collect();
            ASKED_ABOUT.fetch_add(1, Ordering::Relaxed);
            let is_same = |it: &Answer| matches!(it, Answer::Denied { .. }) == denial.is_some();
            if !explained.iter().any(is_same) {
                let status = if denial.is_some() { "denied" } else { "allowed" };
                wrong.push(format!("{request} was {status}, and is explained as {explained:#?}"));
            }
        }
    }
    wrong
}

/// A case as it is, but for lines that are added to its policy.
fn with_lines(case: &Path, denied: &[Denied]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(case).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let mut policy: Value = read(case, "policy.yaml").map_or(json!({}), |text| serde_saphyr::from_str(&text).unwrap());
    for Denied { actionner, proposal, .. } in denied {
        let Some((key, line)) = proposal else { continue };
        // A name that each run makes anew.
        let line: Value = serde_saphyr::from_str(&line.replace("-XXXXX", "-*")).unwrap();
        let entries = policy.as_object_mut().unwrap().entry("actionners").or_insert(json!({}));
        let entry = entries.as_object_mut().unwrap().entry(actionner.as_str()).or_insert(json!({"extends": "bundled"}));
        let entry = entry.as_object_mut().unwrap();
        match line {
            Value::Object(line) => grow(entry, key, line),
            line => drop(entry.insert(key.clone(), line)),
        }
    }
    fs::write(folder.path().join("policy.yaml"), serde_saphyr::to_string(&policy).unwrap()).unwrap();
    folder
}

fn grow(entry: &mut Map<String, Value>, key: &str, line: Map<String, Value>) {
    entry.entry(key).or_insert(json!([])).as_array_mut().unwrap().push(line.into());
}

/// The cases that are denied something which a line could allow.
fn denied_cases() -> Vec<(PathBuf, Vec<Denied>)> {
    let denied = |case: PathBuf| {
        let expected: Value = serde_saphyr::from_str(&read(&case, "expected.yaml")?).unwrap();
        let denials = expected["denials"].as_array().unwrap();
        let denied: Vec<Denied> = denials.iter().flat_map(|it| Denied::all(it.as_str().unwrap())).collect();
        denied.iter().any(|denied| denied.proposal.is_some()).then_some((case, denied))
    };
    let found: Vec<_> = cases().into_iter().filter_map(denied).collect();
    assert!(found.len() > 30, "{}", found.len());
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_of_each_denial_allows_the_call() {
    let mut wrong = Vec::new();
    for (case, denied) in denied_cases() {
        let world = World::simulated(&read(&case, "cluster.yaml").unwrap_or_default());
        let played = play(with_lines(&case, &denied).path(), &world).await;
        let again: Vec<Denied> = played.denials.iter().flat_map(|it| Denied::all(it)).collect();
        let case = name(&case);
        if played.policy.is_none() {
            wrong.push(format!("{case}: the host does not start with the line"));
        }
        for before in denied.iter().filter(|denied| denied.proposal.is_some()) {
            if again.iter().any(|denied| denied.actionner == before.actionner && denied.request == before.request) {
                wrong.push(format!("{case}: {} is denied again: {:#?}", before.request, played.denials));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_line_of_each_denial_allows_no_neighbour_of_the_call() {
    let mut asked_of = 0;
    for (case, denied) in denied_cases() {
        let events = fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path());
        let events = events.filter(|path| name(path).starts_with("event"));
        let facts: Vec<Facts> =
            events.map(|path| Facts::of(&Event::from_json(&fs::read(path).unwrap()).unwrap())).collect();
        for Denied { request, proposal, .. } in denied {
            let Some((key, line)) = proposal.filter(|(key, _)| key == "kubernetes") else { continue };
            let grants = grants_of(&key, &line.replace("XXXXX", "x"));
            let asked = Asked { fields: fields_of(&grants), ..Asked::parse(&request.replace("XXXXX", "x")).unwrap() };
            let is_allowed = |asked: &Asked| facts.iter().any(|facts| asked.is_allowed(&grants, facts));
            // Of the namespace that the host runs in, only the host knows.
            assert!(is_allowed(&asked) || line.contains("host-namespace"), "{}: {line} {asked:?}", name(&case));
            for neighbour in neighbours(&asked, &grants) {
                assert!(!is_allowed(&neighbour), "{}: {line} allows {neighbour:?}", name(&case));
            }
            asked_of += 1;
        }
    }
    assert!(asked_of > 20, "{asked_of}");
}

/// What is said of rules, at the places where it is.
async fn warnings(rules: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let loaded = loader(folder.path()).load().await;
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:?}"));
    let of_rules = loaded.warnings.iter().map(|warning| match warning {
        Problem::Rule(diagnostic) => diagnostic.to_string(),
        other => other.to_string(),
    });
    of_rules.collect::<Vec<_>>().join("\n").replace(&format!("{}/", folder.path().display()), "")
}

#[tokio::test]
async fn rules_that_delete_what_the_policy_does_not_grant_are_warned_of() {
    let rule = |criteria: &str| {
        format!("- rule: R\n  match: {{{criteria}}}\n  actions:\n    - {{action: A, actionner: 'kubernetes:delete'}}\n")
    };
    let check = async |criteria: &str, expected: Expect| expected.assert_eq(&warnings(&rule(criteria)).await);
    check("rules: [K8s Namespace Created]", expect![[r#"
        rules.yaml:4:7: warning: events about `namespaces` or `clusterroles` would be denied, since the policy does not let 'kubernetes:delete' delete them; say by 'ka.target.resource' which events the rule answers, or add under `kubernetes:` of `kubernetes:delete` in the policy:
          - {verbs: [delete], resources: [namespaces], scope: event-target}
          # it also allows any of [namespaces] that an event leads to
          - {verbs: [delete], resources: [rbac.authorization.k8s.io/clusterroles], scope: event-target}
          # it also allows any of [rbac.authorization.k8s.io/clusterroles] that an event leads to rule="R" action="A" actionner="kubernetes:delete""#]]).await;
    check("rules: [Delete it], output_fields: [ka.target.resource=namespaces]", expect![[r#"
        rules.yaml:4:7: warning: events about `namespaces` would be denied, since the policy does not let 'kubernetes:delete' delete them; add under `kubernetes:` of `kubernetes:delete` in the policy:
          - {verbs: [delete], resources: [namespaces], scope: event-target}
          # it also allows any of [namespaces] that an event leads to rule="R" action="A" actionner="kubernetes:delete""#]]).await;
    check("source: k8s_audit, output_fields: ['ka.target.resource in (pods, clusterrolebindings)']", expect![[r#"
        rules.yaml:4:7: warning: events about `clusterrolebindings` would be denied, since the policy does not let 'kubernetes:delete' delete them; add under `kubernetes:` of `kubernetes:delete` in the policy:
          - {verbs: [delete], resources: [rbac.authorization.k8s.io/clusterrolebindings], scope: event-target}
          # it also allows any of [rbac.authorization.k8s.io/clusterrolebindings] that an event leads to rule="R" action="A" actionner="kubernetes:delete""#]])
        .await;
    for quiet in [
        "source: syscall",
        "rules: [Delete it], output_fields: ['ka.target.resource in (pods, secrets, configmaps)']",
        "rules: [Delete it], output_fields: ['ka.target.resource!=namespaces, ka.target.resource!=clusterroles']",
    ] {
        assert_eq!(warnings(&rule(quiet)).await, "", "{quiet}");
    }
}

/// Another name, namespace, resource, verb, field and value.
fn neighbours(asked: &Asked, grants: &Grants) -> Vec<Asked> {
    let another = || Some("another".to_owned());
    let verbs = Verb::ALL.into_iter().filter(|verb| *verb != asked.verb && *verb != Verb::List);
    let mut neighbours: Vec<Asked> = verbs.map(|verb| Asked { verb, name: another(), ..asked.clone() }).collect();
    let verbs =
        Verb::ALL.into_iter().filter(|verb| *verb != asked.verb && (*verb == Verb::List) == asked.name.is_none());
    neighbours.extend(verbs.map(|verb| Asked { verb, ..asked.clone() }));
    let is_of_config = asked.resource.resource == "configmaps";
    let other = if is_of_config { "secrets" } else { "configmaps" };
    neighbours.push(Asked { resource: other.parse().unwrap(), ..asked.clone() });
    if asked.namespace.is_some() {
        neighbours.push(Asked { namespace: another(), ..asked.clone() });
    }
    if asked.name.is_some() {
        neighbours.push(Asked { name: another(), ..asked.clone() });
    }
    if asked.verb.has_fields() && !asked.fields.is_empty() {
        let mut more = asked.clone();
        more.fields.push("another.field=1".parse().unwrap());
        neighbours.push(more);
    }
    // Where the line does not say that it allows any.
    for (at, grant) in grants.granted.kubernetes[0].fields.iter().enumerate().filter(|(_, it)| !it.values.is_empty()) {
        let mut other = asked.clone();
        other.fields[at] = TouchedField { path: grant.path.clone(), written: Written::Values(vec![json!("another")]) };
        neighbours.push(other);
    }
    neighbours
}
