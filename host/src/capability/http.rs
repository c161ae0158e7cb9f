//! `http`: requests to the addresses that the policy lists.
//!
//! The host adds the headers that the policy keeps for the address, follows no redirect, and
//! dials no address that leads back to it or to a cloud's metadata. In a dry run only reads are
//! sent.

use http::{HeaderMap, HeaderName, HeaderValue};
use policy::{Denial, HttpRequest, Method, Request, WebAddress, is_of_the_connection};
use tokio::time::{Instant, timeout_at};

use super::bindings::falco_talon::actionner::http::{Host, Request as Asked, Response};
use super::call::{Call, Closed};
use super::error::CapabilityError;
use crate::clients::{self, Refused, RequestError, causes, with_causes};
use crate::telemetry::audit::Entry;

/// What a guest hears of a write that is only rehearsed.
const ACCEPTED: u16 = 202;

impl Host for Call {
    async fn send(&mut self, request: Asked) -> Result<Response, Closed> {
        const CAPABILITY: &str = "http.send";
        let Asked { method, url, headers, body, timeout_ms } = request;
        let url = WebAddress::parse(&url).map_err(|error| self.invalid(CAPABILITY, error))?;
        let asked = HttpRequest::new(&method, &url).map_err(|error| self.invalid(CAPABILITY, error))?;
        let headers = check_headers(headers).map_err(|reason| self.invalid(CAPABILITY, reason))?;
        let entry = self.gate(CAPABILITY, &[Request::Http(asked)])?;
        let end = self.end_of(timeout_ms);
        let answered = self.exchange(&entry, &asked, &url, headers, body, end).await;
        self.close(entry, answered)
    }
}

impl Call {
    async fn exchange(
        &self,
        entry: &Entry,
        asked: &HttpRequest<'_>,
        url: &WebAddress,
        headers: HeaderMap,
        body: Vec<u8>,
        end: Instant,
    ) -> Result<Response, CapabilityError> {
        let bytes_max = self.grants.limits.response_bytes_max;
        if body.len() > bytes_max {
            let reason = format!("the body is longer than the policy's limit of {bytes_max} bytes");
            return Err(RequestError::Invalid(reason).into());
        }
        if self.dry_run && asked.method().is_write() {
            return Ok(Response { status: ACCEPTED, headers: Vec::new(), body: Vec::new() });
        }
        let missing = || RequestError::Unavailable("the host has no client for this actionner".to_owned());
        let client = self.clients.http.get(&self.grants.actionner).ok_or_else(missing)?;
        let request = client.request(entry.grant(), asked.method(), url, headers, body);
        let exchange = async {
            let response = request.send().await?;
            Ok::<_, reqwest::Error>(read(response, asked.method(), bytes_max).await)
        };
        match timeout_at(end, exchange).await {
            Err(_) if asked.method().is_write() => {
                Err(RequestError::Unknown("no answer came in time".to_owned()).into())
            }
            Err(_) => Err(RequestError::Timeout.into()),
            Ok(Ok(result)) => result.map_err(Into::into),
            Ok(Err(error)) => {
                if let Some(Refused(place)) = causes(&error).find_map(|cause| cause.downcast_ref::<Refused>()) {
                    let denial = Denial::of_place(&self.grants, asked, *place);
                    return Err(CapabilityError::Denied(vec![denial]));
                }
                let error = error.without_url();
                self.explain(entry.capability(), &with_causes(&error));
                Err(broken(&error, asked.method()).into())
            }
        }
    }
}

/// The headers of a guest, none of which is the connection's.
fn check_headers(headers: Vec<(String, String)>) -> Result<HeaderMap, String> {
    let mut checked = HeaderMap::new();
    for (name, value) in headers {
        let parsed: HeaderName = name.parse().map_err(|_| "a header's name is a word of ASCII".to_owned())?;
        if is_of_the_connection(parsed.as_str()) {
            return Err(format!("the header `{parsed}` belongs to the connection, which is the host's"));
        }
        let value = HeaderValue::from_str(&value)
            .map_err(|_| format!("the value of the header `{parsed}` has control characters or is not ASCII"))?;
        checked.try_append(parsed, value).map_err(|_| "too many headers".to_owned())?;
    }
    Ok(checked)
}

async fn read(response: reqwest::Response, method: Method, bytes_max: usize) -> Result<Response, RequestError> {
    let status = response.status().as_u16();
    let text =
        |(name, value): (&HeaderName, &HeaderValue)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()));
    let headers: Vec<_> = response.headers().iter().filter_map(text).collect();
    let head: usize = headers.iter().map(|(name, value): &(String, String)| name.len() + value.len()).sum();
    let too_large = || RequestError::TooLarge { bytes_max: bytes_max as u64 };
    let left = bytes_max.checked_sub(head).ok_or_else(too_large)?;
    let body = clients::read(response, left, |error| broken(&error, method)).await;
    let body =
        body.map_err(|error| if matches!(error, RequestError::TooLarge { .. }) { too_large() } else { error })?;
    Ok(Response { status, headers, body })
}

/// Before it was connected nothing was carried out, after that nobody knows.
fn broken(error: &reqwest::Error, method: Method) -> RequestError {
    if error.is_connect() || !method.is_write() {
        return RequestError::Unavailable("the address can't be reached".to_owned());
    }
    RequestError::Unknown("the connection broke".to_owned())
}

#[cfg(test)]
mod tests;
