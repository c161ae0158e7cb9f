//! Requests for objects, against grants as a policy writes them.

use expect_test::expect;

use super::*;
use crate::decide::Request;
use crate::decide::tests::check_entry;

#[test]
fn objects_are_granted_by_label_and_verb() {
    let entry = "objects: [{label: evidence, target: minio:s3, bucket: acme-evidence, prefix: falco/, verbs: [put]}]";
    let object = |verb, label, key| Request::Object(ObjectRequest::new(verb, label, key).unwrap());
    check_entry(entry, object(ObjectVerb::Put, "evidence", "a/b"), &expect!["allowed by 0"]);
    check_entry(
        entry,
        object(ObjectVerb::Get, "evidence", "a/b"),
        &expect![[r#"
            `acme:test` may not get a/b in evidence: it has no grant for this; to allow it, add under `objects:` of `acme:test` in the policy:
              - {label: evidence, target: minio:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}
              # it also allows any key in it"#]],
    );
    check_entry(
        entry,
        object(ObjectVerb::Put, "acme-evidence", "a"),
        &expect![[r#"
            `acme:test` may not put a in acme-evidence: it has no grant for this; to allow it, add under `objects:` of `acme:test` in the policy:
              - {label: acme-evidence, target: aws:s3, bucket: the-bucket, verbs: [put]}
              # it also allows any key in it"#]],
    );
}

#[test]
fn what_makes_no_sense_is_refused_before_a_grant_is_asked() {
    expect!["`../a`: a key is made of names with single `/` between them: no `.`, no `..`, no control characters"]
        .assert_eq(&ObjectRequest::new(ObjectVerb::Get, "evidence", "../a").unwrap_err().to_string());
    expect!["`../evidence`: a label is made of lower-case letters, digits and `-`, and begins with a letter"]
        .assert_eq(&ObjectRequest::new(ObjectVerb::Get, "../evidence", "a").unwrap_err().to_string());
}
