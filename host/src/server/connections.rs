//! Accepts connections, serves them, and ends them.
//!
//! Whoever comes is let in at once: where no more connections may be open, the idlest makes room.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::{Method, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tower::{Service, ServiceExt};

use super::places::{Entered, Limit, Place, Places};
use super::refusal::Refusal;
use super::trace::Peer;
use super::watched::Watched;
use crate::config::ServerLimits;
use crate::telemetry::logs::{Level, Logger};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{Span, Throttle};

/// What a connection buffers of a request's head, and of a body before it is asked for.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// The pause after an error that concerns the program rather than one client, such as too many
/// open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The pause after it where a connection was closed for it, which the task of that connection does.
const CLOSE_PAUSE: Duration = Duration::from_millis(1);

pub(super) struct Server<Edge> {
    pub(super) listener: TcpListener,
    /// What answers the requests of all connections.
    pub(super) edge: Edge,
    pub(super) limits: ServerLimits,
    pub(super) logger: Logger,
    pub(super) metrics: Metrics,
}

/// A client that was let in.
struct Client {
    stream: TcpStream,
    place: Place,
    /// Ready when it has to make room for another.
    closed: oneshot::Receiver<()>,
}

impl<Edge> Server<Edge>
where
    Edge: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    /// Serves until `shutdown`, then waits for open requests until the time that it names; returns how many connections
    /// were cut.
    pub(super) async fn run(self, shutdown: impl Future<Output = Instant>) -> usize {
        let Server { listener, edge, limits, logger, metrics } = self;
        let places = Places::new(limits);
        let _look = metrics.look({
            let places = Arc::clone(&places);
            move |metrics| metrics.places_free("server.connections_max", places.free())
        });
        let door = Door { listener, places, limits, logger, metrics, throttle: Throttle::new() };
        let (stop, stopping) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        let deadline = loop {
            let accepted = tokio::select! {
                biased;
                deadline = &mut shutdown => break deadline,
                accepted = door.accept() => accepted,
            };
            // Those that ended since leave their results behind until they are asked for.
            while connections.try_join_next().is_some() {}
            let Some(client) = accepted else {
                continue;
            };
            connections.spawn(connection(client, edge.clone(), limits, stopping.clone()));
        };
        drop(door);
        drop(stop);
        let finished = async { while connections.join_next().await.is_some() {} };
        // A deadline that passes shows in what is left.
        let _ = timeout_at(deadline, finished).await;
        let cut = connections.len();
        connections.shutdown().await;
        cut
    }
}

/// Where clients come in.
struct Door {
    listener: TcpListener,
    places: Arc<Places>,
    limits: ServerLimits,
    logger: Logger,
    metrics: Metrics,
    throttle: Throttle,
}

impl Door {
    /// Waits for a client, and finds it a place. `None` when there was an error to get over.
    async fn accept(&self) -> Option<Client> {
        match self.listener.accept().await {
            Ok((stream, address)) => {
                let Entered { place, closed, displaced } = self.places.enter(address.ip()).await;
                if let Some(limit) = displaced {
                    self.report(limit);
                }
                Some(Client { stream, place, closed })
            }
            Err(error) if is_about_the_client(&error) => None,
            Err(error) => {
                if let Some(note) = self.throttle.admit(Instant::now()) {
                    self.logger.line(Level::Error, "http").error(&error).field("result", &note).write();
                }
                // It may be that the process has no more descriptors, and the next client is what watches it.
                sleep(if self.places.make_room() { CLOSE_PAUSE } else { ACCEPT_PAUSE }).await;
                None
            }
        }
    }

    fn report(&self, limit: Limit) {
        let ServerLimits { connections_max, connections_per_peer_max, .. } = self.limits;
        let (key, most, whose) = match limit {
            Limit::All => ("server.connections_max", connections_max, ""),
            Limit::OfPeer => ("server.connections_per_peer_max", connections_per_peer_max, " of one address"),
        };
        self.metrics.displaced(key);
        if let Some(note) = self.throttle.admit(Instant::now()) {
            let error = format!("{most} connections{whose} were open ('{key}'): the idlest was closed for a new one");
            self.logger.line(Level::Warn, "http").error(&error).field("result", &note).write();
        }
    }
}

fn is_about_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one client until it leaves, is too slow, has to make room, or the server stops.
async fn connection(
    Client { stream, place, mut closed }: Client,
    edge: impl Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone,
    limits: ServerLimits,
    mut stopping: watch::Receiver<()>,
) {
    // Answers are small, and waiting for more to send would only delay them. A socket that refuses
    // the option works all the same.
    let _ = stream.set_nodelay(true);
    let peer = if Span::are_made() { stream.peer_addr().ok() } else { None };
    let progress = Arc::clone(&place.progress);
    let place = &place;
    let service = service_fn(|mut request: Request<Incoming>| {
        let may_begin = place.progress.request_begins();
        let event = if request.method() == Method::POST { place.event_begins() } else { None };
        if request.method() == Method::POST && event.is_none() {
            request.extensions_mut().insert(Refusal::Crowded);
        }
        if let Some(peer) = peer {
            request.extensions_mut().insert(Peer(peer.ip()));
        }
        let answer = edge.clone().oneshot(request);
        async move {
            if !may_begin {
                // It has just been closed for another, and this ends with it.
                std::future::pending::<()>().await;
            }
            let answer = answer.await;
            drop(event);
            place.request_ends();
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
        biased;
        _ = &mut closed => return,
        ended = served.as_mut() => ended,
        _ = stopping.changed() => {
            progress.stop();
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
}
