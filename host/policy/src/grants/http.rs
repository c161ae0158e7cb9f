//! Grants of addresses of the web, and the headers that the host keeps for them.

use std::fmt;
use std::path::PathBuf;

use super::write::{flow_list, scalar};
use crate::address::WebAddress;
use crate::secret::Secret;

/// What is asked of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Read.
    Get,
    /// Read what would come before the body.
    Head,
    /// Hand something in.
    Post,
    /// Put something in its place.
    Put,
    /// Change a part.
    Patch,
    /// Remove.
    Delete,
}

/// One line of the policy: which addresses may be asked for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpGrant {
    /// The origin, and a path that those asked for begin with, up to the end of a segment.
    pub url: WebAddress,
    /// At least one.
    pub methods: Vec<Method>,
    /// What the host adds to each request, in place of the guest's own of the same name.
    pub headers: Vec<(String, HeaderSource)>,
}

/// Where the value of a header comes from. It is read when the policy comes into force, so that
/// one that is missing is found before the first event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderSource {
    /// The policy itself: a secret, perhaps, that should not stand there.
    Text(Secret),
    /// This variable of the host's environment.
    Env(String),
    /// This file, without the line break at its end.
    File(PathBuf),
}

/// What is printed in place of a text.
pub(super) const HIDDEN: &str = "hidden";

/// Words in the names of headers that carry credentials.
const WORDS_OF_CREDENTIALS: [&str; 8] =
    ["auth", "cookie", "credential", "key", "password", "secret", "session", "token"];

/// How values of headers begin that are credentials.
const SCHEMES: [&str; 4] = ["basic ", "bearer ", "splunk ", "token "];

/// Headers that belong to the connection, which is the host's, or that name its other end.
const OF_THE_CONNECTION: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header is none of those who make the request.
pub fn is_of_the_connection(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("proxy-") || OF_THE_CONNECTION.contains(&name.as_str())
}

impl Method {
    /// Every method, reads first.
    pub const ALL: [Method; 6] = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete];

    /// As it is sent, and as the policy writes it.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// The method of this name, which is in upper case.
    pub fn find(name: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether it may change something.
    pub fn is_write(self) -> bool {
        match self {
            Method::Get | Method::Head => false,
            Method::Post | Method::Put | Method::Patch | Method::Delete => true,
        }
    }
}

impl HeaderSource {
    /// Whether it is a text that should not stand in the policy, by its looks and the name of its header.
    pub(super) fn is_written_secret(&self, name: &str) -> bool {
        let HeaderSource::Text(text) = self else { return false };
        let (name, text) = (name.to_ascii_lowercase(), text.expose().to_ascii_lowercase());
        WORDS_OF_CREDENTIALS.iter().any(|word| name.contains(word))
            || SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }
}

impl HttpGrant {
    /// Whether it speaks of this request.
    pub fn covers(&self, method: Method, url: &WebAddress) -> bool {
        self.methods.contains(&method) && self.url.covers(url)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// As the policy file writes it: the place of a secret, not the secret. Where that stands in the policy, the word in
/// its place is one that no policy may have, so that nobody takes what is printed for the policy.
impl fmt::Display for HeaderSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderSource::Text(_) => write!(formatter, "{{{HIDDEN}: text}}"),
            HeaderSource::Env(name) => write!(formatter, "{{env: {}}}", scalar(name)),
            HeaderSource::File(path) => write!(formatter, "{{file: {}}}", scalar(&path.display().to_string())),
        }
    }
}

/// As the policy file writes it.
impl fmt::Display for HttpGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HttpGrant { url, methods, headers } = self;
        write!(formatter, "{{url: {}, methods: {}", scalar(&url.to_string()), flow_list(methods))?;
        if !headers.is_empty() {
            let headers: Vec<String> =
                headers.iter().map(|(name, source)| format!("{}: {source}", scalar(name))).collect();
            write!(formatter, ", headers: {{{}}}", headers.join(", "))?;
        }
        formatter.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_are_known_in_any_case() {
        for name in
            ["Host", "CONNECTION", "Transfer-Encoding", "content-length", "TE", "Proxy-Authorization", "Upgrade"]
        {
            assert!(is_of_the_connection(name), "{name}");
        }
        for name in ["Authorization", "X-Host", "Content-Type", "Team"] {
            assert!(!is_of_the_connection(name), "{name}");
        }
    }

    #[test]
    fn credentials_are_known_by_their_looks() {
        let check = |name: &str, text: &str, expected: bool| {
            assert_eq!(HeaderSource::Text(Secret::new(text)).is_written_secret(name), expected, "{name}");
        };
        check("Authorization", "x", true);
        check("X-API-Key", "x", true);
        check("PRIVATE-TOKEN", "x", true);
        check("X-Any", "Bearer x", true);
        check("X-Team", "blue", false);
        check("Content-Type", "application/json", false);
        assert!(!HeaderSource::Env("TOKEN".to_owned()).is_written_secret("Authorization"));
    }

    #[test]
    fn a_grant_shows_no_secret() {
        let grant = HttpGrant {
            url: WebAddress::parse("https://hooks.acme.example/falco/").unwrap(),
            methods: vec![Method::Post],
            headers: vec![
                ("Authorization".to_owned(), HeaderSource::Env("ACME_TOKEN".to_owned())),
                ("X-Key".to_owned(), HeaderSource::File("/run/secrets/key".into())),
                ("X-Team".to_owned(), HeaderSource::Text(Secret::new("blue 1"))),
            ],
        };
        assert_eq!(
            grant.to_string(),
            "{url: https://hooks.acme.example/falco/, methods: [POST], headers: {Authorization: {env: ACME_TOKEN}, X-Key: {file: \"/run/secrets/key\"}, X-Team: {hidden: text}}}"
        );
        assert!(!format!("{grant:?}").contains("blue"));
    }
}
