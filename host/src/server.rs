//! The HTTP edge: takes events in, and answers whoever watches the program.
//!
//! An event is answered as soon as the queue has accepted it, because senders neither wait for
//! actions nor read the answer. This module decodes events but knows nothing of rules or actions.
//! What a request passes on its way is the list in [`layers`]; why it may be refused, and with which
//! status, is the table in [`refusal`].

mod layers;

mod probes;

mod body;
mod intake;
mod trace;

mod refusal;

mod connections;
mod places;
mod progress;
mod watched;

use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

use connections::Server;
pub use intake::Intake;

use crate::health::Check;

/// Serves until `shutdown` is ready, then lets requests in flight finish until the time that it names.
///
/// Returns the number of connections that had to be cut.
pub async fn serve(listener: TcpListener, intake: Intake, shutdown: impl Future<Output = Instant>) -> usize {
    let (limits, logger, metrics) = (intake.limits, intake.logger.clone(), intake.metrics.clone());
    let health = intake.health.clone();
    let _look = metrics.look(probes::look(&intake));
    let shutdown = shutdown.inspect(|_| health.wrong(Check::Shutdown, "the host takes no more events"));
    let server = Server { listener, edge: layers::edge(intake), limits, logger, metrics };
    server.run(shutdown).await
}

#[cfg(test)]
mod tests;
