//! A server of the web, of whoever is paged.
//!
//! `/falco/moved` sends elsewhere, `/falco/long` never ends to answer, `/falco/silent` never
//! begins, `/falco/busy` has no time; all else is taken with thanks.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};

use super::{Heard, serve};

/// Headers that are worth a word.
const TOLD: [&str; 4] = ["authorization", "content-type", "host", "x-team"];

pub(super) async fn start(heard: Heard) -> String {
    serve(Router::new().fallback(take).with_state(heard)).await
}

async fn take(State(heard): State<Heard>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let of = |name: &&str| Some(format!(" {name}={}", headers.get(*name)?.to_str().unwrap()));
    let told: String = TOLD.iter().filter_map(of).collect();
    heard.add(format!("web {method} {uri}{told} {}", String::from_utf8_lossy(&body)));
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
