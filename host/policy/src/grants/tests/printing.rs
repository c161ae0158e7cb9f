//! How grants are printed.

use super::*;

const ENTRY: &str = "actionners:
  kubernetes:label:
    functions:
      - {provider: aws}
      - {provider: gcp, names: [respond, team-*], locations: [europe-west1]}
    http:
      - {url: 'HTTPS://Hooks.Acme.example:443/falco/', methods: [GET, POST], headers: {Authorization: {env: ACME_TOKEN}, X-Key: {file: /run/key}, X-Team: blue}}
    objects:
      - {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}
      - {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [put]}
";

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
              - {url: https://hooks.acme.example/falco/, methods: [GET, POST], headers: {Authorization: {env: ACME_TOKEN}, X-Key: {file: "/run/key"}, X-Team: blue}}
            objects:
              - {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}
              - {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [put]}
            limits: {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, requests: 10000, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}
    "#]].assert_eq(&printed[begin..printed.find("  kubernetes:terminate").unwrap()]);
    let again = policy(&printed);
    assert_eq!(again.entry("kubernetes:label"), policy(ENTRY).entry("kubernetes:label"));
}
