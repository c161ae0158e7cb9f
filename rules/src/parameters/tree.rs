//! Ways through a schema: what stands below what, and where a `$ref` leads.
//!
//! Knows where the keywords of the supported drafts hold schemas, and nothing of what they mean for a value.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

/// Keywords whose value is one schema.
const ONE: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of schemas.
const LIST: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];
/// Keywords whose value is a map of schemas by names of the author's.
const MAP: [&str; 6] = ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// The schemas that stand right below a schema, each with its JSON pointer from there.
pub(super) fn below(schema: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for keyword in ONE {
        found.extend(schema.get(keyword).map(|one| (format!("/{keyword}"), one)));
    }
    for keyword in LIST {
        let list = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
        found.extend(list.enumerate().map(|(index, one)| (format!("/{keyword}/{index}"), one)));
    }
    for keyword in MAP {
        let map = schema.get(keyword).and_then(Value::as_object).into_iter().flatten();
        found.extend(map.map(|(name, one)| (format!("/{keyword}/{}", escaped(name)), one)));
    }
    // Older drafts have lists of names in `dependencies`, and a list of schemas in `items`.
    found.retain(|(_, one)| is_schema(one));
    found
}

/// Whether a value can be a schema at all.
pub(super) fn is_schema(value: &Value) -> bool {
    value.is_object() || value.is_boolean()
}

/// The schemas in a list or map of a schema.
pub(super) fn within<'s>(schema: &'s Value, keyword: &str) -> Vec<&'s Value> {
    match schema.get(keyword) {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(Value::Object(map)) => map.values().collect(),
        _ => Vec::new(),
    }
}

/// What the `$ref` of a schema stands for, if it has one that leads to a place in the same schema.
pub(super) fn referred<'s>(schema: &Value, root: &'s Value) -> Option<&'s Value> {
    let pointer = pointer_of(schema.get("$ref")?.as_str()?)?;
    root.pointer(&pointer).filter(|target| is_schema(target))
}

/// The JSON pointer in a reference such as `#/$defs/Level%3Cu8%3E`.
pub(super) fn pointer_of(reference: &str) -> Option<Cow<'_, str>> {
    // The empty reference is that of the whole.
    let pointer = if reference.is_empty() { "" } else { reference.strip_prefix('#')? };
    if !pointer.contains('%') {
        return Some(Cow::Borrowed(pointer));
    }
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..2).filter(|_| byte == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code {
            Some(code) => {
                bytes.push(u8::from_str_radix(code, 16).ok()?);
                rest = &tail[2..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// A pointer as the fragment of an address, as it stands in a reference.
pub(super) fn encoded(pointer: &str) -> String {
    let mut text = String::with_capacity(pointer.len());
    for byte in pointer.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@?".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// A name as a token of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name of a key within parameters: `labels[app]`, `allow_cidr[0]`.
pub(super) fn name_of(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}[{key}]") }
}
