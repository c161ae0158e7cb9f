//! An API server over TLS whose certificate, authority and accepted credentials change while it runs.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// An authority, which signs for servers and for clients.
pub(super) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(parameters, key) }
    }

    pub(super) fn write(&self, file: &Path) {
        std::fs::write(file, self.certificate.pem()).unwrap();
    }

    fn sign(&self) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// The certificate and the key of a client.
    pub(super) fn write_client(&self, certificate: &Path, key: &Path) {
        let (signed, signing) = self.sign();
        std::fs::write(certificate, signed.pem()).unwrap();
        std::fs::write(key, signing.serialize_pem()).unwrap();
    }

    /// A server that this one has signed for, and that only lets in whom `clients` has signed for.
    pub(super) fn serve(&self, clients: Option<&Authority>) -> Arc<ServerConfig> {
        let (signed, key) = self.sign();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let builder = builder.unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.certificate.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        Arc::new(builder.with_single_cert(vec![signed.der().clone()], key).unwrap())
    }
}

/// How it answers.
#[derive(Clone)]
pub(super) struct Ways {
    pub(super) tls: Arc<ServerConfig>,
    /// The only one that it knows; without any, all are let in.
    pub(super) token: Option<&'static str>,
    /// Whether it takes requests and says nothing.
    pub(super) is_silent: bool,
}

/// What it got.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) carried_out: usize,
    pub(super) refused: usize,
    pub(super) connections: usize,
    pub(super) open: usize,
}

#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    ways: watch::Sender<Ways>,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    pub(super) async fn start(ways: Ways) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), ways).await
    }

    pub(super) async fn start_at(address: SocketAddr, ways: Ways) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, ways: watch::Sender::new(ways), seen: Arc::default() };
        tokio::spawn(server.clone().run(listener));
        server
    }

    /// Go on in another way. With other certificates, the connections that there are end.
    pub(super) fn change(&self, change: impl FnOnce(&mut Ways)) {
        self.ways.send_modify(change);
    }

    pub(super) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    /// Wait until no connection is left, and the other side has had the time to see it.
    pub(super) async fn is_left_alone(&self) {
        while self.seen(|seen| seen.open) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    fn count(&self, count: impl FnOnce(&mut Seen)) {
        count(&mut self.seen.lock().unwrap());
    }

    async fn run(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            self.count(|seen| (seen.connections, seen.open) = (seen.connections + 1, seen.open + 1));
            let server = self.clone();
            let tls = self.ways.borrow().tls.clone();
            let mut ways = self.ways.subscribe();
            tokio::spawn(async move {
                if let Ok(stream) = TlsAcceptor::from(tls.clone()).accept(stream).await {
                    let answer = service_fn(|request| server.answer(request));
                    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                    tokio::select! {
                        _ = connection => {}
                        _ = ways.wait_for(|ways| !Arc::ptr_eq(&ways.tls, &tls)) => {}
                    }
                }
                server.count(|seen| seen.open -= 1);
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let Ways { token, is_silent, .. } = self.ways.borrow().clone();
        if is_silent {
            std::future::pending::<()>().await;
        }
        let shown = request.headers().get(header::AUTHORIZATION).cloned();
        let is_known = token.is_none_or(|token| shown.is_some_and(|shown| shown == format!("Bearer {token}")));
        let mut seen = self.seen.lock().unwrap();
        let (status, body) = if is_known {
            seen.carried_out += 1;
            (StatusCode::OK, r#"{"metadata": {"name": "a", "uid": "u"}}"#)
        } else {
            seen.refused += 1;
            (StatusCode::UNAUTHORIZED, r#"{"kind": "Status", "message": "Unauthorized", "code": 401}"#)
        };
        Ok(Response::builder().status(status).body(Full::from(body)).unwrap())
    }
}
