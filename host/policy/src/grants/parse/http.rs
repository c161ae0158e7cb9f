//! Grants of addresses of the web, from text.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use rules::yaml::{Content, Entry, Kind, Node};

use super::super::caution;
use super::super::http::{HIDDEN, HeaderSource, HttpGrant, Method, is_of_the_connection};
use super::super::yaml::Reader;
use super::value::{missing, unknown_key, words};
use crate::address::{SHOWN_CHARS_MAX, WebAddress, shown};
use crate::secret::Secret;

/// Longer names are refused by most servers, and a YAML key could not be much longer.
const HEADER_NAME_BYTES_MAX: usize = 256;

/// `{url: https://hooks.acme.example/falco/, methods: [POST], headers: {Authorization: {env: ACME_TOKEN}}}`.
pub(super) fn grant(reader: &mut Reader, node: Node) -> Option<HttpGrant> {
    let place = node.at.clone();
    let (mut url, mut methods, mut headers) = (None, None, Vec::new());
    for Entry { key, at, value } in reader.map(node, "a grant")? {
        match &*key {
            "url" => url = Some(self::url(reader, value)),
            "methods" => methods = Some(words(reader, value, "methods", &Method::ALL, Method::name)),
            "headers" => headers = self::headers(reader, value),
            _ => unknown_key(reader, &key, &at, &["url", "methods", "headers"]),
        }
    }
    missing(reader, &place, &[("url", url.is_none()), ("methods", methods.is_none())]);
    let grant = HttpGrant { url: url??, methods: methods?, headers };
    caution::of_http(&grant).into_iter().for_each(|message| reader.warning(&place, message));
    Some(grant)
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
    reader.problem(&place, format!("`url`: {wrong}"));
    None
}

fn headers(reader: &mut Reader, node: Node) -> Vec<(String, HeaderSource)> {
    let mut headers: Vec<(String, HeaderSource)> = Vec::new();
    for Entry { key: name, at, value } in reader.map(node, "`headers`").unwrap_or_default() {
        // What has no value, or can't be a name, may be a part of a value that was meant for a header before it.
        if value.is_null() {
            reader.problem(&at, "a header without a value: a text that holds a comma or a colon stands in quotes");
            continue;
        }
        if name.parse::<HeaderName>().is_err() {
            reader.problem(&at, "this is not the name of a header");
            continue;
        }
        let written = shown(&name, SHOWN_CHARS_MAX);
        if is_of_the_connection(&name) {
            reader.problem(&at, format!("`{written}` belongs to the connection, which is the host's"));
        } else if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            reader.problem(&at, format!("`{written}` is written twice"));
        }
        if let Some(source) = header(reader, &name, value) {
            headers.push(((*name).to_owned(), source));
        }
    }
    headers
}

/// A text, `{env: X}` or `{file: /path}`.
fn header(reader: &mut Reader, name: &str, node: Node) -> Option<HeaderSource> {
    let what = format!("`{}`", shown(name, SHOWN_CHARS_MAX));
    let place = node.at.clone();
    if name.len() > HEADER_NAME_BYTES_MAX {
        reader.problem(&place, format!("{what} has a name of more than {HEADER_NAME_BYTES_MAX} bytes"));
        return None;
    }
    if let Content::Scalar(scalar) = &node.content
        && scalar.kind == Kind::Text
    {
        let valid = HeaderValue::from_str(&scalar.text).is_ok();
        if !valid {
            reader.problem(&place, format!("{what} can't be sent: no line breaks and control characters"));
        }
        return valid.then(|| HeaderSource::Text(Secret::new(&*scalar.text)));
    }
    let mut sources = Vec::new();
    if !matches!(node.content, Content::Map(_)) {
        reader.problem(&place, format!("{what} is a text in quotes, `{{env: NAME}}` or `{{file: /path}}`"));
        return None;
    }
    for Entry { key, at, value } in reader.map(node, &what)? {
        match &*key {
            "env" => sources.extend(environment(reader, value)),
            "file" => sources.extend(file(reader, value)),
            HIDDEN => {
                let message = "is not shown where a policy is printed: write it anew, `{env: NAME}` or `{file: /path}`";
                reader.problem(&at, format!("the text of {what} {message}"));
                return None;
            }
            // It stands where a secret is expected, and is one perhaps.
            _ if !is_word(&key) => reader.problem(&at, format!("{what} has keys, which are `env` or `file`")),
            _ => unknown_key(reader, &key, &at, &["env", "file"]),
        }
    }
    if sources.len() != 1 {
        reader.problem(&place, format!("{what} is a text, `{{env: NAME}}` or `{{file: /path}}`"));
    }
    sources.pop()
}

/// Whether it looks like a key, and unlike what nobody can guess.
fn is_word(key: &str) -> bool {
    key.len() <= 16 && key.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'))
}

/// Not every text that could be the name of a variable is taken for one: who writes the secret itself here must not
/// read it in the log.
fn environment(reader: &mut Reader, node: Node) -> Option<HeaderSource> {
    let (name, place) = reader.text(node, "env")?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if !is_name || name.is_empty() {
        reader.problem(&place, "`env` is the name of a variable: letters, digits and `_`");
        return None;
    }
    Some(HeaderSource::Env(name))
}

fn file(reader: &mut Reader, node: Node) -> Option<HeaderSource> {
    let (text, place) = reader.text(node, "file")?;
    let path = PathBuf::from(&text);
    if !path.is_absolute() {
        reader.problem(&place, "`file` must be an absolute path");
        return None;
    }
    Some(HeaderSource::File(path))
}
