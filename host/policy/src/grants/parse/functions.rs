//! Grants of cloud functions, from text.

use rules::yaml::{Entry, Node};

use super::super::functions::{FunctionGrant, FunctionPattern, Provider};
use super::super::yaml::Reader;
use super::value::{missing, unknown_key, word};

/// `{provider: aws, names: [respond]}`.
pub(super) fn grant(reader: &mut Reader, node: Node) -> Option<FunctionGrant> {
    let place = node.at.clone();
    let (mut provider, mut is_named, mut names, mut locations) = (None, false, None, None);
    for Entry { key, at, value } in reader.map(node, "a grant")? {
        match &*key {
            "provider" => {
                is_named = true;
                provider = word(reader, value, "provider", &Provider::ALL, Provider::name);
            }
            "names" => names = Some(value),
            "locations" => locations = Some(value),
            _ => unknown_key(reader, &key, &at, &["provider", "names", "locations"]),
        }
    }
    missing(reader, &place, &[("provider", !is_named)]);
    let provider = provider?;
    let names = names.map(|node| patterns(reader, node, "names", |name| provider.check_name(name)));
    if let Some(locations) = locations.as_ref().filter(|_| provider == Provider::Aws) {
        let message = "`locations` are those of Google: a function of Lambda lies in the region of the host";
        reader.problem(&locations.at, message);
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
            Err(message) => reader.problem(&place, message),
        }
    }
    patterns
}
