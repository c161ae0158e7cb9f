//! What each notifier is and can be told, for who asks: the list of the command line.

use serde_json::{Value, json};

use crate::Notifier;

/// What a notifier is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Information {
    /// In one sentence.
    pub description: &'static str,
    /// Its keys with their defaults; those that must be given say so.
    pub parameters: Value,
    /// How it is configured.
    pub example: &'static str,
}

impl Notifier {
    /// What it is.
    pub fn information(self) -> Information {
        let parameters = match self {
            Self::K8sEvents => json!({}),
            Self::Slack => json!({
                "webhook_url (required)": "",
                "icon": PICTURE,
                "username": "Falco Talon",
                "footer": FOOTER,
                "format": "long",
            }),
            Self::Smtp => json!({
                "host_port (required)": "",
                "from (required)": "",
                "to (required)": "",
                "user": "",
                "password": "",
                "format": "html",
                "tls": false,
                "tls_mode": "",
                "ca_file": "",
            }),
            Self::Webhook => json!({
                "url (required)": "",
                "http_method": "POST",
                "content_type": "application/json; charset=utf-8",
                "user_agent": "falco-talon",
                "custom_headers": {},
                "body_template": "",
            }),
            Self::Loki => json!({
                "url (required)": "",
                "user": "",
                "api_key": "",
                "tenant": "",
                "custom_headers": {},
            }),
            Self::Elasticsearch => json!({
                "url (required)": "",
                "user": "",
                "password": "",
                "custom_headers": {},
                "index": "falco-talon",
                "suffix": "daily",
                "create_index_template": true,
                "number_of_shards": 3,
                "number_of_replicas": 3,
            }),
        };
        Information {
            description: self.description(),
            parameters: self.with_common(parameters),
            example: self.example(),
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::K8sEvents => "Create a Kubernetes event beside the pod",
            Self::Slack => "Send a message to a Slack channel",
            Self::Smtp => "Send a mail",
            Self::Webhook => "Send a request to a URL",
            Self::Loki => "Push a log line to Loki",
            Self::Elasticsearch => "Send a document to Elasticsearch or OpenSearch",
        }
    }

    fn with_common(self, mut parameters: Value) -> Value {
        let is_http = !matches!(self, Self::K8sEvents | Self::Smtp);
        if let Some(parameters) = parameters.as_object_mut().filter(|_| is_http) {
            for key in ["ca_file", "cert_file", "key_file"] {
                parameters.insert(key.to_owned(), "".into());
            }
        }
        parameters
    }

    fn example(self) -> &'static str {
        match self {
            Self::K8sEvents => "default_notifiers: [k8sevents]\n",
            Self::Slack => {
                "notifiers:\n  slack:\n    webhook_url: {env: SLACK_WEBHOOK_URL}\n    format: short\n    \
                 group: {by: [rule, namespace], within: 30s}\n"
            }
            Self::Smtp => {
                "notifiers:\n  smtp:\n    host_port: mail.acme.example:587\n    from: falco-talon@acme.example\n    \
                 to: security@acme.example\n    user: falco-talon\n    password: {file: /secrets/smtp}\n    tls: true\n"
            }
            Self::Webhook => {
                "notifiers:\n  webhook:\n    url: https://hooks.acme.example/talon\n    custom_headers:\n      \
                 Authorization: {env: WEBHOOK_TOKEN}\n    body_template: '{\"text\": {{ output | tojson }}}'\n"
            }
            Self::Loki => {
                "notifiers:\n  loki:\n    url: https://loki.acme.example\n    user: talon\n    \
                 api_key: {file: /secrets/loki}\n    tenant: security\n"
            }
            Self::Elasticsearch => {
                "notifiers:\n  elasticsearch:\n    url: https://elastic.acme.example:9200\n    user: talon\n    \
                 password: {env: ELASTIC_PASSWORD}\n    suffix: monthly\n    number_of_replicas: 1\n"
            }
        }
    }
}

/// The picture beside a message, or above a mail.
pub const PICTURE: &str = "https://upload.wikimedia.org/wikipedia/commons/2/26/Circaetus_gallicus_claw.jpg";

/// What stands below it.
pub const FOOTER: &str = "http://github.com/falcosecurity/falco-talon";
