//! The clients of the notifiers: each sends what the crate `notifiers` makes of a notice, and says what came of it.
//!
//! Knows neither what waits nor what is tried again; that is for whoever asks.

mod error;
mod hidden;
mod tls;

mod http;

mod elasticsearch;
mod posts;

mod kubernetes;
mod smtp;

use std::time::Duration;

use notifiers::{Notice, Notifier};
use tokio::time::timeout;

use super::kubernetes::Kubernetes;
use crate::config::notifiers as config;
use elasticsearch::Elasticsearch;
pub use error::SendError;
use posts::{Loki, Slack, Webhook};
use smtp::Smtp;

/// How long it may take to send one notice, all in all: to find and to reach its server, and to be answered.
const SEND_MAX: Duration = Duration::from_secs(30);

/// One client for each notifier, or why there is none.
pub struct Notifiers {
    slack: Result<Slack, String>,
    smtp: Result<Smtp, String>,
    webhook: Result<Webhook, String>,
    loki: Result<Loki, String>,
    elasticsearch: Result<Elasticsearch, String>,
    own_namespace: Option<String>,
}

impl Notifiers {
    /// The clients of all that are configured. Nothing is sent yet, and what is wrong with one is kept as its
    /// [`problem`](Self::problem).
    pub fn new(
        config: &config::Notifiers,
        own_namespace: Option<&str>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Self {
        Self {
            slack: Slack::new(&config.slack, &environment),
            smtp: Smtp::new(&config.smtp, &environment),
            webhook: Webhook::new(&config.webhook, &environment),
            loki: Loki::new(&config.loki, &environment),
            elasticsearch: Elasticsearch::new(&config.elasticsearch, &environment),
            own_namespace: own_namespace.map(str::to_owned),
        }
    }

    /// What is wrong with the settings of one, so that it can send nothing.
    pub fn problem(&self, notifier: Notifier) -> Option<&str> {
        let problem = match notifier {
            Notifier::K8sEvents => None,
            Notifier::Slack => self.slack.as_ref().err(),
            Notifier::Smtp => self.smtp.as_ref().err(),
            Notifier::Webhook => self.webhook.as_ref().err(),
            Notifier::Loki => self.loki.as_ref().err(),
            Notifier::Elasticsearch => self.elasticsearch.as_ref().err(),
        };
        problem.map(String::as_str)
    }

    /// Send a notice, and say what the service has said.
    ///
    /// # Errors
    ///
    /// Where it has not arrived, or nobody knows. One that was sent before and arrives once more is taken for the same
    /// by services that can tell.
    pub async fn send(
        &self,
        notifier: Notifier,
        notice: &Notice,
        kubernetes: Option<&Kubernetes>,
    ) -> Result<String, SendError> {
        let sent = timeout(SEND_MAX, self.send_in_time(notifier, notice, kubernetes)).await;
        sent.unwrap_or_else(|_| Err(SendError::late(SEND_MAX)))
    }

    async fn send_in_time(
        &self,
        notifier: Notifier,
        notice: &Notice,
        kubernetes: Option<&Kubernetes>,
    ) -> Result<String, SendError> {
        match notifier {
            Notifier::K8sEvents => {
                let none = || SendError::lasting("there is no cluster to send events to");
                kubernetes::send(kubernetes.ok_or_else(none)?, notice, self.own_namespace.as_deref()).await
            }
            Notifier::Slack => configured(&self.slack)?.send(notice).await,
            Notifier::Smtp => configured(&self.smtp)?.send(notice).await,
            Notifier::Webhook => configured(&self.webhook)?.send(notice).await,
            Notifier::Loki => configured(&self.loki)?.send(notice).await,
            Notifier::Elasticsearch => configured(&self.elasticsearch)?.send(notice).await,
        }
    }
}

fn configured<T>(client: &Result<T, String>) -> Result<&T, SendError> {
    client.as_ref().map_err(SendError::lasting)
}
