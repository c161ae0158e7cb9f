//! How people are told: the settings of each notifier.
//!
//! What is missing is none of this module's findings: a notifier that no rule names needs no settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use notifiers::Notifier;
use policy::HeaderSource;

use super::keys;
use super::raw::Reader;

/// The settings of all notifiers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notifiers {
    /// Of Slack.
    pub slack: Slack,
    /// Of mail.
    pub smtp: Smtp,
    /// Of the URL of the operator's own.
    pub webhook: Webhook,
    /// Of Loki.
    pub loki: Loki,
    /// Of Elasticsearch.
    pub elasticsearch: Elasticsearch,
    groups: BTreeMap<Notifier, Group>,
}

/// Which notices are told as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Those that are equal in these, of `GROUP_BY`.
    pub by: Vec<String>,
    /// And end within this time after the first.
    pub within: Duration,
}

/// By what notices can be grouped.
const GROUP_BY: [&str; 7] = ["rule", "action", "actionner", "namespace", "pod", "status", "output_target"];

/// Settings of Slack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slack {
    /// Where messages go.
    pub webhook_url: Option<HeaderSource>,
    /// The address of a picture.
    pub icon: String,
    /// Who seems to have sent it.
    pub username: String,
    /// What stands below.
    pub footer: String,
    /// `short`, or anything else.
    pub format: String,
    /// How the connection is secured.
    pub tls: Tls,
}

/// Settings of mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Smtp {
    /// Where the server is.
    pub host_port: String,
    /// Who sends.
    pub from: String,
    /// Who gets.
    pub to: Vec<String>,
    /// Empty for no authentication.
    pub user: String,
    /// Of the user.
    pub password: Option<HeaderSource>,
    /// `text`, or anything else.
    pub format: String,
    /// When the connection is secured.
    pub tls_mode: TlsMode,
    /// Certificates that are trusted beside those of the machine.
    pub ca_file: Option<PathBuf>,
}

/// When a connection to a mail server is secured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    #[default]
    None,
    /// Once the server has said that it can.
    StartTls,
    /// From its first byte on.
    Implicit,
}

/// Settings of a URL of the operator's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Webhook {
    /// Where requests go.
    pub url: Option<HeaderSource>,
    /// The method.
    pub http_method: String,
    /// What the body is.
    pub content_type: String,
    /// As what the host presents itself.
    pub user_agent: String,
    /// Headers that are sent along.
    pub custom_headers: Vec<(String, HeaderSource)>,
    /// Makes the body; empty for the record.
    pub body_template: String,
    /// How the connection is secured.
    pub tls: Tls,
}

/// Settings of Loki.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loki {
    /// Where the server is.
    pub url: Option<HeaderSource>,
    /// Counts together with the key.
    pub user: String,
    /// The key.
    pub api_key: Option<HeaderSource>,
    /// Empty for none.
    pub tenant: String,
    /// Headers that are sent along.
    pub custom_headers: Vec<(String, HeaderSource)>,
    /// How the connection is secured.
    pub tls: Tls,
}

/// Settings of Elasticsearch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elasticsearch {
    /// Where the server is.
    pub url: Option<HeaderSource>,
    /// Counts together with the password.
    pub user: String,
    /// The password.
    pub password: Option<HeaderSource>,
    /// Headers that are sent along.
    pub custom_headers: Vec<(String, HeaderSource)>,
    /// How the names of indices begin.
    pub index: String,
    /// How they end.
    pub suffix: String,
    /// Whether the template of the indices is made where there is none.
    pub create_index_template: bool,
    /// Of an index.
    pub number_of_shards: u64,
    /// Of each shard.
    pub number_of_replicas: u64,
    /// How the connection is secured.
    pub tls: Tls,
}

/// How a connection is secured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates that are trusted beside those of the machine.
    pub ca_file: Option<PathBuf>,
    /// The certificate that the host shows, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Notifiers {
    /// Which notices are told as one; nothing where each is told.
    pub fn group(&self, notifier: Notifier) -> Option<&Group> {
        self.groups.get(&notifier)
    }
}

pub(super) fn notifiers(reader: &mut Reader) -> Notifiers {
    Notifiers {
        slack: Slack {
            webhook_url: reader.source("notifiers.slack.webhook_url"),
            icon: reader.text("notifiers.slack.icon"),
            username: reader.text("notifiers.slack.username"),
            footer: reader.text("notifiers.slack.footer"),
            format: one_of(reader, "notifiers.slack.format", &["long", "short"]),
            tls: tls(reader, Notifier::Slack),
        },
        smtp: smtp(reader),
        webhook: Webhook {
            url: reader.source("notifiers.webhook.url"),
            http_method: reader.text("notifiers.webhook.http_method"),
            content_type: reader.text("notifiers.webhook.content_type"),
            user_agent: reader.text("notifiers.webhook.user_agent"),
            custom_headers: reader.headers("notifiers.webhook.custom_headers"),
            body_template: reader.text("notifiers.webhook.body_template"),
            tls: tls(reader, Notifier::Webhook),
        },
        loki: Loki {
            url: reader.source("notifiers.loki.url"),
            user: reader.text("notifiers.loki.user"),
            api_key: reader.source("notifiers.loki.api_key"),
            tenant: reader.text("notifiers.loki.tenant"),
            custom_headers: reader.headers("notifiers.loki.custom_headers"),
            tls: tls(reader, Notifier::Loki),
        },
        elasticsearch: elasticsearch(reader),
        groups: Notifier::ALL.into_iter().filter_map(|notifier| Some((notifier, group(reader, notifier)?))).collect(),
    }
}

/// The first of these stands for anything else, as in the original, but not without a word.
fn one_of(reader: &mut Reader, key: &'static str, known: &[&str]) -> String {
    let text = reader.text(key);
    if let [first, others @ ..] = known
        && !known.contains(&text.as_str())
    {
        let others = others.join(", ");
        reader.warn(key, format!("'{key}' must be {first}, {others}, got '{text}'; using {first}"));
    }
    text
}

fn smtp(reader: &mut Reader) -> Smtp {
    let is_starttls = reader.switch("notifiers.smtp.tls");
    let written = reader.text("notifiers.smtp.tls_mode");
    let tls_mode = match written.as_str() {
        "" if is_starttls => TlsMode::StartTls,
        "" | "none" => TlsMode::None,
        "starttls" => TlsMode::StartTls,
        "implicit" => TlsMode::Implicit,
        _ => {
            let problem = format!("'notifiers.smtp.tls_mode' must be none, starttls or implicit, got '{written}'");
            reader.problem("notifiers.smtp.tls_mode", problem);
            TlsMode::None
        }
    };
    let user = reader.text("notifiers.smtp.user");
    if tls_mode == TlsMode::None && !user.is_empty() {
        let warning = "the password of 'notifiers.smtp.user' can be read on its way; set 'notifiers.smtp.tls'";
        reader.warn("notifiers.smtp.user", warning.to_owned());
    }
    Smtp {
        host_port: reader.text("notifiers.smtp.host_port"),
        from: reader.text("notifiers.smtp.from"),
        to: reader.list("notifiers.smtp.to"),
        user,
        password: reader.source("notifiers.smtp.password"),
        format: one_of(reader, "notifiers.smtp.format", &["html", "text"]),
        tls_mode,
        ca_file: path(reader, "notifiers.smtp.ca_file"),
    }
}

fn elasticsearch(reader: &mut Reader) -> Elasticsearch {
    Elasticsearch {
        url: reader.source("notifiers.elasticsearch.url"),
        user: reader.text("notifiers.elasticsearch.user"),
        password: reader.source("notifiers.elasticsearch.password"),
        custom_headers: reader.headers("notifiers.elasticsearch.custom_headers"),
        index: reader.text("notifiers.elasticsearch.index"),
        suffix: one_of(reader, "notifiers.elasticsearch.suffix", &["daily", "monthly", "annually", "none"]),
        create_index_template: reader.switch("notifiers.elasticsearch.create_index_template"),
        number_of_shards: reader.integer("notifiers.elasticsearch.number_of_shards"),
        number_of_replicas: reader.integer("notifiers.elasticsearch.number_of_replicas"),
        tls: tls(reader, Notifier::Elasticsearch),
    }
}

fn tls(reader: &mut Reader, notifier: Notifier) -> Tls {
    let [ca_file, cert_file, key_file] = ["ca_file", "cert_file", "key_file"].map(|name| key(notifier, name));
    let identity = match (path(reader, cert_file), path(reader, key_file)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (certificate, _) => {
            let [given, missing] = if certificate.is_some() { [cert_file, key_file] } else { [key_file, cert_file] };
            reader.problem(given, format!("'{given}' needs '{missing}'"));
            None
        }
    };
    Tls { ca_file: path(reader, ca_file), identity }
}

fn group(reader: &mut Reader, notifier: Notifier) -> Option<Group> {
    let (by_key, within_key) = (key(notifier, "group.by"), key(notifier, "group.within"));
    let (by, within) = (reader.list(by_key), reader.duration(within_key));
    if let Some(wrong) = by.iter().find(|name| !GROUP_BY.contains(&name.as_str())) {
        let hint = rules::nearest::suggestion(wrong, GROUP_BY);
        let problem = format!("'{by_key}' must be of {}, got '{wrong}'{hint}", GROUP_BY.join(", "));
        reader.problem(by_key, problem);
    }
    if by.is_empty() && reader.is_written(within_key) {
        reader.warn(within_key, format!("'{within_key}' has no effect without '{by_key}'"));
    }
    (!by.is_empty()).then_some(Group { by, within })
}

/// The name of a key that several notifiers have.
fn key(notifier: Notifier, name: &str) -> &'static str {
    keys::find(&format!("notifiers.{}.{name}", notifier.name())).map_or("", |key| key.name)
}

fn path(reader: &mut Reader, key: &'static str) -> Option<PathBuf> {
    Some(reader.text(key)).filter(|text| !text.is_empty()).map(PathBuf::from)
}
