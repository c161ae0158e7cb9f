//! Slack, a URL of the operator's own, and Loki: one request a notice.

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use notifiers::webhook::Template;
use notifiers::{Notice, loki, slack, webhook};
use policy::HeaderSource;

use super::error::SendError;
use super::http::{JSON, Request, Settings, Target, post};
use crate::config::notifiers as config;

/// The tenant of Loki.
const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");

/// Sends messages to Slack.
pub(super) struct Slack {
    target: Target,
    settings: slack::Settings,
}

impl Slack {
    pub(super) fn new(config: &config::Slack, environment: &impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let config::Slack { webhook_url, icon, username, footer, format, tls } = config;
        let settings = Settings { key: "webhook_url", url: webhook_url.as_ref(), headers: &[], user: None, tls };
        let target = Target::new(&settings, environment)?;
        let (icon, username, footer) = (icon.clone(), username.clone(), footer.clone());
        let settings = slack::Settings { icon, username, footer, is_short: format == "short" };
        Ok(Self { target, settings })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<String, SendError> {
        self.target.send(post("", JSON, slack::body(&self.settings, notice).to_string())).await
    }
}

/// Sends requests to a URL of the operator's own.
pub(super) struct Webhook {
    target: Target,
    method: Method,
    headers: HeaderMap,
    template: Option<Template>,
}

impl Webhook {
    pub(super) fn new(config: &config::Webhook, environment: &impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let config::Webhook { url, http_method, content_type, user_agent, custom_headers, body_template, tls } = config;
        let method = match http_method.to_uppercase().as_str() {
            "" | "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "GET" => Method::GET,
            other => {
                return Err(format!("wrong `http_method` setting: it must be POST, PUT, PATCH or GET, got '{other}'"));
            }
        };
        let mut headers = HeaderMap::new();
        for (key, name, value) in [("content_type", CONTENT_TYPE, content_type), ("user_agent", USER_AGENT, user_agent)]
        {
            if !value.is_empty() {
                let value = value.parse().map_err(|_| format!("wrong `{key}` setting: control characters"))?;
                headers.insert(name, value);
            }
        }
        let template = Some(body_template).filter(|template| !template.is_empty()).map(Template::parse);
        let template = template.transpose().map_err(|error| format!("wrong `body_template` setting: {error}"))?;
        let settings = Settings { key: "url", url: url.as_ref(), headers: custom_headers, user: None, tls };
        Ok(Self { target: Target::new(&settings, environment)?, method, headers, template })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<String, SendError> {
        let body = match &self.template {
            _ if self.method == Method::GET => Vec::new(),
            None => webhook::body(notice).into_bytes(),
            Some(template) => template
                .render(notice)
                .map_err(|error| SendError::lasting(format!("`body_template` makes no body: {error}")))?,
        };
        let request = Request { method: self.method.clone(), path: "", headers: self.headers.clone(), body };
        self.target.send(request).await
    }
}

/// Pushes log lines to Loki.
pub(super) struct Loki {
    target: Target,
    tenant: Option<HeaderValue>,
}

impl Loki {
    pub(super) fn new(config: &config::Loki, environment: &impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let config::Loki { url, user, api_key, tenant, custom_headers, tls } = config;
        let user = both(user, api_key.as_ref());
        let settings = Settings { key: "url", url: url.as_ref(), headers: custom_headers, user, tls };
        let tenant = Some(tenant).filter(|tenant| !tenant.is_empty()).map(|tenant| tenant.parse());
        let tenant = tenant.transpose().map_err(|_| "wrong `tenant` setting: control characters".to_owned())?;
        Ok(Self { target: Target::new(&settings, environment)?, tenant })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<String, SendError> {
        let mut request = post(loki::PATH, "application/json", loki::body(notice).to_string());
        request.headers.extend(self.tenant.clone().map(|tenant| (TENANT, tenant)));
        self.target.send(request).await
    }
}

/// A user and a password, where there are both.
pub(super) fn both<'a>(user: &'a str, password: Option<&'a HeaderSource>) -> Option<(&'a str, &'a HeaderSource)> {
    password.filter(|_| !user.is_empty()).map(|password| (user, password))
}
