//! How what is sent gets to a collector: by gRPC or HTTP, tried again for as long as it may take.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use policy::without_userinfo;
use prost::Message;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::{BuilderVerifierExt as _, Verifier};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Code;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::settings::{Protocol, Target};
use crate::telemetry::text::{is_printable, with_causes};

/// The wait before the second attempt, and the longest one.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// What an answer may have that is looked at.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The way to a collector.
#[derive(Debug)]
pub(super) struct Transport {
    wire: Wire,
    timeout: Duration,
    /// As lines say it: without what is secret.
    url: String,
}

#[derive(Debug)]
enum Wire {
    Grpc { channel: Channel, headers: MetadataMap },
    Http { client: reqwest::Client, url: String, headers: HeaderMap },
}

/// What is sent.
#[derive(Debug, Clone)]
pub(super) enum Export {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
}

/// What is configured can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// Who vouches for the collector can't be read.
    #[error("the certificates of the collector's authority can't be read of '{0}': {1}")]
    Authority(String, String),
    /// A client can't be made.
    #[error("the collector can't be spoken to at {url}: {error}")]
    Client { url: String, error: String },
}

/// Why something was not taken in.
#[derive(Debug)]
struct Refusal {
    error: String,
    may_be_tried_again: bool,
}

impl Transport {
    /// The way to this collector, which is not gone yet. Needs a runtime.
    pub(super) fn new(target: &Target) -> Result<Self, SetupError> {
        let Target { protocol, url, headers, timeout, authority } = target;
        let shown = shown(url);
        let failed = |error: String| SetupError::Client { url: shown.clone(), error };
        let authority = match authority {
            Some(path) => {
                let unread = |error: io::Error| SetupError::Authority(path.display().to_string(), error.to_string());
                Some(std::fs::read(path).map_err(unread)?)
            }
            None => None,
        };
        let mut sent_along = HeaderMap::new();
        for (name, value) in headers {
            let name = name.parse::<HeaderName>().map_err(|_| failed(format!("'{name}' is no name of a header")))?;
            let wrong = |_| failed(format!("the value of the header '{name}' can't be sent"));
            let mut value = HeaderValue::from_str(value.expose()).map_err(wrong)?;
            value.set_sensitive(true);
            sent_along.insert(name.clone(), value);
        }
        let wire = match protocol {
            Protocol::Grpc => Wire::Grpc {
                channel: channel(url, *timeout, authority.as_deref()).map_err(|error| failed(with_causes(&error)))?,
                headers: MetadataMap::from_headers(sent_along),
            },
            Protocol::Http => {
                let client = client(authority.as_deref()).map_err(failed)?;
                Wire::Http { client, url: url.clone(), headers: sent_along }
            }
        };
        Ok(Self { wire, timeout: *timeout, url: shown })
    }

    /// Send it, and again after a pause where it was not taken in and may be by then.
    ///
    /// # Errors
    ///
    /// Why it is lost, or part of it.
    pub(super) async fn send(&self, export: &Export) -> Result<(), String> {
        let deadline = Instant::now() + self.timeout;
        let (least, most) = BACKOFF;
        let backoff = ExponentialBuilder::default().with_min_delay(least).with_max_delay(most).with_jitter();
        let mut pauses = backoff.without_max_times().build();
        loop {
            let late = || Refusal { error: "no answer came in time".to_owned(), may_be_tried_again: false };
            let sent = timeout_at(deadline, self.attempt(export)).await.unwrap_or_else(|_| Err(late()));
            let Err(Refusal { error, may_be_tried_again }) = sent else { return Ok(()) };
            let pause = pauses.next().unwrap_or(most);
            if !may_be_tried_again || Instant::now() + pause >= deadline {
                return Err(format!("the collector at {} does not take in what it is sent: {error}", self.url));
            }
            sleep(pause).await;
        }
    }

    async fn attempt(&self, export: &Export) -> Result<(), Refusal> {
        match &self.wire {
            Wire::Grpc { channel, headers } => {
                let sent = match export.clone() {
                    Export::Traces(message) => {
                        let request = request(headers, message);
                        let answer = TraceServiceClient::new(channel.clone()).export(request).await;
                        answer.map(|answer| of_traces(answer.into_inner()))
                    }
                    Export::Metrics(message) => {
                        let request = request(headers, message);
                        let answer = MetricsServiceClient::new(channel.clone()).export(request).await;
                        answer.map(|answer| of_metrics(answer.into_inner()))
                    }
                };
                sent.map_err(of_status)?
            }
            Wire::Http { client, url, headers } => {
                let body = match export {
                    Export::Traces(message) => message.encode_to_vec(),
                    Export::Metrics(message) => message.encode_to_vec(),
                };
                let request = client.post(url).headers(headers.clone());
                let request = request.header(header::CONTENT_TYPE, "application/x-protobuf").body(body);
                let answer = request.send().await.map_err(Refusal::unanswered)?;
                let status = answer.status();
                let body = read(answer).await;
                if !status.is_success() {
                    return Err(of_answer(status, &body));
                }
                match export {
                    Export::Traces(_) => ExportTraceServiceResponse::decode(body).map_or(Ok(()), of_traces),
                    Export::Metrics(_) => ExportMetricsServiceResponse::decode(body).map_or(Ok(()), of_metrics),
                }
            }
        }
    }
}

impl Refusal {
    fn unanswered(error: reqwest::Error) -> Self {
        Self { error: with_causes(&error.without_url()), may_be_tried_again: true }
    }
}

/// An address without what can be secret of it: keys of collectors stand in queries.
fn shown(url: &str) -> String {
    let url = without_userinfo(url);
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn request<T>(headers: &MetadataMap, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    *request.metadata_mut() = headers.clone();
    request
}

/// The codes after which OpenTelemetry's protocol has a client try again.
fn of_status(status: tonic::Status) -> Refusal {
    use Code::{Aborted, Cancelled, DataLoss, DeadlineExceeded, OutOfRange, ResourceExhausted, Unavailable};
    let temporary = [Cancelled, DeadlineExceeded, ResourceExhausted, Aborted, OutOfRange, Unavailable, DataLoss];
    let error = match std::error::Error::source(&status) {
        Some(cause) => with_causes(cause),
        None => format!("{:?}: {}", status.code(), status.message()),
    };
    Refusal { error, may_be_tried_again: temporary.contains(&status.code()) }
}

fn of_answer(status: StatusCode, body: &Bytes) -> Refusal {
    let text = String::from_utf8_lossy(body);
    let temporary = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ];
    let text = text.chars().filter(|c| is_printable(*c)).take(200).collect::<String>();
    Refusal { error: format!("{status}: {text}"), may_be_tried_again: temporary.contains(&status) }
}

fn of_traces(answer: ExportTraceServiceResponse) -> Result<(), Refusal> {
    let partial = answer.partial_success.map(|partial| (partial.rejected_spans, partial.error_message));
    refused("spans", partial)
}

fn of_metrics(answer: ExportMetricsServiceResponse) -> Result<(), Refusal> {
    let partial = answer.partial_success.map(|partial| (partial.rejected_data_points, partial.error_message));
    refused("data points", partial)
}

fn refused(what: &str, partial: Option<(i64, String)>) -> Result<(), Refusal> {
    match partial {
        Some((count, error)) if count > 0 => {
            Err(Refusal { error: format!("{count} {what} were refused: {error}"), may_be_tried_again: false })
        }
        _ => Ok(()),
    }
}

/// What there is of an answer, up to a limit.
async fn read(mut answer: reqwest::Response) -> Bytes {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    body.into()
}

fn channel(url: &str, timeout: Duration, authority: Option<&[u8]>) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(url.to_owned())?.connect_timeout(timeout).timeout(timeout);
    let endpoint = endpoint.user_agent(agent())?;
    let tls = match authority {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    let endpoint = if url.starts_with("https:") { endpoint.tls_config(tls)? } else { endpoint };
    Ok(endpoint.connect_lazy())
}

/// TLS of the host's one stack, and no redirect, which would carry what was meant for one address to another.
fn client(authority: Option<&[u8]>) -> Result<reqwest::Client, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let tls = tls.map_err(|error| error.to_string())?;
    let tls = match authority {
        Some(pem) => {
            let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            let roots = roots.map_err(|error| error.to_string())?;
            let verifier = Verifier::new_with_extra_roots(roots, provider).map_err(|error| error.to_string())?;
            tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        None => tls.with_platform_verifier().map_err(|error| error.to_string())?,
    };
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls.with_no_client_auth()).user_agent(agent());
    let builder = builder.redirect(reqwest::redirect::Policy::none());
    builder.build().map_err(|error| with_causes(&error))
}

fn agent() -> &'static str {
    concat!("falco-talon/", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests;
