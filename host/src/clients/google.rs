//! Google Cloud: where its functions are, and how they are called; and by what artifacts reach its storage.
//!
//! Two tokens are needed: one for the API that knows the function's address, and one that is
//! made out to that address alone.

mod credentials;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use outputs::gcs::Gcs;
use policy::Secret;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::circuit::{Circuit, Reached};
use super::end::{End, Failed};
use super::error::{CREDENTIALS_WAIT_MAX, ClientError, Refusal, RequestError, Said};
use super::meter::{Permit, Place};
use super::web::{self, FIRST_BYTE_MAX};
use crate::body::BodyError;
use crate::config::clouds as config;
use crate::telemetry::logs::Logger;
use credentials::{ANSWER_BYTES_MAX, Credentials, Purpose, Token, TokenError};

/// Where the API is, unless the configuration says otherwise.
const FUNCTIONS_API: &str = "https://cloudfunctions.googleapis.com";

/// Where that of Cloud Storage is.
const STORAGE_API: &str = "https://storage.googleapis.com";

const UNREACHED: &str = "the API of Cloud Functions can't be reached";

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
    storage_api: Url,
    tokens: Mutex<HashMap<Purpose, Token>>,
    /// Of the API and of who gives tokens for it. A function that can't be reached says nothing of the others.
    circuit: Circuit,
}

/// The address of a function was not learnt.
struct Miss {
    refusal: Refusal,
    reached: Reached,
}

/// A function, by what its grant knows it by. Both parts were checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GoogleFunction<'a> {
    pub(crate) name: &'a str,
    pub(crate) location: &'a str,
}

impl Google {
    /// Find credentials and the project, and ask for a token once.
    pub(super) async fn connect(config: &config::Google, logger: &Logger) -> Result<Self, ClientError> {
        let http = web::build(web::client()?)?;
        let credentials = Credentials::find(config)?;
        let given = config.project.clone().or_else(|| credentials.project());
        let project = match given {
            Some(project) => project,
            None => credentials.project_of_the_machine().await.map_err(convert_token_error)?,
        };
        let api = endpoint(config.functions_endpoint.as_deref(), FUNCTIONS_API, "CLOUDFUNCTIONS")?;
        let storage_api = endpoint(config.storage_endpoint.as_deref(), STORAGE_API, "STORAGE")?;
        let (tokens, circuit) = (Mutex::default(), Circuit::new("gcp", Some(logger.clone())));
        let google = Self(Arc::new(Inner { http, credentials, project, api, storage_api, tokens, circuit }));
        google.token(Purpose::Api).await.map_err(convert_token_error)?;
        Ok(google)
    }

    /// Whether the API can be reached.
    pub(super) fn circuit(&self) -> &Circuit {
        &self.0.circuit
    }

    /// By what artifacts reach Cloud Storage. It is to be asked for again for each attempt.
    ///
    /// # Errors
    ///
    /// Where there is no token now.
    pub(crate) async fn storage(&self) -> Result<Gcs, ClientError> {
        let Inner { http, storage_api, .. } = &*self.0;
        let token = timeout(CREDENTIALS_WAIT_MAX, self.token(Purpose::Api)).await.map_err(|_| ClientError::Silence)?;
        let token = token.map_err(convert_token_error)?.expose().to_owned();
        Ok(Gcs { http: http.clone(), api: storage_api.clone(), server: web::server(storage_api), token })
    }

    /// A token that was refused is not used again.
    async fn forget(&self, purpose: &Purpose) {
        self.0.tokens.lock().await.remove(purpose);
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
    async fn address_of(&self, name: &str, location: &str, _: &Place<'_>) -> Result<Url, Miss> {
        let Inner { project, api, .. } = &*self.0;
        let path = format!("v2/projects/{project}/locations/{location}/functions/{name}");
        let base = api.as_str().trim_end_matches('/');
        let (status, description) = self.look_up(&format!("{base}/{path}")).await?;
        let miss = |refusal| Miss { refusal, reached: Reached::Yes };
        if !status.is_success() {
            let words = description["error"]["message"].as_str().map(str::to_owned);
            let said = words.map(|words| Said { words, is_about_the_object: false });
            return Err(miss(Refusal { error: convert_status(status), said }));
        }
        // Those of the first generation have no service beneath.
        let texts = [&description["serviceConfig"]["uri"], &description["url"]];
        let address = texts.iter().find_map(|text| text.as_str()).and_then(|text| Url::parse(text).ok());
        let no_address = || RequestError::Other(format!("the function {name} has no address: it takes no HTTP"));
        let address = address.filter(Url::has_host).ok_or_else(|| miss(no_address().into()))?;
        if address.scheme() != "https" && address.scheme() != api.scheme() {
            return Err(miss(no_address().into()));
        }
        Ok(address)
    }

    /// What the API says of a function. Where it refuses the token, it is asked once more by a new one.
    async fn look_up(&self, address: &str) -> Result<(StatusCode, Value), Miss> {
        let Inner { http, api, .. } = &*self.0;
        let mut is_renewed = false;
        loop {
            let token = self.token(Purpose::Api).await.map_err(TokenError::into_miss)?;
            let sent = http.get(address).bearer_auth(token.expose()).send().await;
            let response = sent.map_err(|error| unreachable_api(api, &web::with_causes(&error.without_url())))?;
            let status = response.status();
            let body = web::read(response, ANSWER_BYTES_MAX).await;
            let body = body.map_err(|_| unreachable_api(api, "its answer broke off, or is too long"))?;
            if status != StatusCode::UNAUTHORIZED || is_renewed {
                return Ok((status, serde_json::from_slice(&body).unwrap_or_default()));
            }
            self.forget(&Purpose::Api).await;
            is_renewed = true;
        }
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
            let unreached = || RequestError::Unavailable(UNREACHED.to_owned());
            let attempt = permit.enter(&self.0.circuit).ok_or_else(unreached)?;
            let place = permit.place().await?;
            let address = self.address_of(function.name, function.location, &place);
            let end = Instant::now() + FIRST_BYTE_MAX;
            let address = match timeout_at(end.min(permit.end()), address).await {
                Ok(address) => address,
                Err(_) if end < permit.end() => Err(unreachable_api(&self.0.api, "no answer has begun in time")),
                Err(_) => return Err(RequestError::Timeout.into()),
            };
            permit.settle(attempt, address.as_ref().err().map_or(&Reached::Yes, |miss| &miss.reached));
            address.map_err(|miss| miss.refusal)
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
        let purpose = Purpose::Function { audience };
        let token = self.token(purpose.clone()).await;
        let token = token.map_err(|error| Failed::not_sent(error.into_miss().refusal))?;
        let at = address.clone();
        let _place = permit.place().await.map_err(Failed::not_sent)?;
        permit.is_being_sent();
        let request = self.0.http.post(address).bearer_auth(token.expose()).header(CONTENT_TYPE, "application/json");
        let response = request.body(payload).send().await.map_err(|error| convert_call_error(error, &at))?;
        let status = response.status().as_u16();
        if response.status() == StatusCode::UNAUTHORIZED {
            // It may be the function's own answer: it is not called again.
            self.forget(&purpose).await;
        }
        let body = web::read(response, bytes_max).await.map_err(|error| match error {
            BodyError::TooLarge { bytes_max } => Failed::Unread(RequestError::TooLarge { bytes_max: bytes_max as u64 }),
            BodyError::Broken(error) => convert_call_error(error, &at),
        })?;
        Ok((status, body))
    }
}

/// Where an API is.
fn endpoint(given: Option<&str>, otherwise: &str, name: &str) -> Result<Url, ClientError> {
    // It can hold a password, and is not quoted.
    let wrong = || format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}, the endpoint of Google's API, is not a URL");
    let found = Url::parse(given.unwrap_or(otherwise)).ok().filter(Url::has_host);
    found.ok_or_else(|| ClientError::Configuration(wrong()))
}

fn convert_token_error(error: TokenError) -> ClientError {
    ClientError::Credentials(error.to_string())
}

impl TokenError {
    /// What a guest may learn: not whose credentials they are.
    fn into_miss(self) -> Miss {
        let words = self.to_string();
        let said = Some(Said { words: words.clone(), is_about_the_object: false });
        let (error, reached) = match self {
            TokenError::Refused(_) => {
                (RequestError::Other("Google refuses the host's credentials".to_owned()), Reached::Yes)
            }
            TokenError::Unreachable(_) => {
                (RequestError::Unavailable("the host can't authenticate to Google".to_owned()), Reached::No(words))
            }
        };
        Miss { refusal: Refusal { error, said }, reached }
    }
}

fn unreachable_api(api: &Url, words: &str) -> Miss {
    let words = format!("{}: {words}", web::server(api));
    let said = Some(Said { words: words.clone(), is_about_the_object: false });
    let refusal = Refusal { error: RequestError::Unavailable(UNREACHED.to_owned()), said };
    Miss { refusal, reached: Reached::No(words) }
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
fn convert_call_error(error: reqwest::Error, address: &Url) -> Failed {
    let error = error.without_url();
    let words = format!("{}: {}", web::server(address), web::with_causes(&error));
    let said = Some(Said { words, is_about_the_object: false });
    if error.is_connect() {
        let error = RequestError::Unavailable("the function can't be reached".to_owned());
        return Failed::not_sent(Refusal { error, said });
    }
    Failed::Lost { why: "the connection to the function broke".to_owned(), is_late: false, said }
}
