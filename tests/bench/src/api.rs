//! An API server that answers each patch of a pod after a while, and says when it came.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::patch;
use axum::serve::ListenerExt;
use http::{StatusCode, header};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::{Result, stage};

/// How long a patch takes.
const LATENCY: Duration = Duration::from_millis(5);

/// The pod whose patches take longer, and how long.
pub(crate) const SLOW_POD: &str = "slow";
const SLOW_LATENCY: Duration = Duration::from_secs(2);

/// When a patch came, known once it is answered.
pub(crate) type Patched = oneshot::Receiver<Instant>;

/// The API server. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Api {
    awaited: Arc<Mutex<HashMap<String, oneshot::Sender<Instant>>>>,
}

impl Api {
    /// Start it on a free port.
    pub(crate) async fn start() -> Result<(Self, SocketAddr)> {
        let api = Self::default();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let router =
            Router::new().route("/api/v1/namespaces/{namespace}/pods/{name}", patch(answer)).with_state(api.clone());
        let listener = listener.tap_io(|stream| {
            // Without it the answers would wait for more to send.
            let _ = stream.set_nodelay(true);
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((api, address))
    }

    /// Wait for the next patch of a pod.
    pub(crate) fn expect(&self, pod: &str) -> Patched {
        let (tell, told) = oneshot::channel();
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).insert(pod.to_owned(), tell);
        told
    }

    fn take(&self, pod: &str) -> Option<oneshot::Sender<Instant>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).remove(pod)
    }
}

async fn answer(State(api): State<Api>, Path((_, pod)): Path<(String, String)>) -> Response {
    let came = Instant::now();
    if pod == SLOW_POD {
        sleep(SLOW_LATENCY).await;
    } else {
        sleep(LATENCY).await;
        match api.take(&pod) {
            // The one who asked may have given up.
            Some(tell) => drop(tell.send(came)),
            None => return StatusCode::CONFLICT.into_response(),
        }
    }
    ([(header::CONTENT_TYPE, "application/json")], stage::POD).into_response()
}
