//! What the API server's refusals, its silence and a broken connection mean.
//!
//! The only tables from the API server's words to an error. Their texts carry names of accounts, addresses and what is
//! in objects, so each error has words of the host's own; what the API server said is kept beside them, and who may
//! read it is decided elsewhere.

use std::time::Duration;

use http::StatusCode;
use kube::client::{AuthError, UpgradeConnectionError};
use rustls::AlertDescription;
use serde_json::Value;

use super::cluster::of_credentials;
use crate::clients::circuit::Reached;
use crate::clients::end::Failed;
use crate::clients::error::{Refusal, RequestError, Said};
use crate::clients::web;

/// What the client library writes as the reason of an answer that is no `Status`.
const NO_STATUS: &str = "Failed to parse error data";

/// What is said where the time is over.
pub(super) const LATE: &str = "no answer came in time";

/// Why nothing new can be made where all is being deleted, which is nothing that was forbidden to the host.
pub(crate) const TERMINATING: &str = "its namespace is being deleted";

/// A request that did not come to a good end.
#[derive(Debug)]
pub(super) struct Miss {
    pub(super) failed: Failed,
    /// What it says of the API server.
    pub(super) reached: Reached,
    /// Whether it says that credentials are out of date: it was not carried out then.
    pub(super) are_credentials_refused: bool,
    /// When to send it again, as the API server says.
    pub(super) pause: Option<Duration>,
}

impl From<Failed> for Miss {
    fn from(failed: Failed) -> Self {
        Self { failed, reached: Reached::Unclear, are_credentials_refused: false, pause: None }
    }
}

impl Miss {
    /// No answer has begun within the time that any takes.
    pub(super) fn silent(server: &str, waited: Duration) -> Self {
        let words = format!("{server}: no answer has begun within {:.1} s", waited.as_secs_f64());
        let said = Some(Said { words: words.clone(), is_about_the_object: false });
        let failed = Failed::Lost { why: LATE.to_owned(), is_late: false, said };
        Self { reached: Reached::No(words), ..failed.into() }
    }

    /// The answer of `server`, where the API server may have `others` behind it that it speaks for: a node, or the
    /// server of an API of its own.
    pub(super) fn answer(status: StatusCode, body: &[u8], server: &str, others: bool) -> Self {
        let words = |what: &str| Reached::No(format!("{server}: {what} (status {})", status.as_u16()));
        let is_own = || serde_json::from_slice(body).is_ok_and(|body: Value| body["kind"] == "Status");
        let reached = match status {
            StatusCode::UNAUTHORIZED => words("it does not know the host's credentials"),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT if !is_own() => {
                if others {
                    Reached::Unclear
                } else {
                    words("what is before the API server does not reach it")
                }
            }
            _ => Reached::Yes,
        };
        let are_credentials_refused = status == StatusCode::UNAUTHORIZED;
        Self { failed: convert_status(status, body), reached, are_credentials_refused, pause: None }
    }
}

/// What a status means, and the body that came with it.
fn convert_status(status: StatusCode, body: &[u8]) -> Failed {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let words = body["message"].as_str().map(str::to_owned);
    let says = |text: &str| words.as_deref().is_some_and(|words| words.contains(text));
    let lost = |why: &str| {
        let said = words.clone().map(|words| Said { words, is_about_the_object: false });
        Failed::Lost { why: why.to_owned(), is_late: false, said }
    };
    let busy = || RequestError::Unavailable("the API server is busy".to_owned());
    let error = match status {
        StatusCode::NOT_FOUND => RequestError::NotFound,
        StatusCode::CONFLICT => RequestError::Conflict(conflict(&body)),
        StatusCode::GONE => RequestError::Conflict("the list is too old to go on with: begin again".to_owned()),
        // It is not about the request: what is refused today is not when the credentials are right again.
        StatusCode::UNAUTHORIZED => {
            RequestError::Unavailable("the API server does not know the host's credentials".to_owned())
        }
        StatusCode::FORBIDDEN if has_reason(&body, "NamespaceTerminating") => {
            RequestError::Other(TERMINATING.to_owned())
        }
        StatusCode::FORBIDDEN => RequestError::Other("the API server forbids it to the host".to_owned()),
        // It is immutable, so whoever sends another one means another object.
        StatusCode::UNPROCESSABLE_ENTITY if names_field(&body, "metadata.uid") => {
            RequestError::Conflict("the object has another uid: it was replaced since".to_owned())
        }
        // The body of an apply does not fit the type, which the API server takes for its own fault.
        StatusCode::INTERNAL_SERVER_ERROR if says("failed to create typed patch object") => {
            RequestError::Invalid("the body does not fit the type of the object".to_owned())
        }
        StatusCode::GATEWAY_TIMEOUT | StatusCode::BAD_GATEWAY => {
            return lost("the API server, or what is before it, gave up");
        }
        // Of an object to be created, which the API server takes for its own fault, too.
        StatusCode::INTERNAL_SERVER_ERROR if says("resourceVersion should not be set") => {
            RequestError::Invalid("an object to be created has no resource version".to_owned())
        }
        // Asked before anything is written.
        StatusCode::INTERNAL_SERVER_ERROR if says("failed calling webhook") => {
            RequestError::Unavailable("a webhook of the API server can't be reached".to_owned())
        }
        StatusCode::TOO_MANY_REQUESTS if has_reason(&body, "DisruptionBudget") => {
            RequestError::Unavailable("the pod's disruption budget forbids it for now".to_owned())
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => busy(),
        // From whoever is before it, there is no `Status`, and the request may have got through.
        StatusCode::SERVICE_UNAVAILABLE if body["kind"] == "Status" => busy(),
        // What failed may be what comes after the write: the storage's answer, for one.
        status if status.is_server_error() => {
            return lost(&format!("the API server failed with the status {}", status.as_u16()));
        }
        status if status.is_client_error() => RequestError::Invalid(refused_fields(&body, status)),
        _ => RequestError::Other(format!("the API server answers with the status {}", status.as_u16())),
    };
    let names_account = says("system:serviceaccount:") || says("admission webhook") || says("denied request");
    let is_about_the_object = !names_account
        && (status.is_client_error() && !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            || matches!(error, RequestError::Invalid(_)));
    Failed::Refused(Refusal { error, said: words.map(|words| Said { words, is_about_the_object }) })
}

/// Which fields the API server finds wrong, without their values.
fn refused_fields(body: &Value, status: StatusCode) -> String {
    let fields: Vec<&str> = fields(body).collect();
    if fields.is_empty() {
        return format!("the API server refuses the request with the status {}", status.as_u16());
    }
    format!("the API server refuses the fields {}", fields.join(", "))
}

/// The fields are those that the request has named itself.
fn conflict(body: &Value) -> String {
    let fields: Vec<&str> = fields(body).collect();
    if fields.is_empty() {
        return "the object exists already, or has changed since".to_owned();
    }
    format!("another manager holds the fields {}", fields.join(", "))
}

fn has_reason(body: &Value, reason: &str) -> bool {
    causes_of(body).any(|cause| cause["reason"] == reason)
}

fn names_field(body: &Value, field: &str) -> bool {
    fields(body).any(|it| it == field)
}

fn fields(body: &Value) -> impl Iterator<Item = &str> {
    causes_of(body).filter_map(|cause| cause["field"].as_str())
}

fn causes_of(body: &Value) -> impl Iterator<Item = &Value> {
    body["details"]["causes"].as_array().into_iter().flatten()
}

/// What it means that no answer of `server` came, or one that the client library has read.
pub(super) fn convert_client_error(error: kube::Error, server: &str) -> Miss {
    // It can quote tokens.
    if let Some(error) = web::causes(&error).find_map(|cause| cause.downcast_ref::<AuthError>()) {
        let why = "the host can't authenticate to the API server";
        return not_reached(why, format!("{server}: {}", of_credentials(error)), false);
    }
    let error = match error {
        kube::Error::Api(status) => {
            let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut body = serde_json::to_value(&status).unwrap_or_default();
            // What came from whoever is before the API server, the library makes a `Status` of.
            body["kind"] = if status.reason == NO_STATUS { Value::Null } else { "Status".into() };
            return Miss::answer(code, body.to_string().as_bytes(), server, true);
        }
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(StatusCode::UNAUTHORIZED)) => {
            return Miss::answer(StatusCode::UNAUTHORIZED, b"", server, true);
        }
        // Who says so is not known: the body is lost.
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => {
            return convert_status(status, b"").into();
        }
        kube::Error::Service(error) => error,
        error => error.into(),
    };
    let words = format!("{server}: {}", web::with_causes(&*error));
    let of_tls = web::of_tls(&*error);
    if web::is_not_connected(&*error) {
        return not_reached("the API server can't be reached", words, of_tls.is_some());
    }
    if let Some(rustls::Error::AlertReceived(alert)) = of_tls
        && refuses_certificate(*alert)
    {
        return not_reached("the API server does not accept the host's certificate", words, true);
    }
    let said = Some(Said { words, is_about_the_object: false });
    Failed::Lost { why: "the connection to the API server broke".to_owned(), is_late: false, said }.into()
}

/// Nothing was sent, or what was sent was not even read.
fn not_reached(why: &str, words: String, are_credentials_refused: bool) -> Miss {
    let said = Some(Said { words: words.clone(), is_about_the_object: false });
    let failed = Failed::not_sent(Refusal { error: RequestError::Unavailable(why.to_owned()), said });
    Miss { failed, reached: Reached::No(words), are_credentials_refused, pause: None }
}

/// Whether it belongs to the handshake, which a client may take to be over when the server has not yet looked at its
/// certificate. No request is read before that.
fn refuses_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clients::end::End;

    const ACCOUNT: &str = "system:serviceaccount:falco:falco-talon";

    /// What is said in words of the host's own, and whether the API server's may be heard by who may read the object.
    fn check(status: u16, body: &Value, is_write: bool, expected: &str, is_about_the_object: bool) {
        let status = StatusCode::from_u16(status).unwrap();
        let failed = convert_status(status, body.to_string().as_bytes());
        let Refusal { error, said } =
            if is_write { End::<()>::of(Err(failed), false).into_result().unwrap_err() } else { failed.into_refusal() };
        assert_eq!(format!("{error:?}"), expected);
        assert!(!error.to_string().contains(ACCOUNT));
        assert_eq!(said.is_some_and(|said| said.is_about_the_object), is_about_the_object, "{expected}");
    }

    #[test]
    fn each_status_has_words_of_the_hosts_own() {
        let message = json!({"message": "what it says"});
        let check = |status, expected: &str, about| check(status, &message, true, expected, about);
        check(404, "NotFound", true);
        check(409, r#"Conflict("the object exists already, or has changed since")"#, true);
        check(410, r#"Conflict("the list is too old to go on with: begin again")"#, true);
        check(401, r#"Unavailable("the API server does not know the host's credentials")"#, false);
        check(403, r#"Other("the API server forbids it to the host")"#, false);
        check(400, r#"Invalid("the API server refuses the request with the status 400")"#, true);
        check(429, r#"Unavailable("the API server is busy")"#, true);
        check(500, r#"Unknown("the API server failed with the status 500")"#, false);
        check(503, r#"Unknown("the API server failed with the status 503")"#, false);
        check(302, r#"Other("the API server answers with the status 302")"#, false);
    }

    #[test]
    fn words_about_an_account_are_for_the_log_alone() {
        for words in [format!("User \"{ACCOUNT}\" may not"), "admission webhook \"a.example\" denied it".to_owned()] {
            let refused = r#"Invalid("the API server refuses the request with the status 422")"#;
            check(422, &json!({ "message": words }), true, refused, false);
        }
    }

    #[test]
    fn what_is_wrong_is_named_without_its_value() {
        let causes = json!([{"field": "spec.a", "message": "Invalid value: 7"}, {"field": "spec.b"}]);
        let body = json!({"message": "spec.a: Invalid value: 7", "details": {"causes": causes}});
        check(422, &body, true, r#"Invalid("the API server refuses the fields spec.a, spec.b")"#, true);
        let body = json!({"message": "immutable", "details": {"causes": [{"field": "metadata.uid"}]}});
        let replaced = r#"Conflict("the object has another uid: it was replaced since")"#;
        check(422, &body, true, replaced, true);
        let body = json!({"message": "failed to create typed patch object (x): .spec.a: field not declared"});
        check(500, &body, true, r#"Invalid("the body does not fit the type of the object")"#, true);
    }

    #[test]
    fn reasons_that_say_nothing_of_the_object_are_passed_on() {
        let causes =
            json!([{"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\"", "field": ".spec.a"}]);
        let body = json!({"message": "Apply failed with 1 conflict", "details": {"causes": causes}});
        check(409, &body, true, r#"Conflict("another manager holds the fields .spec.a")"#, true);
        let body = json!({"message": "Cannot evict", "details": {"causes": [{"reason": "DisruptionBudget"}]}});
        let terminating =
            json!({"message": "web is forbidden", "details": {"causes": [{"reason": "NamespaceTerminating"}]}});
        check(403, &terminating, true, r#"Other("its namespace is being deleted")"#, false);
        let budget = r#"Unavailable("the pod's disruption budget forbids it for now")"#;
        check(429, &body, true, budget, true);
    }

    #[test]
    fn a_write_without_an_answer_may_have_been_carried_out() {
        let none = json!({});
        let gave_up = "the API server, or what is before it, gave up";
        check(504, &none, true, &format!("Unknown({gave_up:?})"), false);
        check(504, &none, false, &format!("Unavailable({gave_up:?})"), false);
        let failed = "the API server failed with the status 500";
        check(500, &none, true, &format!("Unknown({failed:?})"), false);
        check(500, &none, false, &format!("Unavailable({failed:?})"), false);
        let busy = r#"Unavailable("the API server is busy")"#;
        check(503, &json!({"kind": "Status", "message": "no"}), true, busy, false);
        let webhook = json!({"message": "Internal error occurred: failed calling webhook \"a.example\": refused"});
        let unreachable = r#"Unavailable("a webhook of the API server can't be reached")"#;
        check(500, &webhook, true, unreachable, false);
    }

    #[test]
    fn only_what_the_api_server_has_not_said_means_that_it_is_away() {
        fn check(status: u16, body: &str, others: bool, expected: &str) {
            let miss = Miss::answer(StatusCode::from_u16(status).unwrap(), body.as_bytes(), "10.0.0.1:6443", others);
            assert_eq!(format!("{:?}", miss.reached), expected, "{status} {body}");
            assert_eq!(miss.are_credentials_refused, status == 401);
        }
        let own = r#"{"kind": "Status", "message": "no"}"#;
        let before = "10.0.0.1:6443: what is before the API server does not reach it";
        for status in [502, 503, 504] {
            check(status, "<html>", false, &format!("No(\"{before} (status {status})\")"));
            check(status, "service unavailable", true, "Unclear");
            check(status, own, false, "Yes");
        }
        let unknown = "No(\"10.0.0.1:6443: it does not know the host's credentials (status 401)\")";
        check(401, own, true, unknown);
        for status in [403, 404, 409, 422, 429, 500] {
            check(status, own, false, "Yes");
            check(status, "", false, "Yes");
        }
    }
}
