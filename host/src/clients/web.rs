//! What all clients of the web have in common: TLS, no redirects, and a limit of bytes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, tls};
use hyper_util::client::legacy;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use url::Url;

use super::error::ClientError;
use crate::body::{self, BodyError};
pub(crate) use crate::telemetry::with_causes;

/// How long a connection may take to be made, TLS included.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long an answer may take to begin. Functions may take as long as their callers let them.
pub(super) const FIRST_BYTE_MAX: Duration = Duration::from_secs(15);

/// How long it may take to send a piece of an artifact, of 5 MiB.
pub(super) const PIECE_MAX: Duration = Duration::from_secs(120);

/// A body is sent at least as fast as this.
const BODY_BYTES_PER_S_MIN: u64 = 256 << 10;

/// An idle connection ends after this, and at most as much later again. Servers keep theirs for longer.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(30);

/// A connection on which nothing comes is asked whether it still leads anywhere, first after this.
pub(super) const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);

/// Then so often.
pub(super) const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);

/// And so many times.
pub(super) const KEEPALIVE_RETRIES: u32 = 3;

/// A connection on which what was sent arrives nowhere ends after this.
#[cfg(target_os = "linux")]
pub(super) const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// How every client begins: TLS of the one stack, trusting what the machine trusts, and no
/// redirect, which would carry what was meant for one address to another.
pub(crate) fn client() -> Result<reqwest::ClientBuilder, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| ClientError::Configuration(format!("TLS can't be used: {error}")))?
        .with_no_client_auth();
    Ok(client_with(tls))
}

/// The same with TLS of one's own.
pub(super) fn client_with(tls: ClientConfig) -> reqwest::ClientBuilder {
    let agent = concat!("falco-talon/", env!("CARGO_PKG_VERSION"));
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).user_agent(agent);
    let builder = builder.redirect(reqwest::redirect::Policy::none()).referer(false);
    let builder = builder.connect_timeout(CONNECT_MAX).pool_idle_timeout(IDLE_MAX);
    let builder = builder.tcp_keepalive(KEEPALIVE_AFTER).tcp_keepalive_interval(KEEPALIVE_EVERY);
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(UNACKNOWLEDGED_MAX);
    builder.tcp_keepalive_retries(KEEPALIVE_RETRIES)
}

/// What the clients of AWS send by, on the same TLS.
pub(super) fn aws_http() -> SharedHttpClient {
    let http = Builder::new().pool_idle_timeout(IDLE_MAX);
    http.tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// How long the answer to a request with so long a body may take to begin: a slow way up is no silence.
pub(super) fn first_byte_within(body_bytes: usize) -> Duration {
    FIRST_BYTE_MAX + Duration::from_secs(body_bytes as u64 / BODY_BYTES_PER_S_MIN)
}

/// Host and port of an address, for the log, and nothing else of it.
pub(super) fn server(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

/// Make a client.
pub(crate) fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, ClientError> {
    builder.build().map_err(|error| ClientError::Configuration(with_causes(&error)))
}

/// The whole body of an answer, up to `bytes_max`; one that is longer is never held whole.
pub(super) async fn read(response: reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, BodyError<reqwest::Error>> {
    body::read(reqwest::Body::from(response), bytes_max).await.map(Into::into)
}

/// Whether an error came before there was a connection, so that nothing was sent.
pub(crate) fn is_not_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_connect = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect)
    };
    causes(error).any(is_connect)
}

/// What TLS says of it, where it comes from there.
pub(crate) fn of_tls<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    // What is inside of an error of input and output is not called its source.
    fn inside<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
        let inner = || cause.downcast_ref::<io::Error>()?.get_ref();
        cause.downcast_ref().or_else(|| inside(inner()?))
    }
    causes(error).find_map(inside)
}

/// An error, what led to it, and so on.
pub(crate) fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}
