//! Whom actions are reported to: the notifiers that rules and the configuration can name, and what each is sent.
//!
//! Each is a file of its own, which makes of a [`Notice`] and of checked settings what goes over the wire. No file is
//! read here, no clock, and nothing is sent. Knows neither the host nor the rules.

mod catalogue;
mod notice;

// What several of them need.
mod identity;
mod limits;
mod record;
mod words;

pub mod elasticsearch;
pub mod k8sevents;
pub mod loki;
pub mod slack;
pub mod smtp;
pub mod webhook;

pub use catalogue::{FOOTER, Information, PICTURE};
pub use identity::identity;
pub use limits::cut;
pub use notice::{Group, Notice, Stage};

/// A way to tell somebody how an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// An Elasticsearch server, or an OpenSearch one.
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

    /// The notifier of this name, in any letter case.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notifier| notifier.name().eq_ignore_ascii_case(name))
    }
}
