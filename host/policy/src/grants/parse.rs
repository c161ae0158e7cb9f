//! From the text of a policy file to checked values, with every problem that it has.

mod functions;
mod http;
mod kubernetes;
mod objects;
mod value;

use rules::ActionnerName;
use rules::yaml::{Content, Entry, Node};

use super::granted::Granted;
use super::limits::NamedLimits;
use super::operator::{Body, EntryAsWritten, OperatorPolicy};
use super::pattern::Pattern;
use super::problem::PolicyError;
use super::yaml::{Reader, is_true};
use crate::address::{SHOWN_CHARS_MAX, shown};
use value::unknown_key;

/// The keys of an entry.
const ENTRY_KEYS: [&str; 8] =
    ["digest", "kubernetes", "artifacts", "functions", "http", "objects", "limits", "forbidden"];

/// Read an operator's file.
pub(super) fn operator(file: &str, text: &str) -> Result<OperatorPolicy, Vec<PolicyError>> {
    let mut reader = Reader::default();
    let mut policy = OperatorPolicy::default();
    let root = reader.document(file, text);
    // A file with nothing but comments changes nothing.
    let root = root.filter(|root| !root.is_null());
    for Entry { key, at, value } in root.and_then(|root| reader.map(root, "the policy")).unwrap_or_default() {
        match &*key {
            "protected" => policy.protected_namespaces = protected(&mut reader, value),
            "limits" => policy.limits = limits(&mut reader, value),
            "actionners" => policy.entries = actionners(&mut reader, value),
            _ => unknown_key(&mut reader, &key, &at, &["protected", "limits", "actionners"]),
        }
    }
    reader.finish(policy)
}

/// Read the body of one entry, as it lies beside a bundled actionner.
pub(super) fn entry(file: &str, text: &str) -> Result<Body, Vec<PolicyError>> {
    let mut reader = Reader::default();
    let Some(node) = reader.document(file, text) else {
        return reader.finish(Body::default());
    };
    let at = node.at.clone();
    let body = entry_body(&mut reader, file, node).unwrap_or_default();
    if matches!(body, Body::Forbidden) {
        reader.problem(&at, "a bundled policy can't forbid its actionner");
    }
    reader.finish(body)
}

fn protected(reader: &mut Reader, node: Node) -> Option<Vec<Pattern>> {
    let mut namespaces = None;
    for Entry { key, at, value } in reader.map(node, "`protected`")? {
        match &*key {
            // Here alone an empty list means something: not even `kube-system` is protected.
            "namespaces" if matches!(&value.content, Content::List(list) if list.is_empty()) => {
                namespaces = Some(Vec::new());
            }
            "namespaces" => namespaces = Some(value::namespaces(reader, value)),
            _ => unknown_key(reader, &key, &at, &["namespaces"]),
        }
    }
    namespaces
}

fn limits(reader: &mut Reader, node: Node) -> NamedLimits {
    let mut named = NamedLimits::default();
    for Entry { key, at, value } in reader.map(node, "`limits`").unwrap_or_default() {
        if !NamedLimits::KEYS.contains(&&*key) {
            unknown_key(reader, &key, &at, &NamedLimits::KEYS);
            continue;
        }
        if let Some((text, place)) = reader.scalar(value, &key)
            && let Err(message) = named.set(&key, &text)
        {
            reader.problem(&place, format!("`{key}`: {message}"));
        }
    }
    named
}

fn actionners(reader: &mut Reader, node: Node) -> Vec<EntryAsWritten> {
    let mut entries = Vec::new();
    for Entry { key, at, value } in reader.map(node, "`actionners`").unwrap_or_default() {
        let what = format!("`{}`", shown(&key, SHOWN_CHARS_MAX));
        let name = key.parse::<ActionnerName>();
        if let Err(error) = &name {
            reader.problem(&at, format!("{what} is not the name of an actionner: {error}"));
        }
        if let (Some(body), Ok(name)) = (entry_body(reader, &what, value), name) {
            entries.push(EntryAsWritten { position: at, name, body });
        }
    }
    entries
}

fn entry_body(reader: &mut Reader, what: &str, node: Node) -> Option<Body> {
    let (mut digest, mut granted, mut named) = (None, Granted::default(), NamedLimits::default());
    let mut forbidden = None;
    let entries = reader.map(node, what)?;
    let count = entries.len();
    for Entry { key, at, value } in entries {
        match &*key {
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
            _ => unknown_key(reader, &key, &at, &ENTRY_KEYS),
        }
    }
    let Some(forbidden) = forbidden else {
        return Some(Body::Granted { digest, granted: Box::new(granted), limits: named });
    };
    if !is_true(&forbidden) {
        reader.problem(&forbidden.at, "`forbidden` can only be `true`: leave it out to allow what is granted");
    } else if count > 1 {
        reader.problem(&forbidden.at, format!("{what} is forbidden: no other key can stand beside `forbidden`"));
    }
    Some(Body::Forbidden)
}

/// A switch that is off unless it is written, so that `false` can only be a misunderstanding.
fn artifacts(reader: &mut Reader, node: &Node) -> bool {
    let allowed = is_true(node);
    if !allowed {
        reader.problem(&node.at, "`artifacts` can only be `true`: leave it out to forbid them");
    }
    allowed
}

fn digest(reader: &mut Reader, node: Node) -> Option<String> {
    let (text, place) = reader.text(node, "digest")?;
    let hex = text.strip_prefix("sha256:").unwrap_or("");
    let valid = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !valid {
        reader.problem(
            &place,
            "`digest` must be `sha256:` and 64 hexadecimal digits in lower case: `falco-talon actionners inspect FILE` shows it",
        );
        return None;
    }
    Some(text)
}
