//! The end of the host: until when what runs may finish, and what was cut off.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::time::Instant;

use crate::pipeline::Undelivered;
use crate::store::{CutOff, Store};
use crate::telemetry::logs::{Level, Logger, show_time};
use crate::telemetry::metrics::Queued;

/// Waits for `shutdown`, says what is to end, and until when: `most` from then on. What waits in a store that lasts
/// begins no more.
pub(super) async fn deadline(
    shutdown: impl Future<Output = ()>,
    most: Duration,
    store: Store,
    logger: Logger,
) -> Instant {
    shutdown.await;
    let deadline = Instant::now() + most;
    store.stop();
    let until = Timestamp::now().saturating_add(SignedDuration::try_from(most).unwrap_or(SignedDuration::MAX));
    let until = until.map(|until| show_time(&until.to_zoned(TimeZone::system()))).unwrap_or_default();
    let Queued { waiting, in_flight, .. } = store.counts();
    let result = if store.is_lasting() {
        "asked to end: no more events are taken in, what runs may finish, and what waits stays stored"
    } else {
        "asked to end: no more events are taken in, and what was accepted may finish"
    };
    logger
        .line(Level::Info, "shutdown")
        .field("result", result)
        .field("waiting", &waiting.to_string())
        .field("in_flight", &in_flight.to_string())
        .field("until", &until)
        .write();
    deadline
}

/// Says what could not finish: as many connections, events of this store, and what is still to leave the host. How many
/// events, artifacts and notifications that are, without those that stay stored.
pub(super) fn report(logger: &Logger, connections: usize, due: Undelivered, store: &Store) -> usize {
    if connections > 0 {
        let error = format!("{connections} connections were closed before their request was answered");
        logger.line(Level::Warn, "shutdown").error(&error).write();
    }
    let mut cut_off = store.cut_off();
    let mut waiting = store.counts().waiting;
    if store.is_lasting() {
        // What had not begun is as good as what waits.
        let taken = cut_off.len();
        cut_off.retain(|event| event.has_begun);
        waiting += taken - cut_off.len();
    }
    for CutOff { trace_id, has_begun } in &cut_off {
        let error = match (has_begun, store.is_lasting()) {
            (true, true) => {
                "the event was cut off by the shutdown; its actions may have been carried out, and it goes on at the next \
                 start"
            }
            (true, false) => "the event was cut off by the shutdown; its actions may have been carried out",
            (false, _) => "the event was cut off by the shutdown before its first action began",
        };
        logger.line(Level::Error, "shutdown").error(&error).field("trace_id", &trace_id.to_string()).write();
    }
    let lost = if store.is_lasting() { 0 } else { waiting };
    if lost > 0 {
        let error = format!("{lost} events that waited are lost: there is no 'data_dir' that could keep them");
        logger.line(Level::Error, "shutdown").error(&error).write();
    }
    let Undelivered { artifacts, notifications } = due;
    let lost_artifacts = report_due(logger, artifacts, "artifacts", store.is_lasting());
    let lost_notifications = report_due(logger, notifications, "notifications", store.is_lasting());
    let cut_off = cut_off.len() + lost + lost_artifacts + lost_notifications;
    let result = match waiting - lost {
        0 if cut_off == 0 && due == Undelivered::default() => "everything that was accepted is done".to_owned(),
        0 => return cut_off,
        stored => format!("{stored} events stay stored, and go on at the next start"),
    };
    logger.line(Level::Info, "shutdown").field("result", &result).write();
    cut_off
}

/// Says what is not delivered. How much of it is lost.
fn report_due(logger: &Logger, due: usize, what: &str, is_lasting: bool) -> usize {
    if due > 0 && is_lasting {
        let result = format!("{due} {what} stay stored, and are delivered after the next start");
        logger.line(Level::Info, "shutdown").field("result", &result).write();
    } else if due > 0 {
        let error =
            format!("{due} {what} that were to be delivered are lost: there is no 'data_dir' that could keep them");
        logger.line(Level::Error, "shutdown").error(&error).write();
    }
    if is_lasting { 0 } else { due }
}
