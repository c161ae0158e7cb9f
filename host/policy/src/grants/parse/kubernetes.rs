//! Grants of the Kubernetes API, from text.

use rules::Position;
use rules::nearest::valid_names;
use rules::yaml::{Content, Entry, Kind, Node};
use serde_json::Number;

use super::super::caution;
use super::super::field::{FieldPath, Segment};
use super::super::fields::{FieldGrant, ValuePattern};
use super::super::kubernetes::{KubernetesGrant, Scope, Verb};
use super::super::yaml::Reader;
use super::value::{self, items, missing, unknown_key};
use crate::address::{ResourceName, SHOWN_CHARS_MAX, shown};

pub(super) fn grant(reader: &mut Reader, node: Node) -> Option<KubernetesGrant> {
    const KEYS: [&str; 6] = ["verbs", "resources", "scope", "namespaces", "names", "fields"];
    let place = node.at.clone();
    let before = reader.problem_count();
    let (mut verbs, mut resources, mut scope) = (None, None, Scope::default());
    let (mut namespaces, mut names, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    for Entry { key, at, value } in reader.map(node, "a grant")? {
        match &*key {
            "verbs" => verbs = Some(self::verbs(reader, value)),
            "resources" => resources = Some(items(reader, value, "resources")),
            "scope" => scope = self::scope(reader, value).unwrap_or_default(),
            "namespaces" => namespaces = value::namespaces(reader, value),
            "names" => names = items(reader, value, "names"),
            "fields" => fields = self::fields(reader, value),
            _ => unknown_key(reader, &key, &at, &KEYS),
        }
    }
    missing(reader, &place, &[("verbs", verbs.is_none()), ("resources", resources.is_none())]);
    let (fields, places): (Vec<FieldGrant>, Vec<Position>) = fields.into_iter().unzip();
    let grant = KubernetesGrant { verbs: verbs?, resources: resources?, scope, namespaces, names, fields };
    // What is already wrong would only be reported a second time, in other words.
    if reader.problem_count() > before {
        return Some(grant);
    }
    if let Err(message) = check_keys_agree(&grant) {
        reader.problem(&place, message);
    }
    caution::of_grant(&grant).into_iter().for_each(|message| reader.warning(&place, message));
    for (field, place) in grant.fields.iter().zip(&places) {
        caution::of_field(&grant.resources, field).into_iter().for_each(|message| reader.warning(place, message));
    }
    Some(grant)
}

/// A combination of keys that could never allow anything, or seems to say more than it does,
/// is a mistake of the writer, and better said than kept.
/// What a wider path allows whatever its value is, no narrower one can take back.
fn check_values_count(fields: &[FieldGrant]) -> Result<(), String> {
    for narrow in fields.iter().filter(|field| !field.values.is_empty()) {
        if let Some(wide) = fields.iter().find(|wide| wide.values.is_empty() && wide.reaches(&narrow.path)) {
            return Err(format!(
                "the `values` of `{}` have no effect beside `{}`, which allows any there: narrow that, or put it into a grant of its own",
                narrow.path, wide.path
            ));
        }
    }
    Ok(())
}

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
    check_values_count(&grant.fields)?;
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
                reader.problem(&place, format!("`{text}` is not a verb{valid}"));
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
        reader.problem(&place, format!("`{text}` is not a scope{valid}"));
    }
    scope
}

/// Paths, or `{path: spec.replicas, values: [0]}`, each with its place.
fn fields(reader: &mut Reader, node: Node) -> Vec<(FieldGrant, Position)> {
    let mut fields = Vec::new();
    for item in reader.list(node, "fields") {
        let place = item.at.clone();
        let field = if matches!(item.content, Content::Map(_)) {
            field(reader, item)
        } else {
            path(reader, item).map(FieldGrant::from)
        };
        fields.extend(field.map(|field| (field, place)));
    }
    fields
}

fn field(reader: &mut Reader, node: Node) -> Option<FieldGrant> {
    let place = node.at.clone();
    let (mut path, mut values) = (None, None);
    for Entry { key, at, value } in reader.map(node, "a field")? {
        match &*key {
            "path" => path = Some(self::path(reader, value)),
            "values" => values = Some(self::values(reader, value)),
            _ => unknown_key(reader, &key, &at, &["path", "values"]),
        }
    }
    missing(reader, &place, &[("path", path.is_none())]);
    if values.is_none() {
        reader.problem(&place, "`values` is missing: to allow any, write the path alone");
    }
    Some(FieldGrant { path: path??, values: values? })
}

fn path(reader: &mut Reader, node: Node) -> Option<FieldPath> {
    let (text, place) = reader.text(node, "fields")?;
    match text.parse::<FieldPath>() {
        // All of `metadata` holds the owner references, through which an actionner would
        // choose its own targets.
        Ok(path) if *path.segments() == [Segment::Key("metadata".to_owned())] => {
            reader.problem(&place, "`metadata` is too wide: name what in it, such as `metadata.labels`");
            None
        }
        Ok(path) => Some(path),
        Err(message) => {
            reader.problem(&place, message);
            None
        }
    }
}

/// Texts, whole numbers and truth values.
fn values(reader: &mut Reader, node: Node) -> Vec<ValuePattern> {
    let mut values = Vec::new();
    for item in reader.list(node, "values") {
        let pattern = match &item.content {
            Content::Scalar(scalar) if scalar.kind == Kind::Text => scalar.text.parse(),
            Content::Scalar(scalar) => {
                let number = || scalar.decimal().and_then(|digits| digits.parse::<Number>().ok());
                let pattern = scalar.boolean().map(ValuePattern::Bool).or_else(|| number().map(ValuePattern::Number));
                pattern.ok_or_else(|| "a value is a text, a number or a truth value".to_owned())
            }
            Content::List(_) | Content::Map(_) => Err("a value is a text, a number or a truth value".to_owned()),
        };
        match pattern {
            Ok(pattern) => values.push(pattern),
            Err(message) => reader.problem(&item.at, message),
        }
    }
    values
}
