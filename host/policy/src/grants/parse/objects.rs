//! Grants of buckets, from text.

use rules::yaml::{Entry, Node};

use super::super::objects::{ObjectGrant, ObjectTarget, ObjectVerb, check_bucket, check_key, check_label};
use super::super::yaml::Reader;
use super::value::{checked, missing, unknown_key, word, words};

/// `{label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [get, put]}`.
fn grant(reader: &mut Reader, node: Node) -> Option<ObjectGrant> {
    let place = node.at.clone();
    let (mut label, mut target, mut bucket, mut verbs) = (None, None, None, None);
    let mut prefix = String::new();
    for Entry { key, at, value } in reader.map(node, "a grant")? {
        match &*key {
            "label" => label = Some(checked(reader, value, "label", check_label)),
            "target" => target = Some(word(reader, value, "target", &ObjectTarget::ALL, ObjectTarget::name)),
            "bucket" => bucket = Some(checked(reader, value, "bucket", check_bucket)),
            "prefix" => prefix = checked(reader, value, "prefix", check_prefix).unwrap_or_default(),
            "verbs" => verbs = Some(words(reader, value, "verbs", &ObjectVerb::ALL, ObjectVerb::name)),
            _ => unknown_key(reader, &key, &at, &["label", "target", "bucket", "prefix", "verbs"]),
        }
    }
    let keys = [
        ("label", label.is_none()),
        ("target", target.is_none()),
        ("bucket", bucket.is_none()),
        ("verbs", verbs.is_none()),
    ];
    missing(reader, &place, &keys);
    Some(ObjectGrant { label: label??, target: target??, bucket: bucket??, prefix, verbs: verbs? })
}

/// Without the slash, `falco` would also be the beginning of `falcon/x`.
fn check_prefix(prefix: &str) -> Result<(), &'static str> {
    let path = prefix.strip_suffix('/').ok_or("a prefix ends with `/`")?;
    check_key(path)
}

/// All grants of buckets: those of one label must be of one place.
pub(super) fn grants(reader: &mut Reader, node: Node) -> Vec<ObjectGrant> {
    let mut grants: Vec<ObjectGrant> = Vec::new();
    for item in reader.list(node, "objects") {
        let place = item.at.clone();
        let Some(grant) = grant(reader, item) else { continue };
        let other = grants.iter().find(|other| other.label == grant.label);
        if other.is_some_and(|other| !other.is_beside(&grant)) {
            let message = format!("`{}` is the label of another place already", grant.label);
            reader.problem(&place, message);
        }
        grants.push(grant);
    }
    grants
}
