//! Requests to addresses of the web, by the example for those who write actionners.

use expect_test::expect;
use serde_json::{Value, json};
use simulation::Simulation;

use crate::outside::{Guest, Outside};
use crate::running::{Host, config, told};

const GRANTS: &str = "    http:
      - {url: 'http://WEB_SERVER/falco/', methods: [GET, POST], headers: {Authorization: {env: CARGO_PKG_NAME}, X-Team: blue}}
      - {url: 'http://127.0.0.1:1/', methods: [POST]}
";

fn page(grants: &str) -> Guest {
    Guest { actionner: "acme:page", component: "EXAMPLE_HTTP", grants: grants.to_owned(), dry_run: false }
}

#[tokio::test]
async fn a_page_carries_the_event_and_the_headers_of_the_policy() {
    let (outside, guest) = (Outside::start().await, page(GRANTS));
    let (ended, lines) =
        guest.act(&outside, &json!({"url": "http://WEB_SERVER/falco/page?x=1", "headers": {"x-team": "red"}})).await;
    expect!["success: http://WEB_SERVER/falco/page?x=1 answers 200: thanks"].assert_eq(&ended);
    let heard = outside.read(&json!(outside.heard()).to_string());
    expect![[r#"["web POST /falco/page?x=1 authorization=tests content-type=application/json host=WEB_SERVER x-team=blue {\"output\":\"a shell\",\"output_fields\":{\"k8s.ns.name\":\"shop\",\"k8s.pod.name\":\"web-0\"},\"priority\":\"Notice\",\"rule\":\"shell\",\"tags\":[],\"time\":\"2025-11-22T13:24:41Z\"}"]"#]].assert_eq(&heard);
    // What the host adds is shown to nobody.
    assert!(!lines.iter().any(|line| line.to_string().contains("blue")), "{lines:#?}");
}

#[tokio::test]
async fn what_a_server_does_reaches_the_guest() {
    let (outside, guest) = (Outside::start().await, page(GRANTS));
    let check = async |path: &str, expected| {
        guest.check(&outside, &json!({"url": format!("http://WEB_SERVER/falco/{path}")}), &expected).await;
    };
    check("moved", expect!["failure: http://WEB_SERVER/falco/moved answers 302: "]).await;
    check("busy", expect!["failure: http://WEB_SERVER/falco/busy answers 503: later"]).await;
    check("long", expect!["failure: can't send the event to http://WEB_SERVER/falco/long: the answer is too large"])
        .await;
    assert_eq!(outside.heard().len(), 3, "no redirect was followed");
    let nobody = json!({"url": "http://127.0.0.1:1/"});
    guest
        .check(
            &outside,
            &nobody,
            &expect!["failure: can't send the event to http://127.0.0.1:1/: the address can't be reached"],
        )
        .await;
}

#[tokio::test]
async fn a_server_that_never_answers_ends_at_the_deadline() {
    let outside = Outside::start().await;
    let guest = page(&format!("{GRANTS}    limits: {{deadline: 300ms}}\n"));
    let (ended, _) = guest.act(&outside, &json!({"url": "http://WEB_SERVER/falco/silent"})).await;
    assert!(ended.starts_with("failure: "), "{ended}");
    assert!(ended.contains("deadline"), "{ended}");
}

#[tokio::test]
async fn denied_http() {
    let (outside, guest) = (Outside::start().await, page(GRANTS));
    let check = async |parameters: Value, expected| guest.check(&outside, &parameters, &expected).await;
    check(json!({"url": "http://WEB_SERVER/falcon/"}), expect![[r#"
        denied: can't send the event to http://WEB_SERVER/falcon/: denied by the policy: `acme:page` may not POST http://WEB_SERVER/falcon/: it has no grant for this; to allow it, add under `http:` of `acme:page` in the policy:
          - {url: http://WEB_SERVER/falcon/, methods: [POST]}
          # it also allows what lies below `/falcon/`, any query, headers and body"#]]).await;
    check(json!({"url": "http://WEB_SERVER/falco/", "method": "PUT"}), expect![[r#"
        denied: can't send the event to http://WEB_SERVER/falco/: denied by the policy: `acme:page` may not PUT http://WEB_SERVER/falco/: it has no grant for this; to allow it, add under `http:` of `acme:page` in the policy:
          - {url: http://WEB_SERVER/falco/, methods: [PUT]}
          # it also allows what lies below `/falco/`, any query, headers and body"#]]).await;
    check(json!({"url": "http://WEB_SERVER/falco/../admin"}), expect![[r#"failure: can't send the event to http://WEB_SERVER/falco/../admin: the path `/falco/../admin` can be read in more than one way: no `.` and `..`, and no percent-encoding of `.`, `/`, `\` and `%`"#]]).await;
    check(json!({"url": "http://WEB_SERVER/falco/%2e%2e%2fadmin"}), expect![[r#"failure: can't send the event to http://WEB_SERVER/falco/%2e%2e%2fadmin: the path `/falco/%2e%2e%2fadmin` can be read in more than one way: no `.` and `..`, and no percent-encoding of `.`, `/`, `\` and `%`"#]]).await;
    check(json!({"url": "http://evil@WEB_SERVER/falco/"}), expect!["failure: can't send the event to http://evil@WEB_SERVER/falco/: an address must not carry a user or a password"]).await;
    check(json!({"url": "http://169.254.169.254/latest/meta-data/"}), expect!["denied: can't send the event to http://169.254.169.254/latest/meta-data/: denied by the policy: `acme:page` may not POST http://169.254.169.254/latest/meta-data/: it leads to where a cloud tells its machines their credentials, which no grant can allow"]).await;
    check(json!({"url": "http://localhost:1/"}), expect!["denied: can't send the event to http://localhost:1/: denied by the policy: `acme:page` may not POST http://localhost:1/: it leads to an address of this machine, which no grant can allow"]).await;
    for header in ["Host", "connection", "Transfer-Encoding", "Content-Length", "Proxy-Authorization"] {
        let (ended, _) =
            guest.act(&outside, &json!({"url": "http://WEB_SERVER/falco/", "headers": {header: "x"}})).await;
        assert!(ended.ends_with("belongs to the connection, which is the host's"), "{ended}");
    }
    assert!(outside.heard().is_empty(), "{:#?}", outside.heard());
}

#[tokio::test]
async fn a_dry_run_only_reads() {
    let (outside, guest) = (Outside::start().await, Guest { dry_run: true, ..page(GRANTS) });
    guest.act(&outside, &json!({"url": "http://WEB_SERVER/falco/a"})).await;
    guest.act(&outside, &json!({"url": "http://WEB_SERVER/falco/b", "method": "GET"})).await;
    let heard = outside.heard();
    assert_eq!(heard.len(), 1, "{heard:#?}");
    assert!(heard[0].as_str().unwrap().starts_with("web GET /falco/b"), "{heard:#?}");
}

#[tokio::test]
async fn a_secret_that_is_missing_ends_the_start() {
    let outside = Outside::start().await;
    let grants = "    http:
      - {url: 'https://hooks.acme.example/', methods: [POST], headers: {Authorization: {env: ACME_TOKEN_OF_NOBODY}, X-Key: {file: /nonexistent/key}}}
";
    let folder = page(grants).folder(&outside, &json!({"url": "https://hooks.acme.example/"}));
    let host = Host::start(config(folder.path()), Simulation::new(Vec::new()).unwrap().client()).await;
    let Err(log) = host else { panic!("it started") };
    expect![[r#"
        error policy: `acme:page`: the header `Authorization` for https://hooks.acme.example/: the environment variable ACME_TOKEN_OF_NOBODY is not set
        error policy: `acme:page`: the header `X-Key` for https://hooks.acme.example/: /nonexistent/key: No such file or directory (os error 2)
    "#]].assert_eq(&told(&log.lines()));
}

#[tokio::test]
async fn a_secret_can_lie_in_a_file() {
    let outside = Outside::start().await;
    let secrets = tempfile::tempdir().unwrap();
    let path = secrets.path().join("token");
    std::fs::write(&path, "Bearer s3cret\n").unwrap();
    let source = format!("{{file: '{}'}}", path.display());
    let grants = format!(
        "    http:\n      - {{url: 'http://WEB_SERVER/', methods: [POST], headers: {{Authorization: {source}}}}}\n"
    );
    let (ended, lines) = page(&grants).act(&outside, &json!({"url": "http://WEB_SERVER/a"})).await;
    assert!(ended.starts_with("success"), "{ended}");
    assert!(outside.heard()[0].as_str().unwrap().contains("authorization=Bearer s3cret"));
    assert!(!json!(lines).to_string().contains("s3cret"));
}
