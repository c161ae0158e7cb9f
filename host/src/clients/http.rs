//! The client of one actionner: what it may dial, and the headers that the policy keeps for it.

mod headers;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use policy::{Grants, Method, Place, WebAddress};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};

use super::end::{End, Failed};
use super::error::{ClientError, Refusal, RequestError, Said};
use super::meter::Permit;
use super::web;
use crate::body::BodyError;
use headers::Kept;

pub(crate) use headers::SecretError;

/// What is said where the time is over.
const LATE: &str = "no answer came in time";

/// The answer to a write that is only rehearsed.
const ACCEPTED: u16 = 202;

/// Sends the requests of one actionner.
pub struct HttpClient {
    client: reqwest::Client,
    /// Those that the policy adds.
    kept: Kept,
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
        let kept = Kept::new(grants, environment)?;
        let client = client().map_err(|error| {
            vec![SecretError { header: "*".to_owned(), url: "*".to_owned(), reason: error.to_string() }]
        })?;
        Ok(Self { client, kept })
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

    /// Send a request, and once more where a secret that was refused has changed since: then it was not carried out.
    async fn exchange(&self, request: HttpRequest<'_>, permit: &Permit) -> Result<Result<HttpAnswer, Failed>, Refused> {
        let HttpRequest { grant, method, url, headers, body, bytes_max } = request;
        let body = Bytes::from(body);
        self.kept.look().await;
        let mut is_renewed = false;
        loop {
            let place = match permit.place().await {
                Ok(place) => place,
                Err(error) => return Ok(Err(Failed::not_sent(error))),
            };
            if !matches!(method, Method::Get | Method::Head) {
                permit.is_being_sent();
            }
            let head = self.build(grant, method, url, headers.clone(), body.clone()).send();
            let response = match begun(head, body.len(), permit, url).await {
                Ok(Ok(response)) => response,
                Ok(Err(failed)) => return Ok(Err(failed)),
                Err(refused) => return Err(refused),
            };
            if response.status() == StatusCode::UNAUTHORIZED && !is_renewed && self.kept.has_changed(grant).await {
                is_renewed = true;
                continue;
            }
            let answer = timeout_at(permit.end(), read_answer(response, bytes_max, url)).await;
            drop(place);
            return Ok(answer.unwrap_or_else(|_| Err(Failed::late(LATE))));
        }
    }

    fn build(
        &self,
        grant: Option<usize>,
        method: Method,
        url: &WebAddress,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> reqwest::RequestBuilder {
        self.kept.add(grant, &mut headers);
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

/// The head of an answer, which comes in time.
async fn begun(
    head: impl Future<Output = reqwest::Result<reqwest::Response>>,
    body_bytes: usize,
    permit: &Permit,
    url: &WebAddress,
) -> Result<Result<reqwest::Response, Failed>, Refused> {
    let end = Instant::now() + web::first_byte_within(body_bytes);
    match timeout_at(end.min(permit.end()), head).await {
        Ok(Ok(response)) => Ok(Ok(response)),
        Ok(Err(error)) => {
            let refused = web::causes(&error).find_map(|cause| cause.downcast_ref::<Refused>()).copied();
            refused.map_or_else(|| Ok(Err(broken(error, url))), Err)
        }
        Err(_) if end < permit.end() => {
            let said = Some(said(url, "no answer has begun in time"));
            Ok(Err(Failed::Lost { why: LATE.to_owned(), is_late: false, said }))
        }
        Err(_) => Ok(Err(Failed::late(LATE))),
    }
}

/// The whole answer, its head and its body together up to `bytes_max`.
async fn read_answer(response: reqwest::Response, bytes_max: usize, url: &WebAddress) -> Result<HttpAnswer, Failed> {
    let status = response.status().as_u16();
    let text =
        |(name, value): (&HeaderName, &HeaderValue)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()));
    let headers: Vec<_> = response.headers().iter().filter_map(text).collect();
    let head: usize = headers.iter().map(|(name, value): &(String, String)| name.len() + value.len()).sum();
    let too_large = || Failed::Unread(RequestError::TooLarge { bytes_max: bytes_max as u64 });
    let left = bytes_max.checked_sub(head).ok_or_else(too_large)?;
    let body = web::read(response, left).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => too_large(),
        BodyError::Broken(error) => broken(error, url),
    })?;
    Ok(HttpAnswer { status, headers, body })
}

/// Before it was connected nothing was carried out, after that nobody knows. The addresses are for the log.
fn broken(error: reqwest::Error, url: &WebAddress) -> Failed {
    let error = error.without_url();
    let said = Some(said(url, &web::with_causes(&error)));
    if error.is_connect() {
        let error = RequestError::Unavailable("the address can't be reached".to_owned());
        return Failed::not_sent(Refusal { error, said });
    }
    Failed::Lost { why: "the connection broke".to_owned(), is_late: false, said }
}

fn said(url: &WebAddress, words: &str) -> Said {
    Said { words: format!("{}: {words}", web::server(url.url())), is_about_the_object: false }
}

/// No proxy, which would dial in the host's place, and one protocol, in which a guest's headers
/// have one meaning.
fn client() -> Result<reqwest::Client, ClientError> {
    web::build(web::client()?.no_proxy().http1_only().dns_resolver(Arc::new(Resolver)))
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

    /// What is denied before it is dialled is looked at elsewhere: this is what a name leads to.
    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_at_the_dial() {
        let client = HttpClient::new(&Grants::none("acme:test".to_owned()), |_| None).unwrap();
        let url = WebAddress::parse("http://localhost:1/").unwrap();
        let request = client.build(None, Method::Get, &url, HeaderMap::new(), Bytes::new());
        let error = request.send().await.unwrap_err();
        let refused = web::causes(&error).find_map(|cause| cause.downcast_ref::<Refused>());
        assert_eq!(refused.unwrap().0, Place::ThisMachine);
    }
}
