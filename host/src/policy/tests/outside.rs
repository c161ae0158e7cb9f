//! Grants of what lies outside of the cluster: what they may say, and how they are printed.

use super::*;

#[track_caller]
fn check(key: &str, grant: &str, expected: &Expect) {
    check_errors(&format!("actionners:\n  kubernetes:label:\n    {key}:\n      - {grant}\n"), expected);
}

#[test]
fn functions_have_a_provider_and_names_of_its_kind() {
    check(
        "functions",
        "{provider: azure, name: [a]}",
        &expect![[r#"
        policy.yaml:4:20: `azure` is not one of `provider`; valid are `aws`, `gcp`
        policy.yaml:4:27: `name` is not a key here; valid are `names`, `provider`, `locations`"#]],
    );
    check(
        "functions",
        "{names: [a]}",
        &expect!["policy.yaml:4:9: `provider` is missing: a grant names what it allows"],
    );
    check(
        "functions",
        "{provider: aws, names: [a/b, '*', team*], locations: [eu-west-1]}",
        &expect![[r#"
        policy.yaml:4:33: `a/b`: a function of Lambda is a name or an ARN: letters, digits, `-`, `_`, `.` and `:` only
        policy.yaml:4:38: `*` is not a name: to mean all, leave the key out
        policy.yaml:4:43: `team*` is not a name: write it exactly, or as a prefix that ends at a sign, such as `team-*`
        policy.yaml:4:62: `locations` are those of Google: a function of Lambda lies in the region of the host"#]],
    );
    check(
        "functions",
        "{provider: gcp, names: ['arn:aws:lambda'], locations: [Europe]}",
        &expect![[r#"
        policy.yaml:4:33: `arn:aws:lambda`: a function of Google is named by letters, digits, `-` and `_` only
        policy.yaml:4:64: `Europe`: a location is written as `europe-west1`"#]],
    );
    check(
        "functions",
        "{provider: aws, names: []}",
        &expect!["policy.yaml:4:32: `names` is empty: name something, or leave it out"],
    );
}

#[test]
fn addresses_have_one_form_and_methods() {
    check(
        "http",
        "{url: hooks.acme.example, methods: [post]}",
        &expect![[r#"
        policy.yaml:4:15: `url`: `hooks.acme.example` is not an absolute address: write `https://host/path`
        policy.yaml:4:45: `post` is not one of `methods`; valid are `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`"#]],
    );
    check(
        "http",
        "{url: 'https://hooks.acme.example/?a=b', methods: [POST]}",
        &expect!["policy.yaml:4:15: `url`: a grant ends with the path: leave out what follows the `?`"],
    );
    check(
        "http",
        "{url: 'https://user:pw@hooks.acme.example/', methods: [POST]}",
        &expect!["policy.yaml:4:15: `url`: an address must not carry a user or a password"],
    );
    check(
        "http",
        "{url: 'http://169.254.169.254/', methods: [GET]}",
        &expect![
            "policy.yaml:4:15: `url`: it leads to where a cloud tells its machines their credentials, which no grant can allow"
        ],
    );
    check(
        "http",
        "{url: 'http://localhost:8080/', methods: [GET]}",
        &expect!["policy.yaml:4:15: `url`: it leads to an address of this machine, which no grant can allow"],
    );
    check(
        "http",
        "{url: 'https://a.example/a/%2e%2e/b', methods: [CONNECT]}",
        &expect![[r#"
        policy.yaml:4:15: `url`: the path `/a/%2e%2e/b` can be read in more than one way: no `.` and `..`, and no percent-encoding of `.`, `/`, `\` and `%`
        policy.yaml:4:57: `CONNECT` is not one of `methods`; valid are `DELETE`, `POST`, `PATCH`, `GET`, `HEAD`, `PUT`"#]],
    );
    check("http", "{methods: [GET]}", &expect!["policy.yaml:4:9: `url` is missing: a grant names what it allows"]);
}

#[test]
fn headers_come_from_one_place() {
    let check = |headers: &str, expected: &Expect| {
        check("http", &format!("{{url: 'https://a.example/', methods: [GET], headers: {headers}}}"), expected);
    };
    check(
        "{Host: a, transfer-encoding: b, 'X Y': c}",
        &expect![[r#"
        policy.yaml:4:63: `Host` belongs to the connection, which is the host's
        policy.yaml:4:72: `transfer-encoding` belongs to the connection, which is the host's
        policy.yaml:4:94: `X Y` is not the name of a header"#]],
    );
    check("{X-A: a, x-a: b}", &expect!["policy.yaml:4:71: `x-a` is written twice"]);
    check(
        "{X-A: {env: A, file: /b}, X-B: {}, X-C: {file: b}, X-D: {environment: A}, X-E: 1}",
        &expect![[r#"
        policy.yaml:4:68: `X-A` is a text, `{env: NAME}` or `{file: /path}`
        policy.yaml:4:93: `X-B` is a text, `{env: NAME}` or `{file: /path}`
        policy.yaml:4:109: `file` must be an absolute path
        policy.yaml:4:102: `X-C` is a text, `{env: NAME}` or `{file: /path}`
        policy.yaml:4:119: `environment` is not a key here; valid are `env`, `file`
        policy.yaml:4:118: `X-D` is a text, `{env: NAME}` or `{file: /path}`
        policy.yaml:4:141: `X-E` is a text in quotes, `{env: NAME}` or `{file: /path}`"#]],
    );
    check("{X-A: \"a\\nb\"}", &expect!["policy.yaml:4:68: `X-A` can't be sent: no line breaks and control characters"]);
}

#[test]
fn buckets_have_a_label_a_storage_and_verbs() {
    check(
        "objects",
        "{label: Evidence, target: s3, bucket: Acme, prefix: falco, verbs: [delete]}",
        &expect![[r#"
        policy.yaml:4:17: `label`: `Evidence`: a label is made of lower-case letters, digits and `-`, and begins with a letter
        policy.yaml:4:35: `s3` is not one of `target`; valid are `aws:s3`, `minio:s3`
        policy.yaml:4:47: `bucket`: `Acme`: a bucket is named by 3 to 63 lower-case letters, digits, `-` and `.`
        policy.yaml:4:61: `prefix`: `falco`: a prefix ends with `/`
        policy.yaml:4:76: `delete` is not one of `verbs`; valid are `get`, `put`"#]],
    );
    check(
        "objects",
        "{label: a, target: aws:s3, bucket: acme, prefix: /falco/}",
        &expect![[r#"
        policy.yaml:4:58: `prefix`: `/falco/`: a key is made of names with single `/` between them: no `.`, no `..`, no control characters
        policy.yaml:4:9: `verbs` is missing: a grant names what it allows"#]],
    );
    check(
        "objects",
        "{label: a, target: aws:s3, bucket: acme, prefix: ../, verbs: [get]}",
        &expect![
            "policy.yaml:4:58: `prefix`: `../`: a key is made of names with single `/` between them: no `.`, no `..`, no control characters"
        ],
    );
    let two = "{label: a, target: aws:s3, bucket: acme, verbs: [get]}\n      - {label: a, target: aws:s3, bucket: other, verbs: [put]}";
    check("objects", two, &expect!["policy.yaml:5:9: `a` is the label of another place already"]);
}

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
            limits: {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}
    "#]].assert_eq(&printed[begin..printed.find("  kubernetes:terminate").unwrap()]);
    let again = policy(&printed);
    assert_eq!(again.entry("kubernetes:label"), policy(ENTRY).entry("kubernetes:label"));
}

#[test]
fn grants_are_explained() {
    let entry = policy(ENTRY).entry("kubernetes:label");
    let told = explain::abilities("kubernetes:label", &entry, &crate::decide::Targets::default());
    expect![[r#"
        The event names no object.
        Whatever is granted, no write in the namespaces [kube-system, falco].
        `kubernetes:label` is granted:
          functions: {provider: aws}
          functions: {provider: gcp, names: [respond, team-*], locations: [europe-west1]}
          http: {url: https://hooks.acme.example/falco/, methods: [GET, POST], headers: {Authorization: {env: ACME_TOKEN}, X-Key: {file: "/run/key"}, X-Team: blue}}
          objects: {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}
          objects: {label: evidence, target: aws:s3, bucket: acme-evidence, prefix: falco/, verbs: [put]}
        Each call may use at most {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}.
    "#]].assert_eq(&told);
}
