//! Limits, from text.

use rules::yaml::{Entry, Node};

use super::super::limits::NamedLimits;
use super::super::yaml::Reader;
use super::value::unknown_key;

/// `{memory: 64Mi, deadline: 5s}`.
pub(super) fn limits(reader: &mut Reader, node: Node) -> NamedLimits {
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
