//! Where a notifier sends requests of HTTP: its address and what is kept secret for it, and what its answers mean.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use notifiers::cut;
use policy::{HeaderSource, is_of_the_connection};
use reqwest::{Client, Response};
use url::Url;

use super::error::SendError;
use super::hidden::Hidden;
use super::tls;
use crate::clients::secrets::Renewed;
use crate::clients::web;
use crate::config::notifiers::Tls;

/// As what requests present themselves where it is not configured.
pub(super) const AGENT: &str = "falco-talon";

/// What records are.
pub(super) const JSON: &str = "application/json; charset=utf-8";

/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// How much of it is said.
const SAID_BYTES_MAX: usize = 300;

/// Longer than anything waits.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// A server, and how it is spoken to.
pub(super) struct Target {
    client: Client,
    url: Renewed,
    headers: Vec<(HeaderName, Renewed)>,
    /// User and password.
    user: Option<(String, Renewed)>,
}

/// What is set for a server.
pub(super) struct Settings<'a> {
    /// The name of the setting of its address.
    pub(super) key: &'static str,
    pub(super) url: Option<&'a HeaderSource>,
    pub(super) headers: &'a [(String, HeaderSource)],
    pub(super) user: Option<(&'a str, &'a HeaderSource)>,
    pub(super) tls: &'a Tls,
}

/// A request to it.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    /// Below its address; empty for the address itself.
    pub(super) path: &'a str,
    /// Count more than those that are configured.
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Its beginning.
    pub(super) body: Vec<u8>,
    /// The secrets that were sent, which are not to be said.
    hidden: Hidden,
    retry_after: Option<Duration>,
}

impl Target {
    /// The server of these settings. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Which setting is wrong, and why.
    pub(super) fn new(settings: &Settings<'_>, environment: &impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let Settings { key, url, headers, user, tls } = settings;
        let wrong = |key: &str, reason: &dyn std::fmt::Display| format!("wrong `{key}` setting: {reason}");
        let url = url.ok_or_else(|| format!("wrong `{key}` setting"))?;
        let url = Renewed::new(url, environment).map_err(|reason| wrong(key, &reason))?;
        // One that is not there yet is looked at when it is sent to.
        if url.last().is_some_and(|url| address(url.expose(), "").is_none()) {
            return Err(format!("invalid url: `{key}` must be an address of http or https"));
        }
        let mut kept = Vec::new();
        for (name, source) in *headers {
            if is_of_the_connection(name) {
                return Err(wrong("custom_headers", &format!("{name} is set by the connection")));
            }
            let parsed: HeaderName =
                name.parse().map_err(|_| wrong("custom_headers", &format!("'{name}' is not the name of a header")))?;
            let value = Renewed::new(source, environment);
            let value = value.map_err(|reason| wrong("custom_headers", &format!("{name}: {reason}")))?;
            kept.push((parsed, value));
        }
        let user = user.map(|(user, password)| Ok((user.to_owned(), Renewed::new(password, environment)?)));
        let user = user.transpose().map_err(|reason: String| wrong("password", &reason))?;
        let client = web::build(web::client_with(tls::config(tls)?)).map_err(|error| error.to_string())?;
        Ok(Self { client, url, headers: kept, user })
    }

    /// Send a request.
    ///
    /// # Errors
    ///
    /// Where there is no answer.
    pub(super) async fn exchange(&self, request: Request<'_>) -> Result<Answer, SendError> {
        let Request { method, path, headers, body } = request;
        let text = self.url.now().await.map_err(SendError::temporary)?;
        let invalid = || SendError::lasting("invalid url");
        let (base, url) = address(text.expose(), "").zip(address(text.expose(), path)).ok_or_else(invalid)?;
        let mut hidden = Hidden::default();
        hidden.address(text.expose(), &base);
        let mut sent = HeaderMap::new();
        sent.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        for (name, value) in &self.headers {
            let value = value.now().await.map_err(SendError::temporary)?;
            let text = HeaderValue::from_str(value.expose());
            let mut text =
                text.map_err(|_| SendError::lasting(format!("the header {name} can't be sent: control characters")))?;
            text.set_sensitive(true);
            sent.insert(name, text);
            hidden.header(value.expose());
        }
        for (name, value) in &headers {
            sent.insert(name, value.clone());
        }
        let server = web::server(&url);
        let mut request = self.client.request(method, url).headers(sent);
        if let Some((user, password)) = &self.user {
            let password = password.now().await.map_err(SendError::temporary)?;
            request = request.basic_auth(user, Some(password.expose()));
            hidden.credentials(user, password.expose());
        }
        let request = if body.is_empty() { request } else { request.body(body) };
        let unsent = |error: reqwest::Error| {
            let causes = hidden.hide(&web::with_causes(&error.without_url()));
            SendError::temporary(format!("{server}: {causes}"))
        };
        let response = request.send().await.map_err(unsent)?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let body = read(response).await;
        // What the status says is known, also where its words are lost.
        let body = if status.is_success() { body.map_err(unsent)? } else { body.unwrap_or_default() };
        Ok(Answer { status, body, hidden, retry_after })
    }

    /// Send a request that must succeed, and say what was answered.
    ///
    /// # Errors
    ///
    /// Where it has not.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<String, SendError> {
        let answer = self.exchange(request).await?;
        if answer.status.is_success() { Ok(answer.said()) } else { Err(answer.error()) }
    }
}

/// A request with a body of JSON.
pub(super) fn post<'a>(path: &'a str, content_type: &'static str, body: String) -> Request<'a> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    Request { method: Method::POST, path, headers, body: body.into_bytes() }
}

impl Answer {
    /// The status and the first words.
    pub(super) fn said(&self) -> String {
        let words = self.words();
        if words.is_empty() { self.status.to_string() } else { format!("{}: {words}", self.status) }
    }

    /// What it means that this was no success, in the words of the original.
    pub(super) fn error(&self) -> SendError {
        self.error_of(self.status)
    }

    /// The same of a part of it with a status of its own.
    pub(super) fn error_of(&self, status: StatusCode) -> SendError {
        let words = || match self.words() {
            words if words.is_empty() => String::new(),
            words => format!(": {words}"),
        };
        let message = match status.as_u16() {
            400 => format!("header missing{}", words()),
            401 => "authentication error".to_owned(),
            403 => "access denied".to_owned(),
            404 => "resource not found".to_owned(),
            422 => "wrong request".to_owned(),
            429 => "exceeding post rate limit".to_owned(),
            300..=399 => format!("{status}: redirects are not followed"),
            _ => format!("{status}{}", words()),
        };
        // Secrets may be renewed, and rights granted.
        let is_temporary = matches!(status.as_u16(), 401 | 403 | 408 | 429) || status.is_server_error();
        SendError { message, is_temporary, retry_after: self.retry_after.filter(|_| is_temporary) }
    }

    /// A text without the secrets that were sent.
    pub(super) fn hide(&self, text: &str) -> String {
        cut(&self.hidden.hide(text), SAID_BYTES_MAX).into_owned()
    }

    fn words(&self) -> String {
        let words = String::from_utf8_lossy(&self.body);
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        self.hide(words.trim_matches(char::is_control))
    }
}

/// The beginning of a body; the rest is left where it is.
async fn read(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let chunk: Bytes = chunk;
        let left = ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(left)]);
        if body.len() == ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(body)
}

/// An address of HTTP, with a path below it.
fn address(text: &str, path: &str) -> Option<Url> {
    let text = if path.is_empty() { text } else { text.trim_end_matches('/') };
    let url = Url::parse(&format!("{text}{path}")).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// How long the server asks to wait: in seconds, or until a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => until(jiff::fmt::rfc2822::parse(text).ok()?.timestamp()),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

fn until(time: Timestamp) -> Duration {
    SystemTime::from(time).duration_since(SystemTime::now()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        let mut hidden = Hidden::default();
        hidden.address("https://h/hunter2", &address("https://h/hunter2", "").unwrap());
        hidden.header("a");
        Answer { status: StatusCode::OK, body: body.into(), hidden, retry_after: Some(Duration::from_secs(7)) }
    }

    #[test]
    fn errors_are_those_of_the_original() {
        for (status, expected, is_temporary) in [
            (400, "header missing: no 'a' at all, see …", false),
            (401, "authentication error", true),
            (403, "access denied", true),
            (404, "resource not found", false),
            (408, "408 Request Timeout: no 'a' at all, see …", true),
            (422, "wrong request", false),
            (429, "exceeding post rate limit", true),
            (500, "500 Internal Server Error: no 'a' at all, see …", true),
            (302, "302 Found: redirects are not followed", false),
        ] {
            let error = answer("no 'a'\nat all, see /hunter2").error_of(StatusCode::from_u16(status).unwrap());
            assert_eq!((error.message.as_str(), error.is_temporary), (expected, is_temporary));
            assert_eq!(error.retry_after.is_some(), is_temporary);
        }
    }

    #[test]
    fn addresses() {
        let joined = |text, path| address(text, path).map(String::from);
        assert_eq!(joined("http://h:1/a/", "/b").as_deref(), Some("http://h:1/a/b"));
        assert_eq!(joined("https://h/a/?b=c", "").as_deref(), Some("https://h/a/?b=c"));
        for wrong in ["", "h:1", "ftp://h/", "http://", "slack"] {
            assert_eq!(joined(wrong, ""), None, "{wrong}");
        }
    }

    #[test]
    fn how_long_to_wait() {
        let wait =
            |text: &'static str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]));
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Sat, 21 Oct 2215 07:28:00 GMT"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("soon"), None);
    }
}
