//! Requests to the web, against grants as a policy writes them.

use expect_test::{Expect, expect};

use super::*;
use crate::decide::Request;
use crate::decide::tests::check_entry;

#[test]
fn addresses_are_granted_by_prefix_and_method() {
    let entry = "http: [{url: 'https://hooks.acme.example/falco/', methods: [POST]}]";
    let check = |method: &str, url: &str, expected: &Expect| {
        let url = WebAddress::parse(url).unwrap();
        check_entry(entry, Request::Http(HttpRequest::new(method, &url).unwrap()), expected);
    };
    check("POST", "https://hooks.acme.example/falco/a?token=x", &expect!["allowed by 0"]);
    check(
        "GET",
        "https://hooks.acme.example/falco/a?token=x",
        &expect![[r#"
            `acme:test` may not GET https://hooks.acme.example/falco/a?…: it has no grant for this; to allow it, add under `http:` of `acme:test` in the policy:
              - {url: https://hooks.acme.example/falco/a, methods: [GET]}
              # it also allows what lies below `/falco/a`, any query, headers and body"#]],
    );
    check(
        "POST",
        "https://hooks.acme.example:8443/falco/",
        &expect![[r#"
            `acme:test` may not POST https://hooks.acme.example:8443/falco/: it has no grant for this; to allow it, add under `http:` of `acme:test` in the policy:
              - {url: https://hooks.acme.example:8443/falco/, methods: [POST]}
              # it also allows what lies below `/falco/`, any query, headers and body"#]],
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
              - {url: http://127.0.0.1:1/, methods: [POST]}
              # it also allows what lies below `/`, any query, headers and body"#]],
    );
}

#[test]
fn what_makes_no_sense_is_refused_before_a_grant_is_asked() {
    let url = WebAddress::parse("https://acme.example/").unwrap();
    expect!["`CONNECT` is not a method; the methods are GET, HEAD, POST, PUT, PATCH, DELETE"]
        .assert_eq(&HttpRequest::new("CONNECT", &url).unwrap_err().to_string());
    expect!["`post` is not a method; the methods are GET, HEAD, POST, PUT, PATCH, DELETE"]
        .assert_eq(&HttpRequest::new("post", &url).unwrap_err().to_string());
}
