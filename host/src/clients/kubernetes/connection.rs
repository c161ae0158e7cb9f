//! One way to the API server: an address, credentials, and a pool of connections that were made with them.
//!
//! The client library would keep idle connections for good, and not find out which of them lead nowhere. Does not know
//! where the credentials come from.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use http::{Request, Uri};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use tokio::time::{Instant, timeout};
use tower::{BoxError, Service, ServiceBuilder};

use crate::clients::web::{
    CONNECT_MAX, IDLE_MAX, KEEPALIVE_AFTER, KEEPALIVE_EVERY, KEEPALIVE_RETRIES, UNACKNOWLEDGED_MAX,
};

/// A client, and what may be said of it.
pub(super) struct Connection {
    pub(super) client: kube::Client,
    /// Host and port, for the log.
    pub(super) server: String,
    give_up: Box<dyn Fn(Instant) + Send + Sync>,
}

impl Connection {
    /// By a client that exists already, and looks after its connections itself.
    pub(super) fn of(client: kube::Client) -> Self {
        Self { client, server: "the simulation".to_owned(), give_up: Box::new(|_| ()) }
    }

    /// To the server and by the credentials of `config`. Blocks: a plugin may be run for the credentials.
    pub(super) fn new(config: &kube::Config) -> kube::Result<Self> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEPALIVE_AFTER));
        http.set_keepalive_interval(Some(KEEPALIVE_EVERY));
        http.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(target_os = "linux")]
        http.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
        let pool = Pool::new(InTime(config.rustls_https_connector_with_connector(http)?));
        let service = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .option_layer(config.auth_layer()?)
            .layer(config.extra_headers_layer()?)
            .map_err(BoxError::from)
            .service(pool.clone());
        let client = kube::Client::new(service, config.default_namespace.clone());
        let give_up = Box::new(move |since| pool.give_up(since));
        Ok(Self { client, server: server(&config.cluster_url), give_up })
    }

    /// Use no connection any more that was there at `since`: one of them leads nowhere, and the others may, too.
    pub(super) fn give_up(&self, since: Instant) {
        (self.give_up)(since);
    }
}

/// Host and port of an address, and nothing else of it.
fn server(url: &Uri) -> String {
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 });
    format!("{}:{port}", url.host().unwrap_or_default())
}

/// Connections that can be given up all at once.
struct Pool<C>(Arc<Inner<C>>);

struct Inner<C> {
    connector: C,
    current: ArcSwap<(legacy::Client<C, Body>, Instant)>,
}

impl<C: Connect + Clone + Send + Sync + 'static> Pool<C> {
    fn new(connector: C) -> Self {
        let current = ArcSwap::from_pointee((client(&connector), Instant::now()));
        Self(Arc::new(Inner { connector, current }))
    }

    /// What is on its way goes on; what is idle is closed.
    fn give_up(&self, since: Instant) {
        let Inner { connector, current } = &*self.0;
        if current.load().1 <= since {
            current.store(Arc::new((client(connector), Instant::now())));
        }
    }
}

fn client<C: Connect + Clone>(connector: &C) -> legacy::Client<C, Body> {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_MAX).build(connector.clone())
}

impl<C> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> Service<Request<Body>> for Pool<C> {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = legacy::Error;
    type Future = legacy::ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.current.load().0.request(request)
    }
}

/// Connects within [`CONNECT_MAX`], TLS included: until then nothing was sent.
#[derive(Clone)]
struct InTime<C>(C);

impl<C> Service<Uri> for InTime<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
    C::Response: 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let connecting = self.0.call(address);
        Box::pin(async move {
            let late = || io::Error::new(io::ErrorKind::TimedOut, format!("not within {} s", CONNECT_MAX.as_secs()));
            timeout(CONNECT_MAX, connecting).await.map_err(|_| late())?
        })
    }
}
