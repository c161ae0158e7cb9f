//! From the text of a policy file to checked values, with every problem that it has.

mod entry;
mod functions;
mod http;
mod kubernetes;
mod limits;
mod objects;
mod value;

use rules::yaml::{Content, Entry, Kind, Node};
use rules::{ActionnerName, Position};

use super::granted::Granted;
use super::operator::{Body, EntryAsWritten, OperatorPolicy};
use super::pattern::Pattern;
use super::problem::PolicyError;
use super::yaml::Reader;
use crate::address::{SHOWN_CHARS_MAX, shown};
use value::unknown_key;

/// The version of the language that is read here.
pub(super) const VERSION: &str = "1";

/// Read an operator's file.
pub(super) fn operator(file: &str, text: &str) -> Result<OperatorPolicy, Vec<PolicyError>> {
    let mut reader = Reader::default();
    let mut policy = OperatorPolicy::default();
    let root = reader.document(file, text);
    // A file with nothing but comments changes nothing.
    let root = root.filter(|root| !root.is_null());
    let entries = root.and_then(|root| reader.map(root, "the policy")).unwrap_or_default();
    // What another version says would be wrong here, word by word, and for another reason.
    if let Some(other) = entries.iter().find(|it| &*it.key == "version").and_then(|it| other_version(&it.value)) {
        return Err(vec![other]);
    }
    for Entry { key, at, value } in entries {
        match &*key {
            "version" => {}
            "protected" => policy.protected_namespaces = protected(&mut reader, value),
            "unprotected" => policy.unprotected_namespaces = unprotected(&mut reader, value),
            "limits" => policy.limits = limits::limits(&mut reader, value),
            "actionners" => policy.entries = actionners(&mut reader, value),
            _ => unknown_key(&mut reader, &key, &at, &["version", "protected", "unprotected", "limits", "actionners"]),
        }
    }
    policy.warnings = reader.take_warnings();
    reader.finish(policy)
}

/// What is wrong with a version that is not the one read here.
fn other_version(node: &Node) -> Option<PolicyError> {
    let integer = match &node.content {
        Content::Scalar(scalar) if scalar.kind == Kind::Integer => scalar.decimal(),
        Content::Scalar(_) | Content::List(_) | Content::Map(_) => None,
    };
    let message = match integer.as_deref() {
        Some(VERSION) => return None,
        Some(version) if !version.starts_with('-') && version != "0" => {
            format!("a later falco-talon reads version {version} of the policy; this one reads version {VERSION}")
        }
        Some(version) => {
            format!("there is no version {version} of the policy; this falco-talon reads version {VERSION}")
        }
        None => format!("`version` must be an integer: this falco-talon reads `version: {VERSION}`"),
    };
    Some(PolicyError { position: node.at.clone(), message })
}

/// Read the body of one entry, as it lies beside a bundled actionner.
pub(super) fn entry(file: &str, text: &str) -> Result<Body, Vec<PolicyError>> {
    let mut reader = Reader::default();
    let Some(node) = reader.document(file, text) else {
        return reader.finish(Body::default());
    };
    let at = node.at.clone();
    let body = entry::body(&mut reader, file, node).unwrap_or_default();
    match &body {
        Body::Forbidden => reader.problem(&at, "a bundled policy can't forbid its actionner"),
        Body::Granted(body) => {
            if let Some(at) = &body.extends_bundled {
                reader.problem(at, "a bundled policy has no other to extend");
            }
        }
    }
    reader.finish(body)
}

/// Read what a component says that a set of its parameters needs.
pub(super) fn needs(json: &str) -> Result<Granted, Vec<PolicyError>> {
    let mut reader = Reader::default();
    // Every JSON text is one in YAML.
    let needs = reader.document("needs", json).map(|node| entry::needs(&mut reader, node)).unwrap_or_default();
    reader.finish(needs)
}

fn protected(reader: &mut Reader, node: Node) -> Vec<Pattern> {
    let mut namespaces = Vec::new();
    for Entry { key, at, value } in reader.map(node, "`protected`").unwrap_or_default() {
        match &*key {
            // In version 0.1.0, this meant what is now written out.
            "namespaces" if matches!(&value.content, Content::List(list) if list.is_empty()) => reader.problem(
                &value.at,
                "`protected` adds to what is protected, so that an empty list says nothing: leave it out, or to allow \
                 writes in kube-system, write at the top of the file:\n  unprotected: {namespaces: [kube-system]}",
            ),
            "namespaces" => namespaces = value::namespaces(reader, value),
            _ => unknown_key(reader, &key, &at, &["namespaces"]),
        }
    }
    namespaces
}

fn unprotected(reader: &mut Reader, node: Node) -> Vec<(Pattern, Position)> {
    let mut namespaces = Vec::new();
    for Entry { key, at, value } in reader.map(node, "`unprotected`").unwrap_or_default() {
        match &*key {
            "namespaces" => namespaces = value::placed(reader, value, "namespaces"),
            _ => unknown_key(reader, &key, &at, &["namespaces"]),
        }
    }
    namespaces
}

fn actionners(reader: &mut Reader, node: Node) -> Vec<EntryAsWritten> {
    let mut entries = Vec::new();
    for Entry { key, at, value } in reader.map(node, "`actionners`").unwrap_or_default() {
        let what = format!("`{}`", shown(&key, SHOWN_CHARS_MAX));
        let name = key.parse::<ActionnerName>();
        if let Err(error) = &name {
            reader.problem(&at, format!("{what} is not the name of an actionner: {error}"));
        }
        if let (Some(body), Ok(name)) = (entry::body(reader, &what, value), name) {
            entries.push(EntryAsWritten { position: at, name, body });
        }
    }
    entries
}
