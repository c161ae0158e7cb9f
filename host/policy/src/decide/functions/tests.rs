//! Requests for functions, against grants as a policy writes them.

use expect_test::expect;

use super::*;
use crate::decide::Request;
use crate::decide::tests::check_entry;

#[test]
fn functions_are_granted_by_provider_name_and_location() {
    let entry = "functions:
      - {provider: gcp, names: [respond], locations: [europe-west1, us-*]}
      - {provider: aws, names: [respond, team-*]}
";
    let aws = |name| Request::Function(FunctionRequest::aws(name).unwrap());
    let gcp = |name, location| Request::Function(FunctionRequest::gcp(name, location).unwrap());
    check_entry(entry, aws("respond"), &expect!["allowed by 1"]);
    check_entry(entry, aws("team-a"), &expect!["allowed by 1"]);
    check_entry(entry, gcp("respond", "us-east1"), &expect!["allowed by 0"]);
    check_entry(
        entry,
        aws("other"),
        &expect![[r#"
            `acme:test` may not call the function other of aws: it has no grant for this; to allow it, add under `functions:` of `acme:test` in the policy:
              - {provider: aws, names: [other]}
              # it also allows any payload"#]],
    );
    check_entry(
        entry,
        gcp("respond", "asia-east1"),
        &expect![[r#"
            `acme:test` may not call the function respond of gcp in asia-east1: it has no grant for this; to allow it, add under `functions:` of `acme:test` in the policy:
              - {provider: gcp, names: [respond], locations: [asia-east1]}
              # it also allows any payload"#]],
    );
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:respond";
    check_entry(
        entry,
        aws(arn),
        &expect![[r#"
            `acme:test` may not call the function arn:aws:lambda:eu-west-1:123456789012:function:respond of aws: it has no grant for this; to allow it, add under `functions:` of `acme:test` in the policy:
              - {provider: aws, names: [arn:aws:lambda:eu-west-1:123456789012:function:respond]}
              # it also allows any payload"#]],
    );
    check_entry("functions: [{provider: aws}]", aws(arn), &expect!["allowed by 0"]);
    check_entry(
        "functions: [{provider: aws}]",
        gcp("a", "b"),
        &expect![[r#"
            `acme:test` may not call the function a of gcp in b: it has no grant for this; to allow it, add under `functions:` of `acme:test` in the policy:
              - {provider: gcp, names: [a], locations: [b]}
              # it also allows any payload"#]],
    );
}

#[test]
fn what_makes_no_sense_is_refused_before_a_grant_is_asked() {
    expect!["`a/b`: a function of Lambda is a name or an ARN: letters, digits, `-`, `_`, `.` and `:` only"]
        .assert_eq(&FunctionRequest::aws("a/b").unwrap_err().to_string());
    expect!["`europe/west1`: a location is written as `europe-west1`"]
        .assert_eq(&FunctionRequest::gcp("a", "europe/west1").unwrap_err().to_string());
}
