//! AWS Lambda: as much of its API as calling functions needs.
//!
//! `echo` answers with what it got, `queued` is queued however it is called, `raises` fails
//! itself, `missing` does not exist; `busy` and `forbidden` can't be called, and `endless` never
//! ends to answer.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, Uri};
use axum::routing::post;
use serde_json::json;

use super::{ACCESS_KEY, Heard, REGION, serve};

pub(super) async fn start(heard: Heard) -> String {
    let router = Router::new().route("/2015-03-31/functions/{name}/invocations", post(invoke)).with_state(heard);
    serve(router).await
}

async fn invoke(
    State(heard): State<Heard>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    payload: Bytes,
) -> Response<Body> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = header("x-amz-invocation-type");
    heard.add(format!("lambda {kind} {name} {} {}", uri.query().unwrap_or_default(), String::from_utf8_lossy(&payload)));
    let signed_by = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/");
    let authorization = header("authorization");
    if !authorization.starts_with(&signed_by) || !authorization.contains(&format!("/{REGION}/lambda/aws4_request")) {
        return refuse(403, "UnrecognizedClientException", "the signature is not that of the test");
    }
    let arn = format!("arn:aws:lambda:{REGION}:123456789012:function:{name}");
    match (name.as_str(), kind) {
        ("missing", _) => refuse(404, "ResourceNotFoundException", &format!("Function not found: {arn}")),
        ("busy", _) => refuse(429, "TooManyRequestsException", "Rate Exceeded."),
        ("forbidden", _) => refuse(403, "AccessDeniedException", &format!("User may not invoke {arn}")),
        (_, "DryRun") => answer(204, Body::empty()),
        ("queued", _) | (_, "Event") => answer(202, Body::empty()),
        ("raises", _) => {
            let error = json!({"errorMessage": "boom", "errorType": "Error"});
            let mut response = answer(200, Body::from(error.to_string()));
            response.headers_mut().insert("x-amz-function-error", "Unhandled".parse().unwrap());
            response
        }
        ("endless", _) => {
            let chunk = std::iter::repeat(Ok::<_, std::convert::Infallible>(Bytes::from_static(&[b'x'; 65_536])));
            answer(200, Body::from_stream(futures_util::stream::iter(chunk)))
        }
        _ => answer(200, Body::from(payload)),
    }
}

fn answer(status: u16, body: Body) -> Response<Body> {
    let response = Response::builder().status(status).header("x-amz-executed-version", "$LATEST");
    response.body(body).unwrap()
}

fn refuse(status: u16, kind: &str, message: &str) -> Response<Body> {
    let body = json!({"Type": "User", "Message": message});
    let response = Response::builder().status(status).header("x-amzn-errortype", kind);
    response.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
}
