//! Accepts connections, bounds how many there are, and ends them.
//!
//! Where no more connections may be open, further clients wait to be accepted rather than being
//! turned away: a sender does not try again, and idle connections make room in time.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::{Service, ServiceExt};

use super::watched::{Progress, Watched};
use crate::config::ServerLimits;
use crate::telemetry::logs::{Level, Logger};

/// What a connection buffers of a request's head, and of a body before it is asked for.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// The pause after an error that concerns the program rather than one client, such as too many
/// open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Server<Edge> {
    pub(super) listener: TcpListener,
    /// What answers the requests of all connections.
    pub(super) edge: Edge,
    pub(super) limits: ServerLimits,
    pub(super) logger: Logger,
}

impl<Edge> Server<Edge>
where
    Edge: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    /// Serves until `shutdown`, then waits for open requests; returns how many connections were cut.
    pub(super) async fn run(self, shutdown: impl Future<Output = ()>, drain_max: Duration) -> usize {
        let Server { listener, edge, limits, logger } = self;
        let places = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
        let (stop, stopping) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = accept(&listener, &places, &logger) => accepted,
            };
            // Those that ended since leave their results behind until they are asked for.
            while connections.try_join_next().is_some() {}
            let Some((stream, place)) = accepted else {
                continue;
            };
            connections.spawn(connection(stream, place, edge.clone(), limits, stopping.clone()));
        }
        drop(listener);
        drop(stop);
        let finished = async { while connections.join_next().await.is_some() {} };
        // A deadline that passes shows in what is left.
        let _ = timeout(drain_max, finished).await;
        let cut = connections.len();
        connections.shutdown().await;
        cut
    }
}

/// Waits for a place and then for a client. `None` when there was an error to get over.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    logger: &Logger,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) if is_about_the_client(&error) => None,
        Err(error) => {
            logger.line(Level::Error, "http").error(&error).write();
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn is_about_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one client until it leaves, is too slow, or the server stops.
async fn connection(
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    edge: impl Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone,
    limits: ServerLimits,
    mut stopping: watch::Receiver<()>,
) {
    // Answers are small, and waiting for more to send would only delay them. A socket that refuses
    // the option works all the same.
    let _ = stream.set_nodelay(true);
    let progress = Arc::new(Progress::new());
    let service = service_fn(|request: Request<Incoming>| {
        progress.request_begins();
        let answer = edge.clone().oneshot(request);
        let progress = Arc::clone(&progress);
        async move {
            let answer = answer.await;
            progress.request_ends();
            answer
        }
    });
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&progress), limits));
    let mut http = http1::Builder::new();
    // `Watched` distinguishes a slow head from an idle connection, which hyper's own timeout doesn't.
    http.header_read_timeout(None).max_buf_size(BUFFER_BYTES_MAX);
    let mut served = pin!(http.serve_connection(io, service));
    // How a connection ends is the client's business: what it was owed is answered by then.
    let _ = tokio::select! {
        ended = served.as_mut() => ended,
        _ = stopping.changed() => {
            progress.stop();
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
}
