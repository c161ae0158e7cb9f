//! One actionner's entry, from text.

use std::path::{Component, Path, PathBuf};

use rules::yaml::{Entry, Node};

use super::super::granted::Granted;
use super::super::operator::{Body, GrantedBody};
use super::super::yaml::{Reader, is_true};
use super::value::{one_word, unknown_key};
use super::{functions, http, kubernetes, limits, objects};
use crate::address::{SHOWN_CHARS_MAX, shown};

/// The keys of an entry that say what is granted.
const GRANTED_KEYS: [&str; 6] = ["kubernetes", "artifacts", "functions", "http", "objects", FILES];

/// What the host reads for the actionner, which itself can't ask for it.
const FILES: &str = "files";

/// The keys of an entry.
const KEYS: [&str; 11] = [
    "extends",
    "digest",
    "kubernetes",
    "artifacts",
    "functions",
    "http",
    "objects",
    "files",
    "ungranted",
    "limits",
    "forbidden",
];

/// What stands under the name of an actionner, `what` in messages.
pub(super) fn body(reader: &mut Reader, what: &str, node: Node) -> Option<Body> {
    let mut body = GrantedBody::default();
    let mut forbidden = None;
    let entries = reader.map(node, what)?;
    let count = entries.len();
    for Entry { key, at, value } in entries {
        match &*key {
            "extends" => {
                let says = "leave it out to replace the bundled entry";
                body.extends_bundled = one_word(reader, &value, "extends", "bundled", says).then_some(value.at);
            }
            "digest" => body.digest = digest(reader, value),
            "ungranted" => {
                let says = "leave it out to refuse a component that imports more than it is granted";
                body.denies_ungranted = one_word(reader, &value, "ungranted", "deny", says);
            }
            "limits" => body.limits = limits::limits(reader, value),
            "forbidden" => forbidden = Some(value),
            key if GRANTED_KEYS.contains(&key) => granted(reader, &mut body.granted, key, value),
            _ => unknown_key(reader, &key, &at, &KEYS),
        }
    }
    let Some(forbidden) = forbidden else {
        return Some(Body::Granted(Box::new(body)));
    };
    if !is_true(&forbidden) {
        reader.problem(&forbidden.at, "`forbidden` can only be `true`: leave it out to allow what is granted");
    } else if count > 1 {
        reader.problem(&forbidden.at, format!("{what} is forbidden: no other key can stand beside `forbidden`"));
    }
    Some(Body::Forbidden)
}

/// What a component says that it needs: the keys of an entry that an actionner can ask something by.
pub(super) fn needs(reader: &mut Reader, node: Node) -> Granted {
    let mut needs = Granted::default();
    let keys = GRANTED_KEYS.into_iter().filter(|key| *key != FILES).collect::<Vec<_>>();
    for Entry { key, at, value } in reader.map(node, "a set of grants").unwrap_or_default() {
        if keys.contains(&&*key) {
            granted(reader, &mut needs, &key, value);
        } else {
            unknown_key(reader, &key, &at, &keys);
        }
    }
    needs
}

/// The grants of one key of an entry.
fn granted(reader: &mut Reader, granted: &mut Granted, key: &str, node: Node) {
    match key {
        "kubernetes" => {
            for grant in reader.list(node, "kubernetes") {
                granted.kubernetes.extend(kubernetes::grant(reader, grant));
            }
        }
        "functions" => {
            for grant in reader.list(node, "functions") {
                granted.functions.extend(functions::grant(reader, grant));
            }
        }
        "http" => {
            for grant in reader.list(node, "http") {
                granted.http.extend(http::grant(reader, grant));
            }
        }
        "objects" => granted.objects = objects::grants(reader, node),
        FILES => granted.files = files(reader, node),
        _ => granted.artifacts = artifacts(reader, &node),
    }
}

/// A switch that is off unless it is written, so that `false` can only be a misunderstanding.
fn artifacts(reader: &mut Reader, node: &Node) -> bool {
    let allowed = is_true(node);
    if !allowed {
        reader.problem(&node.at, "`artifacts` can only be `true`: leave it out to forbid them");
    }
    allowed
}

/// Files and directories of the host.
fn files(reader: &mut Reader, node: Node) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for item in reader.list(node, "files") {
        let Some((text, place)) = reader.text(item, "files") else { continue };
        let path = Path::new(&text);
        let is_plain = path.is_absolute() && !path.components().any(|step| step == Component::ParentDir);
        if is_plain && !text.contains(char::is_control) {
            if path.parent().is_none() {
                reader.warning(&place, "whoever writes the rules can name any file, and hand it on: name a directory");
            }
            files.push(path.components().collect());
        } else {
            let text = shown(&text, SHOWN_CHARS_MAX);
            reader.problem(&place, format!("`files`: `{text}`: write absolute paths, without `..`"));
        }
    }
    files
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
