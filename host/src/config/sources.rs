//! Secrets as they are written: the text itself, or the environment variable or the file in which it is.

use policy::{HeaderSource, Secret};
use rules::yaml::{Content, Entry, Node};

/// Said of a map that is no place of a secret. What is in it may be the secret.
const NO_PLACE: &str = "a map that is neither {env: NAME} nor {file: PATH}";

/// The place of a secret, or the secret.
///
/// # Errors
///
/// What it is instead, in words that quote nothing of it.
pub(super) fn source(node: &Node) -> Result<HeaderSource, &'static str> {
    match &node.content {
        Content::Scalar(scalar) => Ok(HeaderSource::Text(Secret::new(&*scalar.text))),
        Content::List(_) => Err("a list"),
        Content::Map(entries) => {
            let [Entry { key, value, .. }] = entries.as_slice() else { return Err(NO_PLACE) };
            let Content::Scalar(place) = &value.content else { return Err(NO_PLACE) };
            match &*key.to_lowercase() {
                _ if place.text.is_empty() => Err(NO_PLACE),
                "env" => Ok(HeaderSource::Env((*place.text).to_owned())),
                "file" => Ok(HeaderSource::File((*place.text).into())),
                _ => Err(NO_PLACE),
            }
        }
    }
}

/// A map of headers, each a text or the place of one.
///
/// # Errors
///
/// What it is instead.
pub(super) fn headers(node: &Node) -> Result<Vec<(String, HeaderSource)>, &'static str> {
    let Content::Map(entries) = &node.content else { return Err("no map of headers") };
    entries.iter().map(|Entry { key, value, .. }| Ok((key.to_string(), source(value)?))).collect()
}

/// The same in an environment variable: `Name:value,Name:value`.
///
/// # Errors
///
/// What it is instead.
pub(super) fn headers_of_text(text: &str) -> Result<Vec<(String, HeaderSource)>, &'static str> {
    let header = |header: &str| {
        let (name, value) = header.split_once(':').ok_or("a header without a colon")?;
        Ok((name.trim().to_owned(), HeaderSource::Text(Secret::new(value.trim()))))
    };
    text.split(',').filter(|header| !header.trim().is_empty()).map(header).collect()
}
