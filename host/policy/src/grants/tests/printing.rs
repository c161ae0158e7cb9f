//! How grants are printed.

use super::*;

const ENTRY: &str = "actionners:
  kubernetes:label:
    functions:
      - {provider: aws}
      - {provider: gcp, names: [respond, team-*], locations: [europe-west1]}
    http:
      - {url: 'HTTPS://Hooks.Acme.example:443/falco/', methods: [GET, POST], headers: {Authorization: {env: ACME_TOKEN}, X-Key: {file: /run/key}}}
    objects:
      - {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}
      - {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [put]}
";

#[test]
fn every_character_of_a_text_is_printed_so_that_it_reads_back() {
    let header = r#"{X-Key: {file: "/a\u0080\u009f\ufeff\ufffe\u2028 \"b\" \\"}}"#;
    let entry = |grant: &str| format!("actionners:\n  kubernetes:label:\n    http:\n      - {grant}\n");
    let entry = entry(&format!("{{url: 'https://a.example/', methods: [GET], headers: {header}}}"));
    let again = policy(&policy(&entry).to_yaml());
    assert_eq!(again.entry("kubernetes:label"), policy(&entry).entry("kubernetes:label"));
}

#[test]
fn grants_are_printed_in_one_form_with_the_places_of_secrets() {
    let printed = policy(ENTRY).to_yaml();
    let begin = printed.find("actionners:").unwrap();
    expect![[r#"
        actionners:
          kubernetes:label:
            functions:
              - {provider: aws}
              - {provider: gcp, names: [respond, team-*], locations: [europe-west1]}
            http:
              - {url: https://hooks.acme.example/falco/, methods: [GET, POST], headers: {Authorization: {env: ACME_TOKEN}, X-Key: {file: "/run/key"}}}
            objects:
              - {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}
              - {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [put]}
            limits: {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}
    "#]].assert_eq(&printed[begin..printed.find("  kubernetes:terminate").unwrap()]);
    let again = policy(&printed);
    assert_eq!(again.entry("kubernetes:label"), policy(ENTRY).entry("kubernetes:label"));
}

/// What is not shown can't be read back, and who tries to is told what to do.
#[test]
fn texts_of_headers_are_not_printed() {
    let text = ENTRY.replace("{file: /run/key}", "'Bearer hunter2'");
    let printed = policy(&text).to_yaml();
    assert!(printed.contains("headers: {Authorization: {env: ACME_TOKEN}, X-Key: {hidden: text}}}"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
    let errors = Policy::parse("policy.yaml", &printed).unwrap_err();
    let errors: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(
        errors,
        ["the text of `X-Key` is not shown where a policy is printed: write it anew, `{env: NAME}` or `{file: /path}`"]
    );
}
