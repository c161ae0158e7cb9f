//! Requests that leave the cluster, against grants as a policy writes them.

use expect_test::{Expect, expect};

use super::*;
use crate::decide::{Request, Targets, decide};
use crate::policy::{Entry, Policy};

#[track_caller]
fn grants(entry: &str) -> Grants {
    let policy = Policy::bundled([("acme:test", entry)]).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let Entry::Granted(grants) = policy.entry("acme:test") else { panic!("not granted") };
    (*grants).clone()
}

/// Allowed by which grant, or why not; a denial's own line must allow it.
#[track_caller]
fn check(entry: &str, request: Request<'_>, expected: &Expect) {
    let asked = |grants: &Grants| decide(grants, &Targets::default(), &request);
    let told = match asked(&grants(entry)) {
        Decision::Allowed { grant } => format!("allowed by {grant}"),
        Decision::Denied(denial) => {
            if let Some(line) = &denial.line {
                let pasted = grants(&format!("{}: [{line}]", denial.key));
                assert_eq!(asked(&pasted), Decision::Allowed { grant: 0 }, "{line}");
            }
            denial.to_string()
        }
    };
    expected.assert_eq(&told);
}

#[test]
fn functions_are_granted_by_provider_name_and_location() {
    let entry = "functions:
      - {provider: gcp, names: [respond], locations: [europe-west1, us-*]}
      - {provider: aws, names: [respond, team-*]}
";
    let aws = |name| Request::Function(FunctionRequest::aws(name).unwrap());
    let gcp = |name, location| Request::Function(FunctionRequest::gcp(name, location).unwrap());
    check(entry, aws("respond"), &expect!["allowed by 1"]);
    check(entry, aws("team-a"), &expect!["allowed by 1"]);
    check(entry, gcp("respond", "us-east1"), &expect!["allowed by 0"]);
    check(
        entry,
        aws("other"),
        &expect![[r#"
        `acme:test` may not call the function other of aws: it has no grant for this; to allow it, add under `functions:` of `acme:test` in the policy:
          - {provider: aws, names: [other]}"#]],
    );
    check(
        entry,
        gcp("respond", "asia-east1"),
        &expect![[r#"
        `acme:test` may not call the function respond of gcp in asia-east1: it has no grant for this; to allow it, add under `functions:` of `acme:test` in the policy:
          - {provider: gcp, names: [respond], locations: [asia-east1]}"#]],
    );
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:respond";
    check(
        entry,
        aws(arn),
        &expect![[r#"
        `acme:test` may not call the function arn:aws:lambda:eu-west-1:123456789012:function:respond of aws: it has no grant for this; to allow it, add under `functions:` of `acme:test` in the policy:
          - {provider: aws, names: [arn:aws:lambda:eu-west-1:123456789012:function:respond]}"#]],
    );
    check("functions: [{provider: aws}]", aws(arn), &expect!["allowed by 0"]);
    check(
        "functions: [{provider: aws}]",
        gcp("a", "b"),
        &expect![[r#"
        `acme:test` may not call the function a of gcp in b: it has no grant for this; to allow it, add under `functions:` of `acme:test` in the policy:
          - {provider: gcp, names: [a], locations: [b]}"#]],
    );
}

#[test]
fn addresses_are_granted_by_prefix_and_method() {
    let entry = "http: [{url: 'https://hooks.acme.example/falco/', methods: [POST]}]";
    let check = |method: &str, url: &str, expected: &Expect| {
        let url = WebAddress::parse(url).unwrap();
        check(entry, Request::Http(HttpRequest::new(method, &url).unwrap()), expected);
    };
    check("POST", "https://hooks.acme.example/falco/a?token=x", &expect!["allowed by 0"]);
    check(
        "GET",
        "https://hooks.acme.example/falco/a?token=x",
        &expect![[r#"
        `acme:test` may not GET https://hooks.acme.example/falco/a?…: it has no grant for this; to allow it, add under `http:` of `acme:test` in the policy:
          - {url: https://hooks.acme.example/falco/a, methods: [GET]}"#]],
    );
    check(
        "POST",
        "https://hooks.acme.example:8443/falco/",
        &expect![[r#"
        `acme:test` may not POST https://hooks.acme.example:8443/falco/: it has no grant for this; to allow it, add under `http:` of `acme:test` in the policy:
          - {url: https://hooks.acme.example:8443/falco/, methods: [POST]}"#]],
    );
    check(
        "POST",
        "http://[::ffff:169.254.169.254]/latest/",
        &expect![
            "`acme:test` may not POST http://[::ffff:a9fe:a9fe]/latest/: it leads to an IPv4 address in disguise, which no grant can allow"
        ],
    );
    check(
        "GET",
        "http://169.254.169.254/latest/",
        &expect![
            "`acme:test` may not GET http://169.254.169.254/latest/: it leads to where a cloud tells its machines their credentials, which no grant can allow"
        ],
    );
    check(
        "POST",
        "http://localhost:1/",
        &expect![
            "`acme:test` may not POST http://localhost:1/: it leads to an address of this machine, which no grant can allow"
        ],
    );
    check(
        "POST",
        "http://127.0.0.1:1/",
        &expect![[r#"
        `acme:test` may not POST http://127.0.0.1:1/: it has no grant for this; to allow it, add under `http:` of `acme:test` in the policy:
          - {url: http://127.0.0.1:1/, methods: [POST]}"#]],
    );
}

#[test]
fn objects_are_granted_by_label_and_verb() {
    let entry = "objects: [{label: evidence, target: minio:s3, bucket: acme-evidence, prefix: falco/, verbs: [put]}]";
    let object = |verb, label, key| Request::Object(ObjectRequest::new(verb, label, key).unwrap());
    check(entry, object(ObjectVerb::Put, "evidence", "a/b"), &expect!["allowed by 0"]);
    check(
        entry,
        object(ObjectVerb::Get, "evidence", "a/b"),
        &expect![[r#"
        `acme:test` may not get a/b in evidence: it has no grant for this; to allow it, add under `objects:` of `acme:test` in the policy:
          - {label: evidence, target: minio:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}"#]],
    );
    check(
        entry,
        object(ObjectVerb::Put, "acme-evidence", "a"),
        &expect![[r#"
        `acme:test` may not put a in acme-evidence: it has no grant for this; to allow it, add under `objects:` of `acme:test` in the policy:
          - {label: acme-evidence, target: aws:s3, bucket: the-bucket, verbs: [put]}"#]],
    );
}

#[test]
fn what_makes_no_sense_is_told_before_a_grant_is_asked() {
    let url = WebAddress::parse("https://acme.example/").unwrap();
    let errors = [
        FunctionRequest::aws("a/b").unwrap_err(),
        FunctionRequest::gcp("a", "europe/west1").unwrap_err(),
        HttpRequest::new("CONNECT", &url).unwrap_err(),
        HttpRequest::new("post", &url).unwrap_err(),
        ObjectRequest::new(ObjectVerb::Get, "evidence", "../a").unwrap_err(),
        ObjectRequest::new(ObjectVerb::Get, "../evidence", "a").unwrap_err(),
    ];
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    expect![[r#"
        `a/b`: a function of Lambda is a name or an ARN: letters, digits, `-`, `_`, `.` and `:` only
        `europe/west1`: a location is written as `europe-west1`
        `CONNECT` is not a method; the methods are GET, HEAD, POST, PUT, PATCH, DELETE
        `post` is not a method; the methods are GET, HEAD, POST, PUT, PATCH, DELETE
        `../a`: a key is made of names with single `/` between them: no `.`, no `..`, no control characters
        `../evidence`: a label is made of lower-case letters, digits and `-`, and begins with a letter"#]]
    .assert_eq(&errors.join("\n"));
}
