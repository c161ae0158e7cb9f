//! The client of one actionner: what it may dial, and the headers that the policy keeps for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use policy::{Grants, HeaderSource, Method, Place, Secret, WebAddress};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;
use tokio::time::timeout_at;

use super::end::{End, Failed};
use super::error::{ClientError, Refusal, RequestError, Said};
use super::meter::Permit;
use super::web;
use crate::body::BodyError;

/// The answer to a write that is only rehearsed.
const ACCEPTED: u16 = 202;

/// Longer than any token.
const SECRET_BYTES_MAX: u64 = 65_536;

/// Sends the requests of one actionner.
pub struct HttpClient {
    client: reqwest::Client,
    /// Those of each grant, in the order of the policy. Their values are marked as secrets.
    headers: Vec<HeaderMap>,
}

/// A request that a grant allows.
pub(crate) struct HttpRequest<'a> {
    /// Which grant, whose headers are added.
    pub(crate) grant: Option<usize>,
    pub(crate) method: Method,
    pub(crate) url: &'a WebAddress,
    pub(crate) headers: HeaderMap,
    /// Empty for none.
    pub(crate) body: Vec<u8>,
    /// How much of the answer is held.
    pub(crate) bytes_max: usize,
}

/// What came back.
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A header that the policy keeps can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the header `{header}` for {url}: {reason}")]
pub struct SecretError {
    /// Its name.
    pub header: String,
    /// The address of its grant.
    pub url: String,
    /// What is wrong with its source; never its value.
    pub reason: String,
}

/// A name leads to where no grant reaches.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("it leads to {0}")]
pub(crate) struct Refused(pub(crate) Place);

impl HttpClient {
    /// A client for an actionner with these grants, and the headers that they name.
    ///
    /// # Errors
    ///
    /// Every header whose source is missing.
    pub fn new(grants: &Grants, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<SecretError>> {
        let mut headers = Vec::new();
        let mut errors = Vec::new();
        for grant in &grants.granted.http {
            let mut of_grant = HeaderMap::new();
            for (name, source) in &grant.headers {
                match header(name, source, &environment) {
                    Ok((name, value)) => drop(of_grant.insert(name, value)),
                    Err(reason) => {
                        errors.push(SecretError { header: name.clone(), url: grant.url.to_string(), reason });
                    }
                }
            }
            headers.push(of_grant);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let client = client().map_err(|error| {
            vec![SecretError { header: "*".to_owned(), url: "*".to_owned(), reason: error.to_string() }]
        })?;
        Ok(Self { client, headers })
    }

    /// Send a request that only reads.
    ///
    /// # Errors
    ///
    /// The outer one, where its name leads to where no grant reaches.
    pub(crate) async fn read(
        &self,
        request: HttpRequest<'_>,
        permit: &Permit,
    ) -> Result<Result<HttpAnswer, Refusal>, Refused> {
        Ok(self.exchange(request, permit).await?.map_err(Failed::into_refusal))
    }

    /// Send a request that writes, which in a dry run is not sent.
    ///
    /// # Errors
    ///
    /// The outer one, where its name leads to where no grant reaches.
    pub(crate) async fn write(&self, request: HttpRequest<'_>, permit: &Permit) -> Result<End<HttpAnswer>, Refused> {
        if permit.is_rehearsal() {
            return Ok(End::rehearsed(HttpAnswer { status: ACCEPTED, headers: Vec::new(), body: Vec::new() }));
        }
        Ok(End::of(self.exchange(request, permit).await?, false))
    }

    async fn exchange(&self, request: HttpRequest<'_>, permit: &Permit) -> Result<Result<HttpAnswer, Failed>, Refused> {
        let HttpRequest { grant, method, url, headers, body, bytes_max } = request;
        let place = match permit.place().await {
            Ok(place) => place,
            Err(error) => return Ok(Err(Failed::not_sent(error))),
        };
        if !matches!(method, Method::Get | Method::Head) {
            permit.is_being_sent();
        }
        let built = self.build(grant, method, url, headers, body);
        let exchange = async {
            match built.send().await {
                Ok(response) => Ok(read_answer(response, bytes_max).await),
                Err(error) => Err(error),
            }
        };
        let exchanged = timeout_at(permit.end(), exchange).await;
        drop(place);
        match exchanged {
            Err(_) => Ok(Err(Failed::late("no answer came in time"))),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let refused = web::causes(&error).find_map(|cause| cause.downcast_ref::<Refused>()).copied();
                refused.map_or_else(|| Ok(Err(broken(error))), Err)
            }
        }
    }

    fn build(
        &self,
        grant: Option<usize>,
        method: Method,
        url: &WebAddress,
        mut headers: HeaderMap,
        body: Vec<u8>,
    ) -> reqwest::RequestBuilder {
        for (name, value) in grant.and_then(|grant| self.headers.get(grant)).into_iter().flatten() {
            headers.insert(name, value.clone());
        }
        let method = match method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
            Method::Patch => http::Method::PATCH,
            Method::Delete => http::Method::DELETE,
        };
        let request = self.client.request(method, url.url().clone()).headers(headers);
        if body.is_empty() { request } else { request.body(body) }
    }
}

/// The whole answer, its head and its body together up to `bytes_max`.
async fn read_answer(response: reqwest::Response, bytes_max: usize) -> Result<HttpAnswer, Failed> {
    let status = response.status().as_u16();
    let text =
        |(name, value): (&HeaderName, &HeaderValue)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()));
    let headers: Vec<_> = response.headers().iter().filter_map(text).collect();
    let head: usize = headers.iter().map(|(name, value): &(String, String)| name.len() + value.len()).sum();
    let too_large = || Failed::Unread(RequestError::TooLarge { bytes_max: bytes_max as u64 });
    let left = bytes_max.checked_sub(head).ok_or_else(too_large)?;
    let body = web::read(response, left).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => too_large(),
        BodyError::Broken(error) => broken(error),
    })?;
    Ok(HttpAnswer { status, headers, body })
}

/// Before it was connected nothing was carried out, after that nobody knows. The addresses are for the log.
fn broken(error: reqwest::Error) -> Failed {
    let error = error.without_url();
    let said = Some(Said { words: web::with_causes(&error), is_about_the_object: false });
    if error.is_connect() {
        let error = RequestError::Unavailable("the address can't be reached".to_owned());
        return Failed::not_sent(Refusal { error, said });
    }
    Failed::Lost { why: "the connection broke".to_owned(), is_late: false, said }
}

/// No proxy, which would dial in the host's place, and one protocol, in which a guest's headers
/// have one meaning.
fn client() -> Result<reqwest::Client, ClientError> {
    web::build(web::client()?.no_proxy().http1_only().dns_resolver(Arc::new(Resolver)))
}

fn header(
    name: &str,
    source: &HeaderSource,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(HeaderName, HeaderValue), String> {
    let text = match source {
        HeaderSource::Text(text) => text.clone(),
        HeaderSource::Env(variable) => environment(variable)
            .filter(|value| !value.is_empty())
            .map(Secret::new)
            .ok_or_else(|| format!("the environment variable {variable} is not set"))?,
        HeaderSource::File(path) => secret_file(path)?,
    };
    let name: HeaderName = name.parse().map_err(|_| "this is not the name of a header".to_owned())?;
    let value = HeaderValue::from_str(text.expose());
    let mut value = value.map_err(|_| format!("what {source} holds can't be sent: control characters"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn secret_file(path: &PathBuf) -> Result<Secret, String> {
    let wrong = |reason: &dyn std::fmt::Display| format!("{}: {reason}", Path::display(path));
    let length = std::fs::metadata(path).map_err(|error| wrong(&error))?.len();
    if length > SECRET_BYTES_MAX {
        return Err(wrong(&format!("more than {SECRET_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err(wrong(&"the file is empty")) } else { Ok(Secret::new(text)) }
}

/// Looks names up, and hands on only what may be dialled: what was looked at is what is dialled.
#[derive(Debug)]
struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is that of the address; the client puts it in.
            let found = lookup_host((name.as_str(), 0)).await?;
            let reachable: Addrs = Box::new(reachable(found.collect())?.into_iter());
            Ok(reachable)
        })
    }
}

fn reachable(mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
    let refused = found.iter().find_map(|address| Place::of(address.ip()));
    found.retain(|address| Place::of(address.ip()).is_none());
    match refused {
        Some(place) if found.is_empty() => Err(Refused(place)),
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_dialled() {
        let Err(error) = Resolver.resolve("localhost".parse().unwrap()).await else { panic!("it was") };
        assert_eq!(error.downcast_ref::<Refused>().unwrap().0, Place::ThisMachine);
    }

    #[test]
    fn what_is_left_is_dialled() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = addresses(&["127.0.0.1:0", "203.0.113.7:0", "[::ffff:10.0.0.1]:0", "10.0.0.1:0"]);
        assert_eq!(reachable(found).unwrap(), addresses(&["203.0.113.7:0", "10.0.0.1:0"]));
        assert_eq!(reachable(addresses(&["169.254.169.254:0"])).unwrap_err().0, Place::Metadata);
    }

    #[test]
    fn secrets_are_read_where_they_are_and_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let environment = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
        let read = |source: HeaderSource| header("X-Token", &source, environment).map(|(_, value)| value);
        std::fs::write(&path, "from a file\r\n").unwrap();
        assert_eq!(read(HeaderSource::File(path.clone())).unwrap(), "from a file");
        let value = read(HeaderSource::Env("TOKEN".to_owned())).unwrap();
        assert_eq!((value.to_str().unwrap(), value.is_sensitive()), ("s3cret", true));
        let error = read(HeaderSource::Env("OTHER".to_owned())).unwrap_err();
        assert_eq!(error, "the environment variable OTHER is not set");
        std::fs::write(&path, "two\nlines\n").unwrap();
        let error = read(HeaderSource::File(path)).unwrap_err();
        assert!(error.contains("control characters") && !error.contains("lines"), "{error}");
    }

    /// What is denied before it is dialled is looked at elsewhere: this is what a name leads to.
    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_at_the_dial() {
        let client = HttpClient::new(&Grants::none("acme:test".to_owned()), |_| None).unwrap();
        let url = WebAddress::parse("http://localhost:1/").unwrap();
        let request = client.build(None, Method::Get, &url, HeaderMap::new(), Vec::new());
        let error = request.send().await.unwrap_err();
        let refused = web::causes(&error).find_map(|cause| cause.downcast_ref::<Refused>());
        assert_eq!(refused.unwrap().0, Place::ThisMachine);
    }
}
