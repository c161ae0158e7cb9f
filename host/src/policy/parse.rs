//! From the text of a policy file to checked values, with every problem that it has.

mod outside;

use serde_saphyr::{Location, Spanned};

use super::field::{FieldPath, Segment};
use super::grant::{KubernetesGrant, Pattern, Scope, Verb};
use super::limits::NamedLimits;
use super::resource::ResourceName;
use super::yaml::{Node, Reader, Value, valid_names};
use super::{Body, EntryAsWritten, Granted, OperatorPolicy, PolicyError};
use crate::decide::{NAMESPACE_BYTES_MAX, SHOWN_CHARS_MAX, shown};

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

fn unknown_key(reader: &mut Reader, key: &Spanned<String>, valid: &[&str]) {
    let name = shown(&key.value, SHOWN_CHARS_MAX);
    reader.problem(key.referenced, format!("`{name}` is not a key here{}", valid_names(&key.value, valid)));
}

fn protected(reader: &mut Reader, node: Node) -> Option<Vec<Pattern>> {
    let mut namespaces = None;
    for (key, value) in reader.map(node, "`protected`")? {
        match key.value.as_str() {
            // Here alone an empty list means something: not even `kube-system` is protected.
            "namespaces" if matches!(&value.value, Value::List(list) if list.is_empty()) => {
                namespaces = Some(Vec::new());
            }
            "namespaces" => namespaces = Some(self::namespaces(reader, value)),
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
                    granted.kubernetes.extend(self::grant(reader, grant));
                }
            }
            "artifacts" => granted.artifacts = artifacts(reader, &value),
            "functions" => {
                for grant in reader.list(value, "functions") {
                    granted.functions.extend(outside::function(reader, grant));
                }
            }
            "http" => {
                for grant in reader.list(value, "http") {
                    granted.http.extend(outside::http(reader, grant));
                }
            }
            "objects" => granted.objects = outside::objects(reader, value),
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

fn grant(reader: &mut Reader, node: Node) -> Option<KubernetesGrant> {
    const KEYS: [&str; 6] = ["verbs", "resources", "scope", "namespaces", "names", "fields"];
    let place = node.referenced;
    let before = reader.problem_count();
    let (mut verbs, mut resources, mut scope) = (None, None, Scope::default());
    let (mut namespaces, mut names, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in reader.map(node, "a grant")? {
        match key.value.as_str() {
            "verbs" => verbs = Some(self::verbs(reader, value)),
            "resources" => resources = Some(items(reader, value, "resources")),
            "scope" => scope = self::scope(reader, value).unwrap_or_default(),
            "namespaces" => namespaces = self::namespaces(reader, value),
            "names" => names = items(reader, value, "names"),
            "fields" => fields = self::fields(reader, value),
            _ => unknown_key(reader, &key, &KEYS),
        }
    }
    for (key, missing) in [("verbs", verbs.is_none()), ("resources", resources.is_none())] {
        if missing {
            reader.problem(place, format!("`{key}` is missing: a grant names what it allows"));
        }
    }
    let grant = KubernetesGrant { verbs: verbs?, resources: resources?, scope, namespaces, names, fields };
    // What is already wrong would only be reported a second time, in other words.
    if reader.problem_count() == before
        && let Err(message) = check_keys_agree(&grant)
    {
        reader.problem(place, message);
    }
    Some(grant)
}

/// A combination of keys that could never allow anything, or seems to say more than it does,
/// is a mistake of the writer, and better said than kept.
fn check_keys_agree(grant: &KubernetesGrant) -> Result<(), String> {
    if let Some(verb) = grant.verbs.iter().find(|verb| !verb.has_fields())
        && !grant.fields.is_empty()
    {
        return Err(format!(
            "`fields` says nothing about `{verb}`: put create, update and patch into a grant of their own"
        ));
    }
    // The host itself makes what it posts to a subresource, an eviction for example.
    let has_body = |resource: &ResourceName| resource.subresource.is_none();
    let needs_fields = grant.verbs.iter().find(|verb| match verb {
        Verb::Create => grant.resources.iter().any(has_body),
        Verb::Update | Verb::Patch => true,
        Verb::Get | Verb::List | Verb::Delete => false,
    });
    if let Some(verb) = needs_fields
        && grant.fields.is_empty()
    {
        return Err(format!(
            "`fields` is missing: `{verb}` may touch only the fields that a grant names, such as `fields: [metadata.labels]`"
        ));
    }
    let is_exec = |resource: &ResourceName| resource.subresource.as_deref() == Some("exec");
    if let Some(verb) = grant.verbs.iter().find(|verb| **verb != Verb::Create)
        && grant.resources.iter().any(is_exec)
    {
        return Err(format!("`{verb}` says nothing about `pods/exec`: to run a command there is `create`"));
    }
    let is_pods = |resource: &ResourceName| resource.group.is_empty() && resource.resource == "pods";
    if grant.verbs.contains(&Verb::List) && grant.scope == Scope::EventNode && !grant.resources.iter().all(is_pods) {
        return Err("`scope: event-node` lists the pods of a node, and nothing else".to_owned());
    }
    if grant.verbs.contains(&Verb::List) {
        if !grant.names.is_empty() {
            return Err("`names` says nothing about `list`, which names no object: put `list` into a grant of its own"
                .to_owned());
        }
        if grant.scope == Scope::EventTarget {
            return Err("`list` names no object, and so none of the event: write `scope: event-namespace` or `scope: any`, in a grant of its own".to_owned());
        }
    }
    Ok(())
}

fn verbs(reader: &mut Reader, node: Node) -> Vec<Verb> {
    let mut verbs = Vec::new();
    for item in reader.list(node, "verbs") {
        let Some((text, place)) = reader.text(item, "verbs") else {
            continue;
        };
        match Verb::ALL.into_iter().find(|verb| verb.name() == text) {
            Some(verb) => verbs.push(verb),
            None => {
                let valid = valid_names(&text, &Verb::ALL.map(Verb::name));
                let text = shown(&text, SHOWN_CHARS_MAX);
                reader.problem(place, format!("`{text}` is not a verb{valid}"));
            }
        }
    }
    verbs
}

fn scope(reader: &mut Reader, node: Node) -> Option<Scope> {
    let (text, place) = reader.text(node, "scope")?;
    let scope = Scope::ALL.into_iter().find(|scope| scope.name() == text);
    if scope.is_none() {
        let valid = valid_names(&text, &Scope::ALL.map(Scope::name));
        let text = shown(&text, SHOWN_CHARS_MAX);
        reader.problem(place, format!("`{text}` is not a scope{valid}"));
    }
    scope
}

fn fields(reader: &mut Reader, node: Node) -> Vec<FieldPath> {
    let mut fields = Vec::new();
    for item in reader.list(node, "fields") {
        let Some((text, place)) = reader.text(item, "fields") else {
            continue;
        };
        match text.parse::<FieldPath>() {
            // All of `metadata` holds the owner references, through which an actionner would
            // choose its own targets.
            Ok(path) if *path.segments() == [Segment::Key("metadata".to_owned())] => {
                reader.problem(place, "`metadata` is too wide: name what in it, such as `metadata.labels`".to_owned());
            }
            Ok(path) => fields.push(path),
            Err(message) => reader.problem(place, message),
        }
    }
    fields
}

fn namespaces(reader: &mut Reader, node: Node) -> Vec<Pattern> {
    let place = node.referenced;
    let patterns: Vec<Pattern> = items(reader, node, "namespaces");
    for pattern in &patterns {
        let text = pattern.to_string();
        // A namespace has no dot in its name, so that such a pattern would match none.
        if text.contains('.') || text.len() > NAMESPACE_BYTES_MAX {
            reader.problem(place, format!("`{text}` can't be the name of a namespace"));
        }
    }
    patterns
}

fn items<T: std::str::FromStr<Err = String>>(reader: &mut Reader, node: Node, key: &str) -> Vec<T> {
    let mut parsed = Vec::new();
    for item in reader.list(node, key) {
        let Some((text, place)) = reader.text(item, key) else {
            continue;
        };
        match text.parse() {
            Ok(item) => parsed.push(item),
            Err(message) => reader.problem(place, message),
        }
    }
    parsed
}
