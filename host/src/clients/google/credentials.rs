//! Google's credentials: the key of a service account, or the one of the machine.
//!
//! A key signs a statement of what is wanted, and Google's token endpoint gives a token for it;
//! on a machine of Google's, its metadata server gives them. Both are documented protocols, and
//! no library at hand does both tokens over this program's TLS.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use policy::Secret;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::error::ClientError;
use super::super::web;
use crate::body::BodyError;
use crate::config::clouds as config;

/// Tokens and descriptions of functions are short.
pub(super) const ANSWER_BYTES_MAX: usize = 1 << 20;

const METADATA_HOST: &str = "metadata.google.internal";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The longest that Google allows for a statement, and how long identity tokens live.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// What other credentials of Google are, as their files say.
const OTHER_KINDS: [&str; 4] =
    ["authorized_user", "external_account", "external_account_authorized_user", "impersonated_service_account"];

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Google's own APIs.
    Api,
    /// One function: proof of who calls it.
    Function {
        /// Its address.
        audience: String,
    },
}

/// A token and its end.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: Secret,
    pub(super) end: Instant,
}

/// There is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// Google does not know the credentials, or not for this.
    #[error("{0}")]
    Refused(String),
    /// Nobody answers, or not in this way.
    #[error("{0}")]
    Unreachable(String),
}

/// Who the host is to Google.
pub(super) enum Credentials {
    /// A service account whose key lies in a file.
    Key(KeyInFile),
    /// The service account of the machine.
    Machine { metadata: String, http: reqwest::Client },
}

/// The key, and where it came from. It is read again for each token, of which there is one an hour.
pub(super) struct KeyInFile {
    path: PathBuf,
    last: Mutex<(Vec<u8>, Arc<ServiceAccount>)>,
}

/// A service account whose key is known.
pub(super) struct ServiceAccount {
    email: String,
    key: RsaKeyPair,
    key_id: String,
    token_uri: String,
    project: Option<String>,
}

/// As Google writes it.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    #[serde(default = "token_uri")]
    token_uri: String,
    project_id: Option<String>,
}

fn token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

impl Credentials {
    /// The key that the configuration names, else the account of the machine.
    pub(super) fn find(config: &config::Google) -> Result<Self, ClientError> {
        let Some(path) = &config.credentials_path else {
            let host = config.metadata_host.as_deref().unwrap_or(METADATA_HOST);
            // It is on the machine's own link, and no proxy is.
            let http = web::build(web::client()?.no_proxy())?;
            return Ok(Self::Machine { metadata: format!("http://{host}/computeMetadata/v1"), http });
        };
        KeyInFile::read(path).map(Self::Key)
    }

    /// The project that the credentials name.
    pub(super) fn project(&self) -> Option<String> {
        match self {
            Self::Key(key) => key.last().project.clone(),
            Self::Machine { .. } => None,
        }
    }

    /// The project that the machine is of.
    pub(super) async fn project_of_the_machine(&self) -> Result<String, TokenError> {
        match self {
            Self::Key(_) => Err(TokenError::Refused(
                "the key file has no 'project_id': name the project in the environment, as GOOGLE_CLOUD_PROJECT"
                    .to_owned(),
            )),
            Self::Machine { metadata, http } => ask_machine(http, metadata, "project/project-id").await,
        }
    }

    /// A new token.
    pub(super) async fn token(&self, http: &reqwest::Client, purpose: &Purpose) -> Result<Token, TokenError> {
        match self {
            Self::Key(key) => key.renewed().await.token(http, purpose).await,
            Self::Machine { metadata, http } => token_of_machine(http, metadata, purpose).await,
        }
    }
}

impl KeyInFile {
    fn read(path: &Path) -> Result<Self, ClientError> {
        let wrong = |reason: &dyn fmt::Display| ClientError::Configuration(format!("{}: {reason}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| wrong(&error))?;
        let account = ServiceAccount::parse(&bytes).map_err(|reason| wrong(&reason))?;
        Ok(Self { path: path.to_owned(), last: Mutex::new((bytes, Arc::new(account))) })
    }

    fn last(&self) -> Arc<ServiceAccount> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// The key as it is now; what can't be used leaves the last one.
    async fn renewed(&self) -> Arc<ServiceAccount> {
        if let Ok(bytes) = tokio::fs::read(&self.path).await {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if bytes != last.0
                && let Ok(account) = ServiceAccount::parse(&bytes)
            {
                *last = (bytes, Arc::new(account));
            }
        }
        self.last()
    }
}

impl ServiceAccount {
    fn parse(text: &[u8]) -> Result<Self, String> {
        // What the parser quotes could be a part of the key.
        let file: KeyFile = serde_json::from_slice(text)
            .map_err(|error| format!("not a key file of a service account (line {})", error.line()))?;
        Self::read(file)
    }

    fn read(file: KeyFile) -> Result<Self, String> {
        if file.kind != "service_account" {
            // Of the file nothing is quoted but what is known to be no secret.
            let known = OTHER_KINDS.iter().find(|kind| **kind == file.kind);
            let kind = known.map_or("another type".to_owned(), |kind| format!("the type '{kind}'"));
            return Err(format!("credentials of {kind} can't call functions: a key of a 'service_account' is needed"));
        }
        let unreadable = "its 'private_key' is not an RSA key in PEM";
        let key = match PrivateKeyDer::from_pem_slice(file.private_key.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs8(key)) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            Ok(PrivateKeyDer::Pkcs1(key)) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(unreadable.to_owned()),
        };
        Ok(Self {
            email: file.client_email,
            key: key.map_err(|_| unreadable)?,
            key_id: file.private_key_id,
            token_uri: file.token_uri,
            project: file.project_id,
        })
    }

    async fn token(&self, http: &reqwest::Client, purpose: &Purpose) -> Result<Token, TokenError> {
        let statement = self.sign(purpose)?;
        let form = form(&[("grant_type", GRANT_TYPE), ("assertion", &statement)]);
        let request = http.post(&self.token_uri).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = ask(request.body(form)).await?;
        match purpose {
            Purpose::Api => api_token(&answer),
            Purpose::Function { .. } => identity_token(answer["id_token"].as_str()),
        }
    }

    /// A statement that this account wants a token, as a signed JSON web token.
    fn sign(&self, purpose: &Purpose) -> Result<String, TokenError> {
        let now = Timestamp::now().as_second();
        let end = now + LIFETIME.as_secs().cast_signed();
        let mut claims = json!({"iss": self.email, "sub": self.email, "aud": self.token_uri, "iat": now, "exp": end});
        match purpose {
            Purpose::Api => claims["scope"] = json!(SCOPE),
            Purpose::Function { audience } => claims["target_audience"] = json!(audience),
        }
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let signed = self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature);
        signed.map_err(|_| TokenError::Refused("the key of the service account can't sign".to_owned()))?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn token_of_machine(http: &reqwest::Client, metadata: &str, purpose: &Purpose) -> Result<Token, TokenError> {
    let account = "instance/service-accounts/default";
    match purpose {
        Purpose::Api => {
            let answer = ask_machine(http, metadata, &format!("{account}/token")).await?;
            api_token(&serde_json::from_str(&answer).unwrap_or_default())
        }
        Purpose::Function { audience } => {
            let query = form(&[("audience", audience), ("format", "full")]);
            let answer = ask_machine(http, metadata, &format!("{account}/identity?{query}")).await?;
            identity_token(Some(answer.trim()))
        }
    }
}

async fn ask_machine(http: &reqwest::Client, metadata: &str, path: &str) -> Result<String, TokenError> {
    let request = http.get(format!("{metadata}/{path}")).header("Metadata-Flavor", "Google");
    let none = "set 'gcp.credentials_path' or GOOGLE_APPLICATION_CREDENTIALS; there is no metadata server either";
    let response = request
        .send()
        .await
        .map_err(|error| TokenError::Unreachable(format!("{none}: {}", web::with_causes(&error))))?;
    let status = response.status();
    let body = read(response).await?;
    if !status.is_success() {
        return Err(TokenError::Refused(format!("the metadata server answers {status}")));
    }
    String::from_utf8(body)
        .map_err(|_| TokenError::Unreachable("the metadata server's answer is not a text".to_owned()))
}

async fn ask(request: reqwest::RequestBuilder) -> Result<Value, TokenError> {
    let response = request.send().await.map_err(|error| TokenError::Unreachable(web::with_causes(&error)))?;
    let status = response.status();
    let answer: Value = serde_json::from_slice(&read(response).await?).unwrap_or_default();
    if status.is_success() {
        return Ok(answer);
    }
    let reasons = [&answer["error_description"], &answer["error"]];
    let reason = reasons.iter().find_map(|reason| reason.as_str()).unwrap_or("without a reason");
    let text = format!("the token endpoint answers {status}: {reason}");
    Err(if status.is_server_error() { TokenError::Unreachable(text) } else { TokenError::Refused(text) })
}

async fn read(response: reqwest::Response) -> Result<Vec<u8>, TokenError> {
    let body = web::read(response, ANSWER_BYTES_MAX).await;
    body.map_err(|error| match error {
        BodyError::TooLarge { bytes_max } => {
            TokenError::Unreachable(format!("the answer has more than {bytes_max} bytes"))
        }
        BodyError::Broken(error) => TokenError::Unreachable(web::with_causes(&error)),
    })
}

fn api_token(answer: &Value) -> Result<Token, TokenError> {
    let text = answer["access_token"].as_str();
    let text = text.ok_or_else(|| TokenError::Refused("the answer has no access token".to_owned()))?;
    let seconds = answer["expires_in"].as_u64().unwrap_or_default().min(LIFETIME.as_secs());
    Ok(Token { text: Secret::new(text), end: Instant::now() + Duration::from_secs(seconds) })
}

/// When it ends is written in it.
fn identity_token(text: Option<&str>) -> Result<Token, TokenError> {
    let text = text.ok_or_else(|| TokenError::Refused("the answer has no identity token".to_owned()))?;
    let claims = text.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Value = claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default();
    let left = claims["exp"].as_i64().unwrap_or_default().saturating_sub(Timestamp::now().as_second());
    let left = Duration::from_secs(u64::try_from(left).unwrap_or_default()).min(LIFETIME);
    Ok(Token { text: Secret::new(text), end: Instant::now() + left })
}
