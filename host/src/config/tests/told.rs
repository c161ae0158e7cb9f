//! The settings of notifiers, and where their secrets are.

use ::notifiers::Notifier;
use policy::{HeaderSource, Secret};

use super::*;
use crate::config::notifiers::TlsMode;

fn text(text: &str) -> Option<HeaderSource> {
    Some(HeaderSource::Text(Secret::new(text)))
}

#[test]
fn defaults_are_those_of_the_original() {
    let notifiers = config("", &[]).notifiers;
    assert_eq!((&notifiers.slack.webhook_url, notifiers.slack.username.as_str()), (&None, "Falco Talon"));
    assert_eq!((notifiers.slack.format.as_str(), notifiers.smtp.format.as_str()), ("long", "html"));
    assert_eq!(notifiers.smtp.tls_mode, TlsMode::None);
    assert_eq!(
        (notifiers.webhook.http_method.as_str(), notifiers.webhook.user_agent.as_str()),
        ("POST", "falco-talon")
    );
    let elasticsearch = &notifiers.elasticsearch;
    assert_eq!((elasticsearch.index.as_str(), elasticsearch.suffix.as_str()), ("falco-talon", "daily"));
    assert_eq!((elasticsearch.number_of_shards, elasticsearch.number_of_replicas), (3, 3));
    assert!(elasticsearch.create_index_template && notifiers.group(Notifier::Slack).is_none());
}

#[test]
fn secrets_are_texts_or_where_they_are() {
    let written = config(
        "default_notifiers: [Slack, loki]\n\
         notifiers:\n  Slack:\n    webhook_url: {env: HOOK}\n    footer: ''\n    group: {by: [rule, namespace]}\n  \
         smtp: {to: 'a@acme.example, b@acme.example', password: {file: /p}, tls: true}\n  \
         webhook: {url: 'https://h', custom_headers: {X-A: b, Authorization: {env: T}}, cert_file: /c, key_file: /k}\n",
        &[("NOTIFIERS_SMTP_USER", "u"), ("NOTIFIERS_WEBHOOK_URL", "https://other"), ("NOTIFIERS_LOKI_GROUP_BY", "pod")],
    )
    .notifiers;
    assert_eq!(written.slack.webhook_url, Some(HeaderSource::Env("HOOK".to_owned())));
    assert_eq!(written.slack.footer, "");
    assert_eq!((written.smtp.user.as_str(), written.smtp.tls_mode), ("u", TlsMode::StartTls));
    assert_eq!(written.smtp.password, Some(HeaderSource::File("/p".into())));
    assert_eq!(written.smtp.to, ["a@acme.example", "b@acme.example"]);
    assert_eq!(written.webhook.url, text("https://other"));
    let names: Vec<&str> = written.webhook.custom_headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["X-A", "Authorization"]);
    assert_eq!(written.webhook.tls.identity, Some(("/c".into(), "/k".into())));
    let group = written.group(Notifier::Slack).unwrap();
    assert_eq!((group.by.join(","), group.within), ("rule,namespace".to_owned(), Duration::from_secs(30)));
    assert_eq!(written.group(Notifier::Loki).unwrap().by, ["pod"]);
    let headers = [("NOTIFIERS_WEBHOOK_CUSTOM_HEADERS", "X-A: b,X-C:d:e")];
    let headers = config("", &headers).notifiers.webhook.custom_headers;
    assert_eq!(headers, [("X-A".to_owned(), text("b").unwrap()), ("X-C".to_owned(), text("d:e").unwrap())]);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    check_error(
        "notifiers:\n  slack: {webhook_url: [a], group: {by: [rules]}}\n  smtp: {tls_mode: ssl}\n  \
         loki: {cert_file: /c}\n  elasticsearch: {number_of_shards: 0}\n  webhook: {custom_headers: [a]}\n",
        &[],
        "error unmarshalling config file: 'c.yaml:2:24: 'notifiers.slack.webhook_url' expected type 'string', got a list; \
         c.yaml:3:20: 'notifiers.smtp.tls_mode' must be none, starttls or implicit, got 'ssl'; \
         c.yaml:6:29: 'notifiers.webhook.custom_headers' expected a map of names and values, got no map of headers; \
         c.yaml:4:21: 'notifiers.loki.cert_file' needs 'notifiers.loki.key_file'; \
         c.yaml:5:37: 'notifiers.elasticsearch.number_of_shards' must be from 1 to 1024, got 0; \
         c.yaml:2:41: 'notifiers.slack.group.by' must be of rule, action, actionner, namespace, pod, status, output_target, \
         got 'rules'; did you mean 'rule'?'",
    );
    check_warnings(
        "notifiers:\n  slak: {webhook_url: a}\n  slack: {icno: a, group: {within: 5s}}\n  smtp: {user: u}\n",
        &[],
        &[
            "c.yaml:2:3: unknown key 'notifiers.slak' is ignored; did you mean 'notifiers.slack'?",
            "c.yaml:3:11: unknown key 'notifiers.slack.icno' is ignored; did you mean 'notifiers.slack.icon'?",
            "c.yaml:4:16: the password of 'notifiers.smtp.user' can be read on its way; set 'notifiers.smtp.tls'",
            "c.yaml:3:36: 'notifiers.slack.group.within' has no effect without 'notifiers.slack.group.by'",
        ],
    );
}
