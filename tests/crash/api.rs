//! An API server that counts what is asked of it for each pod, and can go away and come back.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::sleep;

/// How long a request takes, so that there are some whenever the host is killed.
const LATENCY: Duration = Duration::from_millis(10);

/// The API server.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    counts: Counts,
    /// What serves, while it does.
    runtime: Option<Runtime>,
}

/// What came in for each pod, by its name.
pub(crate) type Counted = BTreeMap<String, Calls>;

type Counts = Arc<Inner>;

#[derive(Default)]
struct Inner {
    calls: Mutex<Counted>,
    events: AtomicUsize,
}

/// What came in for a pod.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calls {
    /// Repeatable.
    pub(crate) labels: usize,
    /// Not repeatable.
    pub(crate) ends: usize,
}

impl Api {
    /// Start it on a free port.
    pub(crate) fn start() -> Api {
        let mut api = Api { address: (Ipv4Addr::LOCALHOST, 0).into(), counts: Counts::default(), runtime: None };
        api.come_back();
        api
    }

    /// Break all connections, and refuse new ones.
    pub(crate) fn go_away(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Listen where it did before.
    pub(crate) fn come_back(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (address, counts) = (self.address, Arc::clone(&self.counts));
        let (tell, told) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            // What was there before may take a moment to go.
            let listener = loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_) => sleep(LATENCY).await,
                }
            };
            tell.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, Router::new().fallback(answer).with_state(counts)).await
        });
        self.address = told.recv().unwrap();
        self.runtime = Some(runtime);
    }

    /// What came in by now.
    pub(crate) fn counted(&self) -> Counted {
        self.counts.calls.lock().unwrap().clone()
    }

    /// How many events it was told.
    pub(crate) fn events(&self) -> usize {
        self.counts.events.load(Ordering::Relaxed)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // A runtime must not end by itself where another one runs.
        self.go_away();
    }
}

async fn answer(State(counts): State<Counts>, method: Method, uri: Uri) -> Response {
    let json = |value: Value| ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response();
    if uri.path() == "/version" {
        return json(json!({"major": "1", "minor": "36", "gitVersion": "v1.36.0"}));
    }
    if method == Method::POST && uri.path() == "/api/v1/namespaces/shop/events" {
        counts.events.fetch_add(1, Ordering::Relaxed);
        let event =
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "x", "namespace": "shop", "uid": "u"}});
        return (StatusCode::CREATED, json(event)).into_response();
    }
    if uri.path().ends_with("/log") {
        return "what it has said\n".into_response();
    }
    let Some(pod) = uri.path().strip_prefix("/api/v1/namespaces/shop/pods/") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (labels, ends) = (usize::from(method == Method::PATCH), usize::from(method == Method::DELETE));
    {
        let mut counts = counts.calls.lock().unwrap();
        let calls = counts.entry(pod.to_owned()).or_default();
        *calls = Calls { labels: calls.labels + labels, ends: calls.ends + ends };
    }
    sleep(LATENCY).await;
    json(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": pod, "namespace": "shop", "uid": format!("uid-of-{pod}"), "resourceVersion": "1"},
        "spec": {"containers": [{"name": "web", "image": "nginx"}]},
    }))
}
