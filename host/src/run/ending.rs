//! The end of the host: until when what runs may finish, and what was cut off.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::time::Instant;

use crate::store::{Counts, Record, Store};
use crate::telemetry::logs::{Level, Logger, show_time};

/// Waits for `shutdown`, says what is to end, and until when: `most` from then on.
pub(super) async fn deadline(
    shutdown: impl Future<Output = ()>,
    most: Duration,
    store: Store,
    logger: Logger,
) -> Instant {
    shutdown.await;
    let deadline = Instant::now() + most;
    let until = Timestamp::now().saturating_add(SignedDuration::try_from(most).unwrap_or(SignedDuration::MAX));
    let until = until.map(|until| show_time(&until.to_zoned(TimeZone::system()))).unwrap_or_default();
    let Counts { waiting, in_flight, .. } = store.counts().await.unwrap_or_default();
    logger
        .line(Level::Info, "shutdown")
        .field("result", "asked to end: no more events are taken in, and what was accepted may finish")
        .field("waiting", &waiting.to_string())
        .field("in_flight", &in_flight.to_string())
        .field("until", &until)
        .write();
    deadline
}

/// Says what could not finish: as many connections, and these events.
pub(super) fn report(logger: &Logger, connections: usize, unfinished: &[Record]) {
    if connections > 0 {
        let error = format!("{connections} connections were closed before their request was answered");
        logger.line(Level::Warn, "shutdown").error(&error).write();
    }
    for Record { trace_id, progress, .. } in unfinished {
        let error = if progress.is_empty() {
            "the event was cut off by the shutdown before its first action began"
        } else {
            "the event was cut off by the shutdown; its actions may have been carried out"
        };
        logger.line(Level::Error, "shutdown").error(&error).field("trace_id", &trace_id.to_string()).write();
    }
    if unfinished.is_empty() {
        logger.line(Level::Info, "shutdown").field("result", "everything that was accepted is done").write();
    }
}
