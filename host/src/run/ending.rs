//! The end of the host: until when what runs may finish, and what was cut off.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::time::{Instant, timeout};

use crate::store::{Counts, Record, Store};
use crate::telemetry::logs::{Level, Logger, show_time};

/// How long the line that says what is to end may wait for the store, since the intake waits for it.
const COUNT_WAIT: Duration = Duration::from_millis(200);

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
    let counts = timeout(COUNT_WAIT, store.counts()).await.ok().and_then(Result::ok);
    let [waiting, in_flight] = counts.map_or_else(Default::default, |Counts { waiting, in_flight, .. }| {
        [waiting, in_flight].map(|count| count.to_string())
    });
    logger
        .line(Level::Info, "shutdown")
        .field("result", "asked to end: no more events are taken in, and what was accepted may finish")
        .field("waiting", &waiting)
        .field("in_flight", &in_flight)
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
