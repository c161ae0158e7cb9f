//! Grants of buckets: what they may say.

use super::*;

#[test]
fn buckets_have_a_label_a_storage_and_verbs() {
    check_grant_of(
        "objects",
        "{label: Evidence, target: s3, bucket: Acme, prefix: falco, verbs: [delete]}",
        &expect![[r#"
        policy.yaml:4:17: `label`: `Evidence`: a label is made of lower-case letters, digits and `-`, and begins with a letter
        policy.yaml:4:35: `s3` is not one of `target`; valid are `aws:s3`, `minio:s3`
        policy.yaml:4:47: `bucket`: `Acme`: a bucket is named by 3 to 63 lower-case letters, digits, `-` and `.`
        policy.yaml:4:61: `prefix`: `falco`: a prefix ends with `/`
        policy.yaml:4:76: `delete` is not one of `verbs`; valid are `get`, `put`"#]],
    );
    check_grant_of(
        "objects",
        "{label: a, target: aws:s3, bucket: acme, prefix: /falco/}",
        &expect![[r#"
        policy.yaml:4:58: `prefix`: `/falco/`: a key is made of names with single `/` between them: no `.`, no `..`, no control characters
        policy.yaml:4:9: `verbs` is missing: a grant names what it allows"#]],
    );
    check_grant_of(
        "objects",
        "{label: a, target: aws:s3, bucket: acme, prefix: ../, verbs: [get]}",
        &expect![
            "policy.yaml:4:58: `prefix`: `../`: a key is made of names with single `/` between them: no `.`, no `..`, no control characters"
        ],
    );
    let two = "{label: a, target: aws:s3, bucket: acme, verbs: [get]}\n      - {label: a, target: aws:s3, bucket: other, verbs: [put]}";
    check_grant_of("objects", two, &expect!["policy.yaml:5:9: `a` is the label of another place already"]);
}
