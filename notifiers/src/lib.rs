//! Whom actions are reported to: the notifiers that rules and the configuration can name.
//!
//! Their names are known here, so that rules are checked before the first event. This
//! version delivers to none of them; the host says so where one is asked for. Knows neither
//! the host nor the rules.

mod notice;

pub use notice::{Group, Notice, Stage};

/// A way to tell somebody how an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notifier {
    /// An `Event` of the Kubernetes cluster.
    K8sEvents,
    /// A Slack channel.
    Slack,
    /// Mail.
    Smtp,
    /// A URL of the operator's own.
    Webhook,
    /// A Loki server.
    Loki,
    /// An Elasticsearch server.
    Elasticsearch,
}

impl Notifier {
    /// All notifiers.
    pub const ALL: [Self; 6] =
        [Self::K8sEvents, Self::Slack, Self::Smtp, Self::Webhook, Self::Loki, Self::Elasticsearch];

    /// The name by which a rule's `notifiers:` asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::K8sEvents => "k8sevents",
            Self::Slack => "slack",
            Self::Smtp => "smtp",
            Self::Webhook => "webhook",
            Self::Loki => "loki",
            Self::Elasticsearch => "elasticsearch",
        }
    }
}
