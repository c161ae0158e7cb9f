//! Google Cloud: where its functions are, and how they are called.
//!
//! Two tokens are needed: one for the API that knows the function's address, and one that is
//! made out to that address alone.

mod credentials;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use policy::Secret;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::end::{End, Failed};
use super::error::{ClientError, Refusal, RequestError, Said};
use super::meter::{Permit, Place};
use super::web;
use crate::body::BodyError;
use crate::config::clouds as config;
use credentials::{ANSWER_BYTES_MAX, Credentials, Purpose, Token, TokenError};

/// Where the API is, unless the configuration says otherwise.
const FUNCTIONS_API: &str = "https://cloudfunctions.googleapis.com";

/// A token is asked for anew so long before its end.
const RENEWED_BEFORE: Duration = Duration::from_secs(120);

/// More than any policy names; tokens are kept for no more functions than this.
const TOKENS_MAX: usize = 1_000;

/// Google Cloud, by the host's own credentials.
#[derive(Clone)]
pub struct Google(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    credentials: Credentials,
    project: String,
    api: Url,
    tokens: Mutex<HashMap<Purpose, Token>>,
}

/// A function, by what its grant knows it by. Both parts were checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GoogleFunction<'a> {
    pub(crate) name: &'a str,
    pub(crate) location: &'a str,
}

impl Google {
    /// Find credentials and the project, and ask for a token once.
    pub(super) async fn connect(config: &config::Google) -> Result<Self, ClientError> {
        let http = web::build(web::client()?)?;
        let credentials = Credentials::find(config)?;
        let given = config.project.clone().or_else(|| credentials.project());
        let project = match given {
            Some(project) => project,
            None => credentials.project_of_the_machine().await.map_err(convert_token_error)?,
        };
        // It can hold a password, and is not quoted.
        let wrong = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS, the endpoint of Google's API, is not a URL";
        let api = config.functions_endpoint.as_deref().unwrap_or(FUNCTIONS_API);
        let api = Url::parse(api).ok().filter(Url::has_host);
        let api = api.ok_or_else(|| ClientError::Configuration(wrong.to_owned()))?;
        let google = Self(Arc::new(Inner { http, credentials, project, api, tokens: Mutex::default() }));
        google.token(Purpose::Api).await.map_err(convert_token_error)?;
        Ok(google)
    }

    /// A token, the one that was used last where it is good for some time yet.
    async fn token(&self, purpose: Purpose) -> Result<Secret, TokenError> {
        let mut tokens = self.0.tokens.lock().await;
        let soon = Instant::now() + RENEWED_BEFORE;
        if let Some(token) = tokens.get(&purpose).filter(|token| token.end > soon) {
            return Ok(token.text.clone());
        }
        let token = self.0.credentials.token(&self.0.http, &purpose).await?;
        if tokens.len() >= TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(purpose, token.clone());
        Ok(token.text)
    }

    /// The address of a function. Both parts of its name were checked.
    async fn address_of(&self, name: &str, location: &str, _: &Place<'_>) -> Result<Url, Refusal> {
        let Inner { http, project, api, .. } = &*self.0;
        let path = format!("v2/projects/{project}/locations/{location}/functions/{name}");
        let base = api.as_str().trim_end_matches('/');
        let token = self.token(Purpose::Api).await.map_err(TokenError::into_request)?;
        let sent = http.get(format!("{base}/{path}")).bearer_auth(token.expose()).send().await;
        let response = sent.map_err(|_| unreachable_api())?;
        let status = response.status();
        let body = web::read(response, ANSWER_BYTES_MAX).await.map_err(|_| unreachable_api())?;
        let description: Value = serde_json::from_slice(&body).unwrap_or_default();
        if !status.is_success() {
            let words = description["error"]["message"].as_str().map(str::to_owned);
            let said = words.map(|words| Said { words, is_about_the_object: false });
            return Err(Refusal { error: convert_status(status), said });
        }
        // Those of the first generation have no service beneath.
        let texts = [&description["serviceConfig"]["uri"], &description["url"]];
        let address = texts.iter().find_map(|text| text.as_str()).and_then(|text| Url::parse(text).ok());
        let no_address = || RequestError::Other(format!("the function {name} has no address: it takes no HTTP"));
        let address = address.filter(Url::has_host).ok_or_else(no_address)?;
        if address.scheme() != "https" && address.scheme() != api.scheme() {
            return Err(no_address().into());
        }
        Ok(address)
    }

    /// Call a function. In a dry run it is only looked up.
    pub(crate) async fn call(
        &self,
        function: GoogleFunction<'_>,
        payload: Vec<u8>,
        permit: &Permit,
        bytes_max: usize,
    ) -> End<(u16, Vec<u8>)> {
        let find = async {
            let place = permit.place().await?;
            let address = self.address_of(function.name, function.location, &place);
            timeout_at(permit.end(), address).await.map_err(|_| RequestError::Timeout)?
        };
        let address = match find.await {
            Ok(_) if permit.is_rehearsal() => return End::rehearsed((StatusCode::OK.as_u16(), Vec::new())),
            Ok(address) => address,
            Err(refusal) => return End::of(Err(Failed::not_sent(refusal)), false),
        };
        let called = timeout_at(permit.end(), self.call_at(address, payload, permit, bytes_max)).await;
        End::of(called.unwrap_or_else(|_| Err(Failed::late("the function did not answer in time"))), false)
    }

    async fn call_at(
        &self,
        address: Url,
        payload: Vec<u8>,
        permit: &Permit,
        bytes_max: usize,
    ) -> Result<(u16, Vec<u8>), Failed> {
        // As it was written, without the slash that a parser adds.
        let audience = address.as_str().trim_end_matches('/').to_owned();
        let token = self.token(Purpose::Function { audience }).await;
        let token = token.map_err(|error| Failed::not_sent(error.into_request()))?;
        let _place = permit.place().await.map_err(Failed::not_sent)?;
        permit.is_being_sent();
        let request = self.0.http.post(address).bearer_auth(token.expose()).header(CONTENT_TYPE, "application/json");
        let response = request.body(payload).send().await.map_err(|error| convert_call_error(&error))?;
        let status = response.status().as_u16();
        let body = web::read(response, bytes_max).await.map_err(|error| match error {
            BodyError::TooLarge { bytes_max } => Failed::Unread(RequestError::TooLarge { bytes_max: bytes_max as u64 }),
            BodyError::Broken(error) => convert_call_error(&error),
        })?;
        Ok((status, body))
    }
}

fn convert_token_error(error: TokenError) -> ClientError {
    ClientError::Credentials(error.to_string())
}

impl TokenError {
    /// What a guest may learn: not whose credentials they are.
    fn into_request(self) -> RequestError {
        match self {
            TokenError::Refused(_) => RequestError::Other("Google refuses the host's credentials".to_owned()),
            TokenError::Unreachable(_) => RequestError::Unavailable("the host can't authenticate to Google".to_owned()),
        }
    }
}

fn unreachable_api() -> RequestError {
    RequestError::Unavailable("the API of Cloud Functions can't be reached".to_owned())
}

/// Its message can name the account.
fn convert_status(status: StatusCode) -> RequestError {
    let text = format!("the API of Cloud Functions answers with the status {}", status.as_u16());
    match status {
        StatusCode::NOT_FOUND => RequestError::NotFound,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            RequestError::Other("Google forbids it to the host".to_owned())
        }
        StatusCode::TOO_MANY_REQUESTS => RequestError::Unavailable(text),
        status if status.is_server_error() => RequestError::Unavailable(text),
        _ => RequestError::Other(text),
    }
}

/// Before it was connected nothing was carried out, after that nobody knows.
fn convert_call_error(error: &reqwest::Error) -> Failed {
    if error.is_connect() {
        return Failed::not_sent(RequestError::Unavailable("the function can't be reached".to_owned()));
    }
    Failed::lost("the connection to the function broke")
}
