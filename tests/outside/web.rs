//! A server of the web, of whoever is paged.
//!
//! `/falco/moved` sends elsewhere, `/falco/long` never ends to answer, `/falco/silent` never
//! begins, `/falco/busy` has no time. `/tickets/approved`, `/tickets/denied` and `/tickets/silent` open tickets, of
//! which the second look shows an answer, or none. All else is taken with thanks.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::json;

use super::{Heard, serve};

/// Headers that are worth a word.
const TOLD: [&str; 4] = ["authorization", "content-type", "host", "x-team"];

pub(super) async fn start(heard: Heard) -> String {
    serve(Router::new().fallback(take).with_state(heard)).await
}

/// What a desk for tickets says, that is called like its answers; `looks` at this one came before.
fn desk(name: &str, number: Option<&str>, looks: usize) -> Response<Body> {
    let (status, answer) = match (number, name) {
        (None, _) => (201, json!({"number": "T-1"})),
        (Some(_), "silent") => (200, json!({"state": "open"})),
        (Some(_), _) if looks == 0 => (200, json!({"state": "open"})),
        (Some(_), state) => (200, json!({"state": state, "by": "ann"})),
    };
    Response::builder().status(status).body(Body::from(answer.to_string())).unwrap()
}

async fn take(State(heard): State<Heard>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let of = |name: &&str| Some(format!(" {name}={}", headers.get(*name)?.to_str().unwrap()));
    let told: String = TOLD.iter().filter_map(of).collect();
    let asked = format!("web {method} {uri} ");
    let earlier = heard.all().iter().filter(|line| line.as_str().unwrap().starts_with(&asked)).count();
    heard.add(format!("web {method} {uri}{told} {}", String::from_utf8_lossy(&body)));
    if let Some(path) = uri.path().strip_prefix("/tickets/") {
        let (name, number) = path.split_once('/').map_or((path, None), |(name, number)| (name, Some(number)));
        return desk(name, number, earlier);
    }
    match uri.path() {
        "/falco/moved" => Response::builder().status(302).header("location", "/elsewhere").body(Body::empty()).unwrap(),
        "/falco/long" => {
            let chunk = std::iter::repeat(Ok::<_, std::convert::Infallible>(Bytes::from_static(&[b'x'; 65_536])));
            Response::new(Body::from_stream(futures_util::stream::iter(chunk)))
        }
        "/falco/silent" => std::future::pending().await,
        "/falco/busy" => Response::builder().status(503).body(Body::from("later")).unwrap(),
        _ => Response::new(Body::from("thanks")),
    }
}
