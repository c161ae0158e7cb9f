//! From the text of a policy file to checked values, with every problem that it has.

mod functions;
mod http;
mod kubernetes;
mod objects;
mod value;

use serde_saphyr::Location;

use super::granted::Granted;
use super::limits::NamedLimits;
use super::operator::{Body, EntryAsWritten, OperatorPolicy};
use super::pattern::Pattern;
use super::problem::PolicyError;
use super::yaml::{Node, Reader, Value};
use crate::address::{SHOWN_CHARS_MAX, shown};
use value::unknown_key;

/// The keys of an entry.
const ENTRY_KEYS: [&str; 8] =
    ["digest", "kubernetes", "artifacts", "functions", "http", "objects", "limits", "forbidden"];

/// Read an operator's file.
pub(super) fn operator(file: &str, text: &str) -> Result<OperatorPolicy, Vec<PolicyError>> {
    let mut reader = Reader::new(file);
    let mut policy = OperatorPolicy::default();
    let root = reader.document(text);
    // A file with nothing but comments changes nothing.
    let root = root.filter(|root| !matches!(root.value, Value::Null));
    for (key, value) in root.and_then(|root| reader.map(root, "the policy")).unwrap_or_default() {
        match key.value.as_str() {
            "protected" => policy.protected_namespaces = protected(&mut reader, value),
            "limits" => policy.limits = limits(&mut reader, value),
            "actionners" => policy.entries = actionners(&mut reader, value),
            _ => unknown_key(&mut reader, &key, &["protected", "limits", "actionners"]),
        }
    }
    reader.finish(policy)
}

/// Read the body of one entry, as it lies beside a bundled actionner.
pub(super) fn entry(file: &str, text: &str) -> Result<Body, Vec<PolicyError>> {
    let mut reader = Reader::new(file);
    let body = reader.document(text).and_then(|node| entry_body(&mut reader, file, node));
    match body {
        Some(Body::Forbidden) => {
            reader.problem(Location::UNKNOWN, "a bundled policy can't forbid its actionner".to_owned());
            reader.finish(Body::Forbidden)
        }
        Some(body) => reader.finish(body),
        None => reader.finish(Body::default()),
    }
}

fn protected(reader: &mut Reader, node: Node) -> Option<Vec<Pattern>> {
    let mut namespaces = None;
    for (key, value) in reader.map(node, "`protected`")? {
        match key.value.as_str() {
            // Here alone an empty list means something: not even `kube-system` is protected.
            "namespaces" if matches!(&value.value, Value::List(list) if list.is_empty()) => {
                namespaces = Some(Vec::new());
            }
            "namespaces" => namespaces = Some(value::namespaces(reader, value)),
            _ => unknown_key(reader, &key, &["namespaces"]),
        }
    }
    namespaces
}

fn limits(reader: &mut Reader, node: Node) -> NamedLimits {
    let mut named = NamedLimits::default();
    for (key, value) in reader.map(node, "`limits`").unwrap_or_default() {
        if !NamedLimits::KEYS.contains(&key.value.as_str()) {
            unknown_key(reader, &key, &NamedLimits::KEYS);
            continue;
        }
        if let Some((text, place)) = reader.scalar(value, &key.value)
            && let Err(message) = named.set(&key.value, &text)
        {
            reader.problem(place, format!("`{}`: {message}", key.value));
        }
    }
    named
}

fn actionners(reader: &mut Reader, node: Node) -> Vec<EntryAsWritten> {
    let mut entries = Vec::new();
    for (key, value) in reader.map(node, "`actionners`").unwrap_or_default() {
        if !is_actionner_name(&key.value) {
            let name = shown(&key.value, SHOWN_CHARS_MAX);
            reader.problem(
                key.referenced,
                format!("`{name}` is not the name of an actionner: write `category:name`, such as `kubernetes:label`"),
            );
        }
        let what = format!("`{}`", shown(&key.value, SHOWN_CHARS_MAX));
        if let Some(body) = entry_body(reader, &what, value) {
            entries.push(EntryAsWritten { position: reader.position(key.referenced), name: key.value, body });
        }
    }
    entries
}

/// `category:name` in the characters that a file, a metric and a shell take as they are.
fn is_actionner_name(name: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    name.len() <= 128 && name.split_once(':').is_some_and(|(category, name)| is_word(category) && is_word(name))
}

fn entry_body(reader: &mut Reader, what: &str, node: Node) -> Option<Body> {
    let (mut digest, mut granted, mut named) = (None, Granted::default(), NamedLimits::default());
    let mut forbidden = None;
    let entries = reader.map(node, what)?;
    let count = entries.len();
    for (key, value) in entries {
        match key.value.as_str() {
            "digest" => digest = self::digest(reader, value),
            "kubernetes" => {
                for grant in reader.list(value, "kubernetes") {
                    granted.kubernetes.extend(kubernetes::grant(reader, grant));
                }
            }
            "artifacts" => granted.artifacts = artifacts(reader, &value),
            "functions" => {
                for grant in reader.list(value, "functions") {
                    granted.functions.extend(functions::grant(reader, grant));
                }
            }
            "http" => {
                for grant in reader.list(value, "http") {
                    granted.http.extend(http::grant(reader, grant));
                }
            }
            "objects" => granted.objects = objects::grants(reader, value),
            "limits" => named = limits(reader, value),
            "forbidden" => forbidden = Some(value),
            _ => unknown_key(reader, &key, &ENTRY_KEYS),
        }
    }
    let Some(forbidden) = forbidden else {
        return Some(Body::Granted { digest, granted: Box::new(granted), limits: named });
    };
    if !matches!(forbidden.value, Value::Bool(true)) {
        reader.problem(
            forbidden.referenced,
            "`forbidden` can only be `true`: leave it out to allow what is granted".to_owned(),
        );
    } else if count > 1 {
        reader.problem(forbidden.referenced, format!("{what} is forbidden: no other key can stand beside `forbidden`"));
    }
    Some(Body::Forbidden)
}

/// A switch that is off unless it is written, so that `false` can only be a misunderstanding.
fn artifacts(reader: &mut Reader, node: &Node) -> bool {
    let allowed = matches!(node.value, Value::Bool(true));
    if !allowed {
        reader.problem(node.referenced, "`artifacts` can only be `true`: leave it out to forbid them".to_owned());
    }
    allowed
}

fn digest(reader: &mut Reader, node: Node) -> Option<String> {
    let (text, place) = reader.text(node, "digest")?;
    let hex = text.strip_prefix("sha256:").unwrap_or("");
    let valid = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !valid {
        reader.problem(
            place,
            "`digest` must be `sha256:` and 64 hexadecimal digits in lower case: `falco-talon actionners inspect FILE` shows it".to_owned(),
        );
        return None;
    }
    Some(text)
}
