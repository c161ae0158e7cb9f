//! Grants of addresses of the web: what they may say.

use super::*;

#[test]
fn addresses_have_one_form_and_methods() {
    check_grant_of(
        "http",
        "{url: hooks.acme.example, methods: [post]}",
        &expect![[r#"
            policy.yaml:4:15: `url`: `hooks.acme.example` is not an absolute address: write `https://host/path`
            policy.yaml:4:45: `post` is not one of `methods`; valid are `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`"#]],
    );
    check_grant_of(
        "http",
        "{url: 'https://hooks.acme.example/?a=b', methods: [POST]}",
        &expect!["policy.yaml:4:15: `url`: a grant ends with the path: leave out what follows the `?`"],
    );
    check_grant_of(
        "http",
        "{url: 'https://user:pw@hooks.acme.example/', methods: [POST]}",
        &expect!["policy.yaml:4:15: `url`: an address must not carry a user or a password"],
    );
    check_grant_of(
        "http",
        "{url: 'http://169.254.169.254/', methods: [GET]}",
        &expect![
            "policy.yaml:4:15: `url`: it leads to where a cloud tells its machines their credentials, which no grant can allow"
        ],
    );
    check_grant_of(
        "http",
        "{url: 'http://localhost:8080/', methods: [GET]}",
        &expect!["policy.yaml:4:15: `url`: it leads to an address of this machine, which no grant can allow"],
    );
    check_grant_of(
        "http",
        "{url: 'https://a.example/a/%2e%2e/b', methods: [CONNECT]}",
        &expect![[r#"
            policy.yaml:4:15: `url`: the path `/a/%2e%2e/b` can be read in more than one way: no `.` and `..`, and no percent-encoding of `.`, `/`, `\` and `%`
            policy.yaml:4:57: `CONNECT` is not one of `methods`; valid are `DELETE`, `POST`, `PATCH`, `GET`, `HEAD`, `PUT`"#]],
    );
    check_grant_of(
        "http",
        "{methods: [GET]}",
        &expect!["policy.yaml:4:9: `url` is missing: a grant names what it allows"],
    );
}

#[test]
fn headers_come_from_one_place() {
    let check = |headers: &str, expected: &Expect| {
        check_grant_of("http", &format!("{{url: 'https://a.example/', methods: [GET], headers: {headers}}}"), expected);
    };
    check(
        "{Host: a, transfer-encoding: b, 'X Y': c}",
        &expect![[r#"
        policy.yaml:4:63: `Host` belongs to the connection, which is the host's
        policy.yaml:4:72: `transfer-encoding` belongs to the connection, which is the host's
        policy.yaml:4:94: this is not the name of a header"#]],
    );
    check(
        &format!("{{? {} : a}}", "x".repeat(300)),
        &expect![[
            r#"policy.yaml:4:368: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` has a name of more than 256 bytes"#
        ]],
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

/// A secret that is misread, whatever it is taken for, is not quoted.
#[test]
fn what_stands_where_a_secret_is_expected_is_not_quoted() {
    let headers = [
        "hunter2-secret",
        "[hunter2-secret]",
        "{hunter2-secret}",
        "{Authorization: Bearer x,hunter2-secret}",
        "{Authorization: Bearer x, Bearer hunter2-secret: y}",
        "{hunter2-secret a: b}",
        "{Authorization: {hunter2-secret: a}}",
        "{Authorization: {env: hunter2-secret}}",
        "{Authorization: {env: {hunter2-secret: a}}}",
        "{Authorization: {env: [hunter2-secret]}}",
        "{Authorization: {file: hunter2-secret}}",
        "{Authorization: [hunter2-secret]}",
        "{Authorization: \"hunter2-secret\\n\"}",
        "{Authorization: !hunter2-secret a}",
        "{Authorization: *hunter2-secret}",
        "{Authorization: hunter2-secret: a}",
        "{Authorization: 'hunter2-secret}",
        "{Authorization: \"hunter2-secret\\q\"}",
        "{Authorization: @hunter2-secret}",
        "{Authorization: `hunter2-secret`}",
        "{Authorization: %hunter2-secret}",
        "{Authorization: |hunter2-secret}",
        "{Authorization: &hunter2-secret *hunter2-secret}",
    ];
    for headers in headers {
        let text = entry(&format!("http: [{{url: 'https://a.example/', methods: [GET], headers: {headers}}}]"));
        let Err(errors) = Policy::parse("policy.yaml", &text) else { panic!("{headers}") };
        for error in errors {
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{headers}: {error}");
        }
    }
}

#[test]
fn a_secret_in_the_policy_is_warned_about() {
    let text = entry(
        "http: [{url: 'https://a.example/', methods: [GET], headers: {Authorization: Bearer hunter2, X-Team: blue}}]",
    );
    let warnings: Vec<String> = policy(&text).warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["policy.yaml:2:3: `kubernetes:label`: the header `Authorization` for https://a.example/ is a secret that \
          stands in the policy: use `{env: NAME}` or `{file: /path}`"]
    );
    assert!(!format!("{:?}", policy(&text)).contains("hunter2"));
}

fn entry(body: &str) -> String {
    format!("actionners:\n  kubernetes:label:\n    {body}\n")
}
