//! Addresses of the web, in the one form in which they can be compared.
//!
//! What two programs can read differently is refused rather than guessed: a server that
//! decodes once more than this does must find nothing that leads elsewhere.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::name::{SHOWN_CHARS_MAX, shown};
use super::place::Place;

/// Longer ones are refused by most servers.
const URL_BYTES_MAX: usize = 8_192;

/// Characters that change how a path is read, if a server decodes them.
const NOT_ENCODED: [u8; 4] = *b"./\\%";

/// An absolute address of `http` or `https`, checked; where it is parsed again, it means the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress(Url);

/// Why a text is not such an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebAddressError {
    /// Longer than any server takes.
    #[error("it has more than {URL_BYTES_MAX} bytes")]
    TooLong,
    /// It is not an address at all.
    #[error("`{0}` is not an absolute address: write `https://host/path`")]
    NotAbsolute(String),
    /// It carries a character that parsers remove or rewrite.
    #[error("a space, a backslash, a control character or one outside of ASCII must be percent-encoded")]
    Character,
    /// Credentials belong into a header that the policy keeps.
    #[error("an address must not carry a user or a password")]
    Userinfo,
    /// It would not be sent.
    #[error("an address must not end with a fragment (`#…`)")]
    Fragment,
    /// A path with dots, or one that hides them.
    #[error(
        "the path `{0}` can be read in more than one way: no `.` and `..`, and no percent-encoding of `.`, `/`, `\\` and `%`"
    )]
    Path(String),
}

impl WebAddress {
    /// Check an address.
    ///
    /// # Errors
    ///
    /// Where it is not an address, or could be read as another.
    pub fn parse(text: &str) -> Result<Self, WebAddressError> {
        if text.len() > URL_BYTES_MAX {
            return Err(WebAddressError::TooLong);
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
            return Err(WebAddressError::Character);
        }
        let not_absolute = || WebAddressError::NotAbsolute(shown(text, SHOWN_CHARS_MAX));
        let (scheme, rest) = text.split_once("://").ok_or_else(not_absolute)?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(not_absolute());
        }
        if rest.contains('#') {
            return Err(WebAddressError::Fragment);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(WebAddressError::Userinfo);
        }
        let path = path.split('?').next().unwrap_or_default();
        let url = Url::parse(text).map_err(|_| not_absolute())?;
        // A parser skips slashes until it finds a host.
        if authority.is_empty() || !url.has_host() {
            return Err(not_absolute());
        }
        let same = url.path() == path || (path.is_empty() && url.path() == "/");
        if !same || is_ambiguous(path) {
            return Err(WebAddressError::Path(shown(path, SHOWN_CHARS_MAX)));
        }
        Ok(Self(url))
    }

    /// The address, to be dialled.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Without what only one request has: its query.
    #[must_use]
    pub fn without_query(&self) -> WebAddress {
        let mut url = self.0.clone();
        url.set_query(None);
        Self(url)
    }

    /// Whether a query follows the path.
    pub fn has_query(&self) -> bool {
        self.0.query().is_some()
    }

    /// Whether `other` has the same scheme, host and port, and a path that is this one or goes
    /// on after it at the end of a segment.
    pub fn covers(&self, other: &WebAddress) -> bool {
        let origin =
            |url: &Url| (url.scheme().to_owned(), url.host().map(|it| it.to_owned()), url.port_or_known_default());
        let below = |prefix: &str| match other.0.path().strip_prefix(prefix) {
            Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'),
            None => false,
        };
        origin(&self.0) == origin(&other.0) && below(self.0.path())
    }

    /// The address that the host part is, unless it is a name.
    pub fn literal(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// Why no grant can allow this address, if none can.
    ///
    /// This machine can be meant, and then its own address is written; a name that leads here
    /// is a trap.
    pub fn out_of_reach(&self) -> Option<Place> {
        if let Some(Host::Domain(name)) = self.0.host() {
            let name = name.strip_suffix('.').unwrap_or(name);
            return (name == "localhost" || name.ends_with(".localhost")).then_some(Place::ThisMachine);
        }
        let address = self.literal()?;
        let is_local = address.is_loopback();
        Place::of(address).filter(|_| !is_local)
    }
}

/// Whether a server that decodes the path could find another one in it.
fn is_ambiguous(path: &str) -> bool {
    let bytes = path.as_bytes();
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let (Some(high), Some(low)) = (hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) else { return true };
        let decoded = u8::try_from(high * 16 + low).unwrap_or_default();
        if decoded.is_ascii_control() || NOT_ENCODED.contains(&decoded) {
            return true;
        }
    }
    // Some servers cut a segment at `;` before they look for dots.
    path.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

impl fmt::Display for WebAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests;
