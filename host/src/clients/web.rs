//! What all clients of the web have in common: TLS, no redirects, and a limit of bytes.

use std::sync::Arc;

use hyper_util::client::legacy;
use policy::without_userinfo;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;

use super::error::ClientError;
use crate::body::{self, BodyError};

/// How every client begins: TLS of the one stack, trusting what the machine trusts, and no
/// redirect, which would carry what was meant for one address to another.
pub(crate) fn client() -> Result<reqwest::ClientBuilder, ClientError> {
    let refuse = |error: rustls::Error| ClientError::Configuration(format!("TLS can't be used: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(refuse)?
        .with_no_client_auth();
    let agent = concat!("falco-talon/", env!("CARGO_PKG_VERSION"));
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).user_agent(agent);
    Ok(builder.redirect(reqwest::redirect::Policy::none()).referer(false))
}

/// Make a client.
pub(crate) fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, ClientError> {
    builder.build().map_err(|error| ClientError::Configuration(with_causes(&error)))
}

/// The whole body of an answer, up to `bytes_max`; one that is longer is never held whole.
pub(super) async fn read(response: reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, BodyError<reqwest::Error>> {
    body::read(reqwest::Body::from(response), bytes_max).await.map(Into::into)
}

/// An error and what led to it, for the host's own log. Addresses may come from the environment, with passwords.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = without_userinfo(&cause.to_string()).into_owned();
        // Many repeat their cause.
        if !texts.iter().any(|before| before.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

/// Whether an error came before there was a connection, so that nothing was sent.
pub(crate) fn is_not_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_connect = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect)
    };
    causes(error).any(is_connect)
}

/// An error, what led to it, and so on.
pub(crate) fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}
