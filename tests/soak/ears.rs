//! A server that all notifiers that speak HTTP are told at, of which Slack has no time at random.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What was heard, by the names of notifiers.
#[derive(Clone)]
pub(super) struct Ears {
    address: SocketAddr,
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
}

/// Under this name refusals are counted.
const REFUSED: &str = "refused";

impl Ears {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let ears = Self { address: listener.local_addr().unwrap(), counts: Arc::default() };
        let router = Router::new().fallback(hear).with_state(ears.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        ears
    }

    pub(super) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    pub(super) fn heard(&self, name: &str) -> usize {
        self.counts.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    pub(super) fn refused(&self) -> usize {
        self.heard(REFUSED)
    }

    fn count(&self, name: &str) {
        *self.counts.lock().unwrap().entry(name.to_owned()).or_default() += 1;
    }
}

async fn hear(State(ears): State<Ears>, uri: Uri, body: String) -> Response<Body> {
    let answer = |status: StatusCode, body: Value| {
        let response = Response::builder().status(status).header("content-type", "application/json");
        response.body(Body::from(body.to_string())).unwrap()
    };
    let name = uri.path().trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
    if uri.path().contains("_index_template") {
        return answer(StatusCode::OK, json!({}));
    }
    if name == "slack" && RandomState::new().hash_one(0).is_multiple_of(20) {
        ears.count(REFUSED);
        return answer(StatusCode::SERVICE_UNAVAILABLE, json!({}));
    }
    assert!(!body.is_empty());
    ears.count(&name);
    answer(StatusCode::OK, json!({"errors": false, "items": [{"create": {"status": 201}, "index": {"status": 201}}]}))
}

/// A JSON answer.
pub(super) async fn get(url: &str) -> Value {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}
