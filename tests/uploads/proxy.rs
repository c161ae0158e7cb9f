//! Stands between a host and a server, and passes on what it is not told to do otherwise.

use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is answered by 503, and goes no further.
    Busy,
    /// It is passed on, and its answer is not: the connection breaks.
    Unanswered,
    /// It goes nowhere, and nothing comes back.
    Silent,
}

#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) address: String,
    state: Arc<Mutex<State>>,
}

struct State {
    upstream: String,
    /// Of which requests, by their method and a part of their address; how often yet.
    faults: Vec<(&'static str, &'static str, Fault, usize)>,
    heard: Vec<String>,
}

impl Proxy {
    pub(super) async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let state = Arc::new(Mutex::new(State { upstream, faults: Vec::new(), heard: Vec::new() }));
        let proxy = Self { address, state };
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = serving.clone();
                let service = service_fn(move |request| proxy.clone().pass(request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        proxy
    }

    /// Let this become of the next requests of this method whose address has this part.
    pub(super) fn fail(&self, method: &'static str, part: &'static str, fault: Fault, times: usize) {
        self.state.lock().unwrap().faults.push((method, part, fault, times));
    }

    /// Pass on everything from now on.
    pub(super) fn mend(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Method, address, and the key that signed it, of all requests so far.
    pub(super) fn heard(&self) -> Vec<String> {
        self.state.lock().unwrap().heard.clone()
    }

    fn fault(&self, request: &Request<Incoming>) -> (String, Option<Fault>) {
        let mut state = self.state.lock().unwrap();
        let (method, address) = (request.method().as_str(), request.uri().to_string());
        let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let signer = authorization.and_then(|value| value.split("Credential=").nth(1)?.split('/').next());
        state.heard.push(format!("{method} {address} {}", signer.unwrap_or_default()));
        let upstream = state.upstream.clone();
        let fits = |(of, part, _, left): &&mut (&str, &str, Fault, usize)| {
            *of == method && address.contains(*part) && *left > 0
        };
        let fault = state.faults.iter_mut().find(fits).map(|(_, _, fault, left)| {
            *left -= 1;
            *fault
        });
        (upstream, fault)
    }

    async fn pass(self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (upstream, fault) = self.fault(&request);
        match fault {
            Some(Fault::Busy) => {
                axum::body::to_bytes(Body::new(request.into_body()), usize::MAX).await.map_err(io::Error::other)?;
                let mut response = Response::new(Body::from("<Error><Code>SlowDown</Code></Error>"));
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return Ok(response);
            }
            Some(Fault::Silent) => return std::future::pending().await,
            Some(Fault::Unanswered) | None => {}
        }
        let stream = TcpStream::connect(&upstream).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        // Its signature is for the address that it was sent to.
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        if fault.is_some() {
            return Err(io::Error::other("not answered"));
        }
        Ok(response.map(Body::new))
    }
}
