//! AWS: as much of Lambda's API as calling functions needs, and taking on roles.
//!
//! The role `talon` can be taken on by who knows its external id, and no other.
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

/// The key of who has taken on the role.
const ROLE_KEY: &str = "ASIAOFTHEROLE";

pub(super) async fn start(heard: Heard) -> String {
    let router = Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .route("/", post(assume_role))
        .with_state(heard);
    serve(router).await
}

async fn assume_role(State(heard): State<Heard>, body: String) -> Response<Body> {
    let of =
        |name: &str| body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
    let (role, external_id) = (of("RoleArn").replace("%3A", ":").replace("%2F", "/"), of("ExternalId"));
    heard.add(format!("sts {} {role} {external_id}", of("Action")));
    if role != "arn:aws:iam::123456789012:role/talon" || external_id != "of-acme" {
        let text = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                    <Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
        return Response::builder().status(403).header("content-type", "text/xml").body(Body::from(text)).unwrap();
    }
    let text = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>{ROLE_KEY}</AccessKeyId><SecretAccessKey>temporary</SecretAccessKey><SessionToken>t0ken</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:falco-talon</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/talon/falco-talon</Arn></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
    );
    Response::builder().header("content-type", "text/xml").body(Body::from(text)).unwrap()
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
    heard.add(format!(
        "lambda {kind} {name} {} {}",
        uri.query().unwrap_or_default(),
        String::from_utf8_lossy(&payload)
    ));
    let authorization = header("authorization");
    let signed_by = |key: &str| authorization.starts_with(&format!("AWS4-HMAC-SHA256 Credential={key}/"));
    let by_role = signed_by(ROLE_KEY) && header("x-amz-security-token") == "t0ken";
    if !(signed_by(ACCESS_KEY) || by_role) || !authorization.contains(&format!("/{REGION}/lambda/aws4_request")) {
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
