//! Google: its token endpoint, the API of Cloud Functions, functions, and a metadata server.
//!
//! `echo` answers with what it got, as does `first`, which is of the first generation; `queued`
//! answers nothing, `raises` fails, `missing` does not exist, `moved` sends elsewhere, `silent`
//! never answers. They are in both of [`LOCATIONS`].

use std::path::Path as File;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, Uri};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use rsa::{Generate, PrivateKey};
use serde_json::{Value, json};

use super::{Heard, listen};

const EMAIL: &str = "talon@acme.iam.gserviceaccount.com";
const KEY_ID: &str = "key-of-the-test";
const LOCATIONS: [&str; 2] = ["europe-west1", "us-central1"];
const ACCESS_TOKEN: &str = "ya29.of-the-test";

/// Making one takes a moment, so all servers of a run share it.
static KEY: LazyLock<PrivateKey> = LazyLock::new(PrivateKey::generate);

#[derive(Clone)]
struct Server {
    heard: Heard,
    address: Arc<str>,
}

/// Start it, and write the key of a service account into a file.
pub(super) async fn start(heard: Heard, key_file: &File) -> String {
    let (listener, address) = listen().await;
    let key = KEY.to_pkcs8_pem(LineEnding::LF).unwrap();
    let account = json!({
        "type": "service_account", "project_id": "acme", "private_key_id": KEY_ID, "private_key": key.as_str(),
        "client_email": EMAIL, "token_uri": format!("http://{address}/token"),
    });
    std::fs::write(key_file, account.to_string()).unwrap();
    let server = Server { heard, address: address.as_str().into() };
    let router = Router::new()
        .route("/token", post(token))
        .route("/v2/projects/acme/locations/{location}/functions/{name}", get(describe))
        .route("/run/{location}/{name}", post(run))
        .route("/computeMetadata/v1/{*path}", get(metadata))
        .with_state(server);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn token(State(server): State<Server>, body: Bytes) -> Response<Body> {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let assertion = body.split('&').find_map(|pair| pair.strip_prefix("assertion=")).unwrap_or_default();
    let Some(claims) = verified(assertion) else {
        return answer(400, &json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}));
    };
    let expected = json!([EMAIL, format!("http://{}/token", server.address)]);
    assert_eq!(json!([claims["iss"], claims["aud"]]), expected);
    match claims["target_audience"].as_str() {
        Some(audience) => {
            server.heard.add("google identity token");
            answer(200, &json!({"id_token": identity(audience)}))
        }
        None => {
            assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
            server.heard.add("google access token");
            answer(200, &json!({"access_token": ACCESS_TOKEN, "expires_in": 3_599, "token_type": "Bearer"}))
        }
    }
}

/// The claims of a token that the key of the test has signed.
fn verified(token: &str) -> Option<Value> {
    let (message, signature) = token.rsplit_once('.')?;
    let public = KEY.to_public_key().to_pkcs1_der().unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_bytes());
    key.verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let (header, claims) = message.split_once('.')?;
    let decode = |part| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    (decode(header)?["kid"] == KEY_ID).then(|| decode(claims)).flatten()
}

/// What Google signs, the test need not.
fn identity(audience: &str) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let end = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3_600;
    format!(
        "{}.{}.c2ln",
        encode(&json!({"alg": "RS256"})),
        encode(&json!({"aud": audience, "email": EMAIL, "exp": end}))
    )
}

async fn describe(
    State(server): State<Server>,
    Path((location, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    server.heard.add(format!("google describe {location}/{name}"));
    if headers["authorization"] != format!("Bearer {ACCESS_TOKEN}") {
        return answer(401, &json!({"error": {"code": 401, "message": "invalid authentication credentials"}}));
    }
    let uri = format!("http://{}/run/{location}/{name}", server.address);
    let name = if LOCATIONS.contains(&location.as_str()) { name } else { "missing".to_owned() };
    match name.as_str() {
        "missing" => answer(404, &json!({"error": {"code": 404, "message": "Resource was not found"}})),
        "forbidden" => answer(403, &json!({"error": {"code": 403, "message": "Permission denied"}})),
        "first" => answer(200, &json!({"name": name, "environment": "GEN_1", "url": uri})),
        "triggered" => answer(200, &json!({"name": name, "environment": "GEN_1"})),
        _ => answer(200, &json!({"name": name, "environment": "GEN_2", "serviceConfig": {"uri": uri}})),
    }
}

async fn run(
    State(server): State<Server>,
    Path((location, name)): Path<(String, String)>,
    headers: HeaderMap,
    payload: Bytes,
) -> Response<Body> {
    let uri = format!("http://{}/run/{location}/{name}", server.address);
    let token = headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap()["aud"], uri);
    assert_eq!(headers["content-type"], "application/json");
    server.heard.add(format!("google call {location}/{name} {}", String::from_utf8_lossy(&payload)));
    match name.as_str() {
        "queued" => Response::builder().status(202).body(Body::empty()).unwrap(),
        "raises" => Response::builder().status(500).body(Body::from("boom")).unwrap(),
        "moved" => {
            Response::builder().status(302).header("location", "/run/europe-west1/echo").body(Body::empty()).unwrap()
        }
        "silent" => std::future::pending().await,
        _ => Response::new(Body::from(payload)),
    }
}

async fn metadata(State(server): State<Server>, uri: Uri, headers: HeaderMap) -> Response<Body> {
    assert_eq!(headers["metadata-flavor"], "Google");
    server.heard.add(format!("google metadata {}", uri.path()));
    match uri.path().strip_prefix("/computeMetadata/v1/").unwrap() {
        "project/project-id" => Response::new(Body::from("acme")),
        "instance/service-accounts/default/token" => {
            answer(200, &json!({"access_token": ACCESS_TOKEN, "expires_in": 3_599, "token_type": "Bearer"}))
        }
        "instance/service-accounts/default/identity" => {
            let query = uri.query().unwrap();
            let audience = query.split('&').find_map(|pair| pair.strip_prefix("audience=")).unwrap();
            let audience = audience.replace("%3A", ":").replace("%2F", "/");
            Response::new(Body::from(identity(&audience)))
        }
        _ => answer(404, &json!({})),
    }
}

fn answer(status: u16, body: &Value) -> Response<Body> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::from(body.to_string())).unwrap()
}
