//! Grants of what lies outside of the cluster: functions, addresses of the web, buckets.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use serde_saphyr::{Location, Spanned};

use super::super::function_grant::{FunctionGrant, FunctionPattern, Provider};
use super::super::http_grant::{HeaderSource, HttpGrant, Method, is_of_the_connection};
use super::super::object_grant::{ObjectGrant, ObjectTarget, ObjectVerb, check_bucket, check_key, check_label};
use super::super::yaml::{Node, Reader, Value, valid_names};
use super::unknown_key;
use crate::decide::{SHOWN_CHARS_MAX, WebAddress, shown};

/// One of a closed set of words.
fn word<T: Copy>(reader: &mut Reader, node: Node, key: &str, all: &[T], name: fn(T) -> &'static str) -> Option<T> {
    let (text, place) = reader.text(node, key)?;
    let found = all.iter().copied().find(|it| name(*it) == text);
    if found.is_none() {
        let names: Vec<&str> = all.iter().map(|it| name(*it)).collect();
        let valid = valid_names(&text, &names);
        let text = shown(&text, SHOWN_CHARS_MAX);
        reader.problem(place, format!("`{text}` is not one of `{key}`{valid}"));
    }
    found
}

fn words<T: Copy>(reader: &mut Reader, node: Node, key: &str, all: &[T], name: fn(T) -> &'static str) -> Vec<T> {
    let items = reader.list(node, key);
    items.into_iter().filter_map(|item| word(reader, item, key, all, name)).collect()
}

/// A text that `check` finds nothing wrong with.
fn checked(
    reader: &mut Reader,
    node: Node,
    key: &str,
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> Option<String> {
    let (text, place) = reader.text(node, key)?;
    match check(&text) {
        Ok(()) => Some(text),
        Err(reason) => {
            reader.problem(place, format!("`{key}`: `{}`: {reason}", shown(&text, SHOWN_CHARS_MAX)));
            None
        }
    }
}

fn missing(reader: &mut Reader, place: Location, keys: &[(&str, bool)]) {
    for (key, _) in keys.iter().filter(|(_, is_missing)| *is_missing) {
        reader.problem(place, format!("`{key}` is missing: a grant names what it allows"));
    }
}

/// `{provider: aws, names: [respond]}`.
pub(super) fn function(reader: &mut Reader, node: Node) -> Option<FunctionGrant> {
    let place = node.referenced;
    let (mut provider, mut is_named, mut names, mut locations) = (None, false, None, None);
    for (key, value) in reader.map(node, "a grant")? {
        match key.value.as_str() {
            "provider" => {
                is_named = true;
                provider = word(reader, value, "provider", &Provider::ALL, Provider::name);
            }
            "names" => names = Some(value),
            "locations" => locations = Some(value),
            _ => unknown_key(reader, &key, &["provider", "names", "locations"]),
        }
    }
    missing(reader, place, &[("provider", !is_named)]);
    let provider = provider?;
    let names = names.map(|node| patterns(reader, node, "names", |name| provider.check_name(name)));
    if let Some(locations) = locations.as_ref().filter(|_| provider == Provider::Aws) {
        let message = "`locations` are those of Google: a function of Lambda lies in the region of the host";
        reader.problem(locations.referenced, message.to_owned());
    }
    let locations = locations.map(|node| patterns(reader, node, "locations", Provider::check_location));
    Some(FunctionGrant { provider, names: names.unwrap_or_default(), locations: locations.unwrap_or_default() })
}

fn patterns(
    reader: &mut Reader,
    node: Node,
    key: &str,
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> Vec<FunctionPattern> {
    let mut patterns = Vec::new();
    for item in reader.list(node, key) {
        let Some((text, place)) = reader.text(item, key) else { continue };
        match FunctionPattern::parse(&text, &check) {
            Ok(pattern) => patterns.push(pattern),
            Err(message) => reader.problem(place, message),
        }
    }
    patterns
}

/// `{url: https://hooks.acme.example/falco/, methods: [POST], headers: {Authorization: {env: ACME_TOKEN}}}`.
pub(super) fn http(reader: &mut Reader, node: Node) -> Option<HttpGrant> {
    let place = node.referenced;
    let (mut url, mut methods, mut headers) = (None, None, Vec::new());
    for (key, value) in reader.map(node, "a grant")? {
        match key.value.as_str() {
            "url" => url = Some(self::url(reader, value)),
            "methods" => methods = Some(words(reader, value, "methods", &Method::ALL, Method::name)),
            "headers" => headers = self::headers(reader, value),
            _ => unknown_key(reader, &key, &["url", "methods", "headers"]),
        }
    }
    missing(reader, place, &[("url", url.is_none()), ("methods", methods.is_none())]);
    Some(HttpGrant { url: url??, methods: methods?, headers })
}

fn url(reader: &mut Reader, node: Node) -> Option<WebAddress> {
    let (text, place) = reader.text(node, "url")?;
    let wrong = match WebAddress::parse(&text) {
        Err(error) => error.to_string(),
        Ok(url) if url.has_query() => "a grant ends with the path: leave out what follows the `?`".to_owned(),
        Ok(url) => match url.out_of_reach() {
            None => return Some(url),
            Some(place) => format!("it leads to {place}, which no grant can allow"),
        },
    };
    reader.problem(place, format!("`url`: {wrong}"));
    None
}

fn headers(reader: &mut Reader, node: Node) -> Vec<(String, HeaderSource)> {
    let mut headers: Vec<(String, HeaderSource)> = Vec::new();
    for (name, value) in reader.map(node, "`headers`").unwrap_or_default() {
        let written = shown(&name.value, SHOWN_CHARS_MAX);
        if name.value.parse::<HeaderName>().is_err() {
            reader.problem(name.referenced, format!("`{written}` is not the name of a header"));
        } else if is_of_the_connection(&name.value) {
            reader.problem(name.referenced, format!("`{written}` belongs to the connection, which is the host's"));
        } else if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name.value)) {
            reader.problem(name.referenced, format!("`{written}` is written twice"));
        }
        if let Some(source) = header(reader, &name, value) {
            headers.push((name.value, source));
        }
    }
    headers
}

/// A text, `{env: X}` or `{file: /path}`.
fn header(reader: &mut Reader, name: &Spanned<String>, node: Node) -> Option<HeaderSource> {
    let what = format!("`{}`", shown(&name.value, SHOWN_CHARS_MAX));
    if let Value::Text(text) = node.value {
        let valid = HeaderValue::from_str(&text).is_ok();
        if !valid {
            reader.problem(node.referenced, format!("{what} can't be sent: no line breaks and control characters"));
        }
        return valid.then_some(HeaderSource::Text(text));
    }
    let place = node.referenced;
    let mut sources = Vec::new();
    if !matches!(node.value, Value::Map(_)) {
        reader.problem(place, format!("{what} is a text in quotes, `{{env: NAME}}` or `{{file: /path}}`"));
        return None;
    }
    for (key, value) in reader.map(node, &what)? {
        match key.value.as_str() {
            "env" => sources.extend(reader.text(value, "env").map(|(name, _)| HeaderSource::Env(name))),
            "file" => sources.extend(file(reader, value)),
            _ => unknown_key(reader, &key, &["env", "file"]),
        }
    }
    if sources.len() != 1 {
        reader.problem(place, format!("{what} is a text, `{{env: NAME}}` or `{{file: /path}}`"));
    }
    sources.pop()
}

fn file(reader: &mut Reader, node: Node) -> Option<HeaderSource> {
    let (text, place) = reader.text(node, "file")?;
    let path = PathBuf::from(&text);
    if !path.is_absolute() {
        reader.problem(place, "`file` must be an absolute path".to_owned());
        return None;
    }
    Some(HeaderSource::File(path))
}

/// `{label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [get, put]}`.
fn object(reader: &mut Reader, node: Node) -> Option<ObjectGrant> {
    let place = node.referenced;
    let (mut label, mut target, mut bucket, mut verbs) = (None, None, None, None);
    let mut prefix = String::new();
    for (key, value) in reader.map(node, "a grant")? {
        match key.value.as_str() {
            "label" => label = Some(checked(reader, value, "label", check_label)),
            "target" => target = Some(word(reader, value, "target", &ObjectTarget::ALL, ObjectTarget::name)),
            "bucket" => bucket = Some(checked(reader, value, "bucket", check_bucket)),
            "prefix" => prefix = checked(reader, value, "prefix", check_prefix).unwrap_or_default(),
            "verbs" => verbs = Some(words(reader, value, "verbs", &ObjectVerb::ALL, ObjectVerb::name)),
            _ => unknown_key(reader, &key, &["label", "target", "bucket", "prefix", "verbs"]),
        }
    }
    let keys = [
        ("label", label.is_none()),
        ("target", target.is_none()),
        ("bucket", bucket.is_none()),
        ("verbs", verbs.is_none()),
    ];
    missing(reader, place, &keys);
    Some(ObjectGrant { label: label??, target: target??, bucket: bucket??, prefix, verbs: verbs? })
}

/// Without the slash, `falco` would also be the beginning of `falcon/x`.
fn check_prefix(prefix: &str) -> Result<(), &'static str> {
    let path = prefix.strip_suffix('/').ok_or("a prefix ends with `/`")?;
    check_key(path)
}

/// All grants of buckets: those of one label must be of one place.
pub(super) fn objects(reader: &mut Reader, node: Node) -> Vec<ObjectGrant> {
    let mut grants: Vec<ObjectGrant> = Vec::new();
    for item in reader.list(node, "objects") {
        let place = item.referenced;
        let Some(grant) = object(reader, item) else { continue };
        let other = grants.iter().find(|other| other.label == grant.label);
        if other.is_some_and(|other| !other.is_beside(&grant)) {
            let message = format!("`{}` is the label of another place already", grant.label);
            reader.problem(place, message);
        }
        grants.push(grant);
    }
    grants
}
