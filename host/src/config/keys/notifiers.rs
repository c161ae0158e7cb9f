//! The keys of the notifiers: those of the original, and of TLS and groups, which all have.

use std::time::Duration;

use notifiers::{FOOTER, PICTURE};

use super::key::{Key, Kind, duration, integer, list, switch, text};

/// For how long equal notices are gathered.
const WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

const fn source(name: &'static str, about: &'static str) -> Key {
    Key { name, kind: Kind::Source, default: "", about }
}

const fn headers(name: &'static str) -> Key {
    Key { name, kind: Kind::Headers, default: "", about: "headers that are sent along; their values may be secrets" }
}

const fn ca_file(name: &'static str) -> Key {
    text(name, "", "PEM file of certificates that are trusted beside those of the machine")
}

const fn cert_file(name: &'static str) -> Key {
    text(name, "", "PEM file of the certificate that the host shows; needs `key_file`")
}

const fn key_file(name: &'static str) -> Key {
    text(name, "", "PEM file of its key")
}

const fn group_by(name: &'static str) -> Key {
    list(
        name,
        "",
        "equal notices are told as one: equal in these of `rule`, `action`, `actionner`, `namespace`, `pod`, `status` and \
         `output_target`; empty: each is told",
    )
}

const fn group_within(name: &'static str) -> Key {
    duration(name, "30s", WITHIN, "for how long equal ones are gathered, since the first")
}

/// All of them, by notifier.
pub(super) const KEYS: &[Key] = &[
    group_by("notifiers.k8sevents.group.by"),
    group_within("notifiers.k8sevents.group.within"),
    source("notifiers.slack.webhook_url", "address of the incoming webhook, which is a secret; required"),
    text("notifiers.slack.icon", PICTURE, "address of the picture beside a message"),
    text("notifiers.slack.username", "Falco Talon", "who seems to have sent it"),
    text("notifiers.slack.footer", FOOTER, "what stands below it; empty: nothing"),
    text("notifiers.slack.format", "long", "`long`, or `short`: one line"),
    ca_file("notifiers.slack.ca_file"),
    cert_file("notifiers.slack.cert_file"),
    key_file("notifiers.slack.key_file"),
    group_by("notifiers.slack.group.by"),
    group_within("notifiers.slack.group.within"),
    text("notifiers.smtp.host_port", "", "the mail server, as `host:port`; required"),
    text("notifiers.smtp.from", "", "who sends the mails; required"),
    list("notifiers.smtp.to", "", "who gets them; required"),
    text("notifiers.smtp.user", "", "by which name the host is known there; empty: without authentication"),
    source("notifiers.smtp.password", "its password"),
    text("notifiers.smtp.format", "html", "`html`, with the text beside it, or `text` alone"),
    switch("notifiers.smtp.tls", "false", "whether the connection is secured by STARTTLS"),
    text("notifiers.smtp.tls_mode", "", "`none`, `starttls` or `implicit`; empty: as `tls` says"),
    ca_file("notifiers.smtp.ca_file"),
    group_by("notifiers.smtp.group.by"),
    group_within("notifiers.smtp.group.within"),
    source("notifiers.webhook.url", "where requests go; required"),
    text("notifiers.webhook.http_method", "POST", "`POST`, `PUT`, `PATCH`, or `GET`, which sends no body"),
    text("notifiers.webhook.content_type", "application/json; charset=utf-8", "what the body is"),
    text("notifiers.webhook.user_agent", "falco-talon", "as what the host presents itself"),
    headers("notifiers.webhook.custom_headers"),
    text("notifiers.webhook.body_template", "", "what is sent, as a template of minijinja; empty: the record as JSON"),
    ca_file("notifiers.webhook.ca_file"),
    cert_file("notifiers.webhook.cert_file"),
    key_file("notifiers.webhook.key_file"),
    group_by("notifiers.webhook.group.by"),
    group_within("notifiers.webhook.group.within"),
    source("notifiers.loki.url", "address of the server, without the path of its API; required"),
    text("notifiers.loki.user", "", "user; counts together with `api_key`"),
    source("notifiers.loki.api_key", "password of the user"),
    text("notifiers.loki.tenant", "", "tenant, which is sent as `X-Scope-OrgID`"),
    headers("notifiers.loki.custom_headers"),
    ca_file("notifiers.loki.ca_file"),
    cert_file("notifiers.loki.cert_file"),
    key_file("notifiers.loki.key_file"),
    group_by("notifiers.loki.group.by"),
    group_within("notifiers.loki.group.within"),
    source("notifiers.elasticsearch.url", "address of the server; required"),
    text("notifiers.elasticsearch.user", "", "user; counts together with `password`"),
    source("notifiers.elasticsearch.password", "password of the user"),
    headers("notifiers.elasticsearch.custom_headers"),
    text(
        "notifiers.elasticsearch.index",
        "falco-talon",
        "how the names of the indices begin, and the name of their template",
    ),
    text(
        "notifiers.elasticsearch.suffix",
        "daily",
        "how they end: `daily` (`-YYYY.MM.DD`), `monthly`, `annually`, or `none`; by UTC",
    ),
    switch(
        "notifiers.elasticsearch.create_index_template",
        "true",
        "whether their template is made where there is none",
    ),
    integer("notifiers.elasticsearch.number_of_shards", "3", (1, 1024), "its parts of an index"),
    integer("notifiers.elasticsearch.number_of_replicas", "3", (0, 100), "its copies of each part"),
    ca_file("notifiers.elasticsearch.ca_file"),
    cert_file("notifiers.elasticsearch.cert_file"),
    key_file("notifiers.elasticsearch.key_file"),
    group_by("notifiers.elasticsearch.group.by"),
    group_within("notifiers.elasticsearch.group.within"),
];
