//! Elasticsearch and OpenSearch: documents, and the template of their indices, which comes first.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, Method, StatusCode};
use notifiers::Notice;
use notifiers::elasticsearch::{self, BULK_PATH, Suffix, TEMPLATE_PATH};

use super::error::SendError;
use super::http::{Answer, JSON, Request, Settings, Target, post};
use super::posts::both;
use crate::config::notifiers as config;

/// What lines of JSON are.
const LINES: &str = "application/x-ndjson";

/// Sends documents.
pub(super) struct Elasticsearch {
    target: Target,
    settings: elasticsearch::Settings,
    /// Whether the template is there, or was not asked for.
    has_template: AtomicBool,
}

impl Elasticsearch {
    pub(super) fn new(
        config: &config::Elasticsearch,
        environment: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let user = both(&config.user, config.password.as_ref());
        let config::Elasticsearch { url, custom_headers, index, suffix, tls, .. } = config;
        let settings = Settings { key: "url", url: url.as_ref(), headers: custom_headers, user, tls };
        let target = Target::new(&settings, environment)?;
        if !elasticsearch::is_index(index) {
            return Err(format!(
                "wrong `index` setting: '{index}' is not the name of an index: lower-case letters, \
                 digits, `-`, `_` and `.`, and it begins with a letter or a digit"
            ));
        }
        let settings = elasticsearch::Settings {
            index: index.clone(),
            suffix: Suffix::of(suffix),
            number_of_shards: config.number_of_shards,
            number_of_replicas: config.number_of_replicas,
        };
        Ok(Self { target, settings, has_template: AtomicBool::new(!config.create_index_template) })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<String, SendError> {
        let note = match self.make_template().await {
            Ok(()) => String::new(),
            // An index that is made before its template does without it for ever.
            Err(error) if error.is_temporary => return Err(error),
            // Who may only write documents can still do that.
            Err(error) => format!("; the template of its index was not made: {error}"),
        };
        let answer = self.target.exchange(post(BULK_PATH, LINES, elasticsearch::bulk(&self.settings, notice))).await?;
        if !answer.status.is_success() {
            return Err(answer.error());
        }
        let unread = || SendError::temporary("the server does not say what became of the document");
        let item = elasticsearch::item(&answer.body).ok_or_else(unread)?;
        match StatusCode::from_u16(item.status) {
            // It was sent before.
            Ok(StatusCode::CONFLICT) => Ok(format!("it is in {} already{note}", item.index)),
            Ok(status) if status.is_success() => {
                // Said once, and not tried for each document.
                self.has_template.store(true, Ordering::Relaxed);
                Ok(format!("{status}: it is in {}{note}", item.index))
            }
            Ok(status) => {
                let error = answer.error_of(status);
                let message = format!("{status}: {}", answer.hide(&item.error));
                Err(SendError { message, ..error })
            }
            Err(_) => Err(unread()),
        }
    }

    /// Make the template where there is none.
    async fn make_template(&self) -> Result<(), SendError> {
        if self.has_template.load(Ordering::Relaxed) {
            return Ok(());
        }
        let path = format!("{TEMPLATE_PATH}{}", self.settings.index);
        let ask = Request { method: Method::GET, path: &path, headers: HeaderMap::new(), body: Vec::new() };
        let answer = self.target.exchange(ask).await?;
        if answer.status == StatusCode::NOT_FOUND {
            let template = elasticsearch::template(&self.settings).to_string();
            let make = Request { method: Method::PUT, ..post(&path, JSON, template) };
            let made = self.target.exchange(make).await?;
            if !made.status.is_success() {
                return Err(unmade(&made));
            }
        } else if !answer.status.is_success() {
            return Err(unmade(&answer));
        }
        self.has_template.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Why there is no template. Who may never make one is not kept from writing documents.
fn unmade(answer: &Answer) -> SendError {
    let error = answer.error();
    SendError { is_temporary: error.is_temporary && answer.status != StatusCode::FORBIDDEN, ..error }
}
