//! The metadata service of an instance of AWS, version 2: a token first, and then what is asked for.
//!
//! What can be asked for is a list, and no path: the credentials of the instance are told by the same service.

use std::time::Duration;

use http::StatusCode;

use super::error::{ClientError, Refusal, RequestError, Said};
use super::web;
use crate::config::clouds as config;

/// On the machine's own link.
const ENDPOINT: &str = "http://169.254.169.254";

/// It answers within a moment, or is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// What is told is short.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A token is used at once, and not kept.
const TOKEN_LIFETIME_S: &str = "60";

/// The metadata service of the instance that the host runs on.
#[derive(Clone)]
pub struct Instance {
    http: reqwest::Client,
    endpoint: String,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstanceFact {
    /// Where the instance is.
    Region,
    /// Which profile it has: its names, in JSON.
    Profile,
}

impl InstanceFact {
    fn path(self) -> &'static str {
        match self {
            Self::Region => "placement/region",
            Self::Profile => "iam/info",
        }
    }
}

impl Instance {
    /// A client, which asks nothing yet.
    pub(super) fn new(config: &config::Aws) -> Result<Self, ClientError> {
        if config.metadata_disabled {
            let forbidden = "a rule asks for the context 'aws', and AWS_EC2_METADATA_DISABLED forbids to look it up";
            return Err(ClientError::Configuration(forbidden.to_owned()));
        }
        let endpoint = config.metadata_endpoint.as_deref().unwrap_or(ENDPOINT).trim_end_matches('/').to_owned();
        // It is on the machine's own link, and no proxy is.
        let builder = web::client()?.no_proxy().connect_timeout(CONNECT_WITHIN).timeout(ANSWER_WITHIN);
        Ok(Self { http: web::build(builder)?, endpoint })
    }

    /// What is known of the instance; nothing of what it does not have.
    pub(crate) async fn facts<const N: usize>(&self, facts: [InstanceFact; N]) -> Result<[Option<String>; N], Refusal> {
        let token = self.http.put(format!("{}/latest/api/token", self.endpoint));
        let token = self.ask(token.header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFETIME_S)).await?;
        let token = token.ok_or_else(|| RequestError::Other("the service gives no token".to_owned()))?;
        let mut known = [const { None }; N];
        for (known, fact) in known.iter_mut().zip(facts) {
            let asked = self.http.get(format!("{}/latest/meta-data/{}", self.endpoint, fact.path()));
            *known = self.ask(asked.header("x-aws-ec2-metadata-token", token.trim())).await?;
        }
        Ok(known)
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Option<String>, Refusal> {
        let silent = |error: &reqwest::Error| Refusal {
            error: RequestError::Unavailable("it can't be reached".to_owned()),
            said: Some(Said { words: web::with_causes(error), is_about_the_object: false }),
        };
        let response = request.send().await.map_err(|error| silent(&error))?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            let text = format!("it answers {status}");
            let is_temporary = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            return Err(if is_temporary { RequestError::Unavailable(text) } else { RequestError::Other(text) }.into());
        }
        let broken = |_| RequestError::Unavailable("its answer is cut off, or too long".to_owned());
        let body = web::read(response, ANSWER_BYTES_MAX).await.map_err(broken)?;
        let text = String::from_utf8(body).map_err(|_| RequestError::Other("its answer is no text".to_owned()))?;
        Ok(Some(text.trim().to_owned()))
    }
}
