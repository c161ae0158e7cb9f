//! Requests as a server of HTTP gets them, and what its answers mean.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use host::testing::Notifier;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{notice, notifiers};

/// What a server was sent.
#[derive(Debug, Clone)]
struct Sent {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: String,
}

/// A server, and what it answers to each path.
struct Server {
    url: String,
    sent: Arc<Mutex<Vec<Sent>>>,
}

type Said = (u16, &'static str, &'static str);

impl Server {
    async fn start(answer: impl Fn(&Method, &str) -> Said + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sent = Arc::<Mutex<Vec<Sent>>>::default();
        let kept = Arc::clone(&sent);
        let service = Router::new().fallback(async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (status, retry_after, said) = answer(&method, uri.path());
            let (path, body) = (uri.to_string(), String::from_utf8(body.to_vec()).unwrap());
            kept.lock().unwrap().push(Sent { method, path, headers, body });
            let header = if retry_after.is_empty() { "x-nothing" } else { "retry-after" };
            (StatusCode::from_u16(status).unwrap(), [(header, retry_after)], said)
        });
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { url, sent }
    }

    fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[tokio::test]
async fn slack_gets_messages_at_an_address_that_nobody_reads() {
    let server = Server::start(|_, path| match path {
        "/services/T0/hunter2" => (200, "", "ok"),
        "/services/busy/hunter2" => (429, "7", "rate_limited"),
        _ => (404, "", "no_service for /services/gone/hunter2"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, format!("{}/services/T0/hunter2\n", server.url)).unwrap();
    let slack = notifiers(&format!("notifiers: {{slack: {{webhook_url: {{file: '{}'}}}}}}", file.display()), &[]);
    assert_eq!(slack.send(Notifier::Slack, &notice(), None).await.unwrap(), "200 OK: ok");
    let sent = server.sent().remove(0);
    assert_eq!(sent.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(sent.json()["text"], "[*SUCCESS*][*ACTION*] Rule: `Größe &lt;x&gt;` Action: `Label it`");

    // It is read again when it changes.
    std::fs::write(&file, format!("{}/services/busy/hunter2", server.url)).unwrap();
    let error = slack.send(Notifier::Slack, &notice(), None).await.unwrap_err();
    assert_eq!((error.message.as_str(), error.is_temporary), ("exceeding post rate limit", true));
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    std::fs::write(&file, format!("{}/services/gone/hunter2", server.url)).unwrap();
    let error = slack.send(Notifier::Slack, &notice(), None).await.unwrap_err();
    assert_eq!((error.message.as_str(), error.is_temporary), ("resource not found", false));
    std::fs::write(&file, "http://127.0.0.1:1/services/hunter2").unwrap();
    let error = slack.send(Notifier::Slack, &notice(), None).await.unwrap_err();
    assert!(error.is_temporary && !error.message.contains("hunter2"), "{error}");
    assert!(error.message.starts_with("127.0.0.1:1: "), "{error}");
    std::fs::write(&file, "hunter2").unwrap();
    let error = slack.send(Notifier::Slack, &notice(), None).await.unwrap_err();
    assert_eq!((error.message.as_str(), error.is_temporary), ("invalid url", false));
}

#[tokio::test]
async fn a_webhook_is_what_its_settings_make_of_it() {
    let server = Server::start(|_, path| if path == "/moved" { (302, "", "") } else { (204, "", "") }).await;
    let url = &server.url;
    let webhook = |rest: &str| {
        notifiers(&format!("notifiers:\n  webhook:\n    url: '{url}/a?b=c'\n    {rest}\n"), &[("T", "t0p")])
    };
    let send = async |rest: &str| {
        webhook(rest).send(Notifier::Webhook, &notice(), None).await.unwrap();
        server.sent().remove(0)
    };
    let sent = send("custom_headers: {X-Token: {env: T}, User-Agent: other}").await;
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/a?b=c"));
    assert_eq!((sent.header("x-token"), sent.header("user-agent")), ("t0p", "falco-talon"));
    assert_eq!((&sent.json()["objects"]["Pod"], &sent.json()["message"]), (&json!("web-0"), &json!("action")));
    assert!(sent.body.starts_with("{\"time\":") && sent.body.ends_with("}\n"));

    let sent =
        send("http_method: put\n    content_type: text/plain\n    body_template: '{{ rule }} on {{ objects.Pod }}'")
            .await;
    assert_eq!((sent.method.as_str(), sent.header("content-type")), ("PUT", "text/plain"));
    assert_eq!(sent.body, "Größe <x> on web-0");
    assert_eq!(send("http_method: GET").await.body, "");

    for (rest, expected) in [
        ("body_template: '{{ rule }'", "wrong `body_template` setting: line 1, column 9: syntax error"),
        ("body_template: '{{ rulle }}'", "wrong `body_template` setting: line 1, column 4: there is no 'rulle'"),
        ("http_method: FETCH", "wrong `http_method` setting: it must be POST, PUT, PATCH or GET, got 'FETCH'"),
        ("custom_headers: {Host: a}", "wrong `custom_headers` setting: Host is set by the connection"),
        (
            "custom_headers: {X-A: {env: NONE}}",
            "wrong `custom_headers` setting: X-A: the environment variable NONE is not set",
        ),
        ("ca_file: /nowhere/ca.pem", "wrong `ca_file` setting: /nowhere/ca.pem"),
    ] {
        let webhook = webhook(rest);
        let problem = webhook.problem(Notifier::Webhook).unwrap();
        assert!(problem.starts_with(expected), "{rest}: {problem}");
        let error = webhook.send(Notifier::Webhook, &notice(), None).await.unwrap_err();
        assert_eq!((error.message.as_str(), error.is_temporary), (problem, false));
    }
    assert!(server.sent().is_empty());
    let moved = notifiers(&format!("notifiers: {{webhook: {{url: '{url}/moved'}}}}"), &[]);
    let error = moved.send(Notifier::Webhook, &notice(), None).await.unwrap_err();
    assert_eq!(error.message, "302 Found: redirects are not followed");
}

#[tokio::test]
async fn credentials_are_sent_with_lines_and_documents() {
    let created = r#"{"items":[{"create":{"_index":"i","status":201}}]}"#;
    let server = Server::start(move |method, path| match (method.as_str(), path) {
        ("GET", _) => (404, "", "{}"),
        (_, "/_bulk") => (200, "", created),
        ("PUT", _) => (200, "", "{}"),
        _ => (204, "", ""),
    })
    .await;
    let url = &server.url;
    let common = format!("url: '{url}', user: u, custom_headers: {{X-A: b}}");
    let text = format!(
        "notifiers: {{loki: {{{common}, api_key: p, tenant: t}}, elasticsearch: {{{common}, password: p, suffix: none}}}}"
    );
    let notifiers = notifiers(&text, &[]);
    notifiers.send(Notifier::Loki, &notice(), None).await.unwrap();
    let said = notifiers.send(Notifier::Elasticsearch, &notice(), None).await.unwrap();
    assert_eq!(said, "201 Created: it is in i");
    notifiers.send(Notifier::Elasticsearch, &notice(), None).await.unwrap();
    let sent = server.sent();
    let requests: Vec<String> = sent.iter().map(|sent| format!("{} {}", sent.method, sent.path)).collect();
    let template = "/_index_template/falco-talon";
    let expected = [
        "POST /loki/api/v1/push",
        &format!("GET {template}"),
        &format!("PUT {template}"),
        "POST /_bulk",
        "POST /_bulk",
    ];
    assert_eq!(requests, expected);
    for sent in &sent {
        assert_eq!((sent.header("authorization"), sent.header("x-a")), ("Basic dTpw", "b"), "{sent:?}");
    }
    assert_eq!(sent[0].header("x-scope-orgid"), "t");
    assert!(sent[3].body.starts_with(r#"{"create":{"_id":""#), "{}", sent[3].body);
    assert_eq!(sent[3].body.lines().count(), 2);
}

#[tokio::test]
async fn who_may_only_write_documents_can() {
    let created = r#"{"items":[{"create":{"_index":"i","status":201}}]}"#;
    let server = Server::start(move |_, path| match path {
        "/_bulk" => (200, "", created),
        "/closed/_bulk" => (403, "", "no"),
        _ => (403, "", ""),
    })
    .await;
    let of = |path: &str| notifiers(&format!("notifiers: {{elasticsearch: {{url: '{}{path}'}}}}", server.url), &[]);
    let said = of("").send(Notifier::Elasticsearch, &notice(), None).await.unwrap();
    assert_eq!(said, "201 Created: it is in i; the template of its index was not made: access denied");
    let error = of("/closed").send(Notifier::Elasticsearch, &notice(), None).await.unwrap_err();
    assert_eq!((error.message.as_str(), error.is_temporary), ("access denied", true));
}

#[tokio::test]
async fn a_secret_may_come_later_and_is_not_said_in_parts() {
    let server = Server::start(|_, _| (400, "", "bad token headertoken or key querykey")).await;
    let folder = tempfile::tempdir().unwrap();
    let [url, token] = ["url", "token"].map(|name| folder.path().join(name));
    let text = format!(
        "notifiers: {{webhook: {{url: {{file: '{}'}}, custom_headers: {{Authorization: {{file: '{}'}}}}}}}}",
        url.display(),
        token.display()
    );
    let webhook = notifiers(&text, &[]);
    assert_eq!(webhook.problem(Notifier::Webhook), None);
    for (path, secret) in [(&url, format!("{}/a?key=querykey", server.url)), (&token, "Token headertoken".to_owned())] {
        let error = webhook.send(Notifier::Webhook, &notice(), None).await.unwrap_err();
        assert!(error.is_temporary && error.message.starts_with(&path.display().to_string()), "{error}");
        std::fs::write(path, secret).unwrap();
    }
    let error = webhook.send(Notifier::Webhook, &notice(), None).await.unwrap_err();
    assert_eq!(error.message, "header missing: bad token … or key …");
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let notifiers = notifiers("notifiers: {smtp: {host_port: 'h:1', from: a@b.example}}", &[]);
    for (notifier, expected) in [
        (Notifier::K8sEvents, None),
        (Notifier::Slack, Some("wrong `webhook_url` setting")),
        (Notifier::Smtp, Some("wrong `to` setting: it is required")),
        (Notifier::Webhook, Some("wrong `url` setting")),
        (Notifier::Loki, Some("wrong `url` setting")),
        (Notifier::Elasticsearch, Some("wrong `url` setting")),
    ] {
        assert_eq!(notifiers.problem(notifier), expected);
    }
    let odd = super::notifiers("notifiers: {slack: {webhook_url: 'hooks.slack.com/hunter2'}}", &[]);
    let expected = "invalid url: `webhook_url` must be an address of http or https";
    assert_eq!(odd.problem(Notifier::Slack), Some(expected));
    let error = notifiers.send(Notifier::K8sEvents, &notice(), None).await.unwrap_err();
    assert_eq!(error.message, "there is no cluster to send events to");
}
