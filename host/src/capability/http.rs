//! `http`: requests to the addresses that the policy lists.
//!
//! The host adds the headers that the policy keeps for the address, follows no redirect, and
//! dials no address that leads back to it or to a cloud's metadata. In a dry run only reads are
//! sent.

use http::{HeaderMap, HeaderName, HeaderValue};
use policy::{Denial, HttpRequest, Request, WebAddress, is_of_the_connection};

use super::bindings::falco_talon::actionner::http::{Host, Request as Asked, Response};
use super::call::{Call, Closed};
use super::catalogue::Capability;
use super::error::CapabilityError;
use crate::clients::{self, HttpAnswer, RequestError};

/// More headers than a server takes.
const HEADERS_MAX: usize = 100;

impl Host for Call {
    async fn send(&mut self, request: Asked) -> Result<Response, Closed> {
        const CAPABILITY: Capability = Capability::HttpSend;
        let Asked { method, url, headers, body, timeout_ms } = request;
        let url = self.understand(CAPABILITY, || WebAddress::parse(&url))?;
        let asked = self.understand(CAPABILITY, || HttpRequest::new(&method, &url))?;
        let headers = self.understand(CAPABILITY, || check_headers(headers))?;
        let mut entry = self.gate(CAPABILITY, &[Request::Http(asked)])?;
        let is_write = asked.method().is_write();
        if !is_write {
            entry = entry.reads();
        }
        let bytes_max = self.grants.limits.response_bytes_max;
        if body.len() > bytes_max {
            let reason = format!("the body is longer than the policy's limit of {bytes_max} bytes");
            return self.close(entry, Err(RequestError::Invalid(reason)));
        }
        let Some(client) = self.clients.http.get(&self.grants.actionner) else {
            let missing = "the host has no client for this actionner".to_owned();
            return self.close(entry, Err(RequestError::Unavailable(missing)));
        };
        let permit = match self.permit(&entry).await {
            Ok(permit) => permit.until(self.end_of(timeout_ms)),
            Err(error) => return self.close(entry, Err(error)),
        };
        let (grant, method) = (entry.grant(), asked.method());
        let request = clients::HttpRequest { grant, method, url: &url, headers, body, bytes_max };
        let refused = if is_write {
            match client.write(request, &permit).await {
                Ok(end) => return self.close_write(entry, end.map(convert)),
                Err(refused) => refused,
            }
        } else {
            match client.read(request, &permit).await {
                Ok(read) => return self.close_read(entry, read.map(convert)),
                Err(refused) => refused,
            }
        };
        let denial = Denial::of_place(&self.grants, &asked, refused.0);
        self.close(entry, Err(CapabilityError::Denied(vec![denial])))
    }
}

fn convert(answer: HttpAnswer) -> Response {
    let HttpAnswer { status, headers, body } = answer;
    Response { status, headers, body }
}

/// The headers of a guest, none of which is the connection's.
fn check_headers(headers: Vec<(String, String)>) -> Result<HeaderMap, String> {
    if headers.len() > HEADERS_MAX {
        return Err(format!("{} headers are more than the {HEADERS_MAX} that a request may have", headers.len()));
    }
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

#[cfg(test)]
mod tests;
