//! Why a request is refused, and the status, the text and the label that this becomes.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::body::BodyError;
use crate::store::Refused;
use crate::telemetry::clean;
use crate::telemetry::logs::Level;

/// What is shown of the reason why a body is not an event.
const REASON_BYTES_MAX: usize = 300;

/// Why a request is refused.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// The body is not an event, and this is why.
    Event(String),
    /// The body ended before its end.
    Broken(String),
    SlowBody,
    TooLarge {
        bytes_max: usize,
    },
    NotPost,
    NotGet,
    NotFound,
    /// Too many events are under way already.
    Crowded,
    Store(Refused),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Event(_) | Refusal::Broken(_) => StatusCode::BAD_REQUEST,
            Refusal::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::NotPost | Refusal::NotGet => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::NotFound => StatusCode::NOT_FOUND,
            Refusal::Store(Refused::Full | Refused::Share) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Crowded | Refusal::Store(Refused::Unwritable(_) | Refused::Closed) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// The label of the metric.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Refusal::Event(_) => "invalid event",
            Refusal::Broken(_) => "broken body",
            Refusal::SlowBody => "slow body",
            Refusal::TooLarge { .. } => "body too large",
            Refusal::NotPost | Refusal::NotGet => "method not allowed",
            Refusal::NotFound => "not found",
            Refusal::Crowded => "too many at once",
            Refusal::Store(Refused::Full) => "queue full",
            Refusal::Store(Refused::Share) => "queue full for this source",
            Refusal::Store(Refused::Unwritable(_)) => "can't be stored",
            Refusal::Store(Refused::Closed) => "shutting down",
        }
    }

    /// A lost event matters; a stray request doesn't.
    pub(super) fn level(&self) -> Level {
        match self {
            Refusal::NotPost | Refusal::NotGet | Refusal::NotFound => Level::Debug,
            Refusal::Event(_)
            | Refusal::Broken(_)
            | Refusal::SlowBody
            | Refusal::TooLarge { .. }
            | Refusal::Crowded
            | Refusal::Store(_) => Level::Warn,
        }
    }

    /// A header that says what would be right.
    fn advice(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Refusal::NotPost => Some((header::ALLOW, HeaderValue::from_static("POST"))),
            Refusal::NotGet => Some((header::ALLOW, HeaderValue::from_static("GET, HEAD"))),
            Refusal::Crowded | Refusal::Store(_) => Some((header::RETRY_AFTER, HeaderValue::from_static("1"))),
            // What is left of the body can't be distinguished from a next request.
            Refusal::SlowBody => Some((header::CONNECTION, HeaderValue::from_static("close"))),
            Refusal::Event(_) | Refusal::Broken(_) | Refusal::TooLarge { .. } | Refusal::NotFound => None,
        }
    }
}

impl From<BodyError<axum::Error>> for Refusal {
    fn from(error: BodyError<axum::Error>) -> Refusal {
        match error {
            BodyError::TooLarge { bytes_max } => Refusal::TooLarge { bytes_max },
            BodyError::Broken(error) => Refusal::Broken(error.to_string()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Event(reason) | Refusal::Broken(reason) => {
                let reason = clean(reason, REASON_BYTES_MAX);
                write!(f, "Please send a valid request body: {reason}")
            }
            Refusal::SlowBody => f.write_str("The request body took too long"),
            Refusal::TooLarge { bytes_max } => {
                write!(f, "The request body is larger than {bytes_max} bytes")
            }
            Refusal::NotPost => f.write_str("Please send with POST http method"),
            Refusal::NotGet => f.write_str("Please send with GET http method"),
            Refusal::NotFound => f.write_str("Not found; events are sent with POST to /"),
            Refusal::Crowded => f.write_str("Too many events are being sent at once, please try again"),
            Refusal::Store(Refused::Full) => f.write_str("The queue is full, please try again"),
            Refusal::Store(Refused::Share) => {
                f.write_str("The queue is full for events of this host or this rule, please try again")
            }
            Refusal::Store(Refused::Unwritable(_)) => f.write_str("The event can't be stored now, please try again"),
            Refusal::Store(Refused::Closed) => f.write_str("Shutting down, please try again"),
        }
    }
}

/// The answer carries its refusal, for the layer that reports it.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let headers =
            [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
        let mut response = (self.status(), headers, format!("{self}\n")).into_response();
        if let Some((name, value)) = self.advice() {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_and_cleaned() {
        let refusal = Refusal::Event(format!("bad \u{1b}[31m\r\nX: y{}", "z".repeat(1000)));
        let text = refusal.to_string();
        assert!(text.starts_with("Please send a valid request body: bad \u{fffd}[31m\u{fffd}\u{fffd}X: yz"));
        assert!(text.len() < 400);
    }
}
