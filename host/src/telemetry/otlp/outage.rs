//! What the log says of a collector that takes nothing in: one line when that begins, one a minute, and one at the end.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::settings::Signal;
use crate::telemetry::logs::{Level, Logger};

/// How often a line says it again.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Whether a collector takes in what it is sent.
#[derive(Debug)]
pub(super) struct Outage {
    logger: Logger,
    signal: Signal,
    since: Mutex<Option<Since>>,
}

#[derive(Debug)]
struct Since {
    said: Instant,
    lost: usize,
}

impl Outage {
    pub(super) fn new(logger: Logger, signal: Signal) -> Self {
        Self { logger, signal, since: Mutex::default() }
    }

    /// So many spans or metrics are lost.
    pub(super) fn lost(&self, count: usize, error: &dyn Display, now: Instant) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = since.as_ref().map_or(0, |since| since.lost) + count;
        let said = match &*since {
            Some(since) if now.duration_since(since.said) < SAY_EVERY => since.said,
            _ => {
                let what = match self.signal {
                    Signal::Traces => "spans",
                    Signal::Metrics => "metrics",
                };
                let error = format!("{error}; {lost} {what} are lost by now, and the host goes on without");
                self.logger.line(Level::Error, self.signal.tag()).error(&error).write();
                now
            }
        };
        *since = Some(Since { said, lost });
    }

    /// It took something in.
    pub(super) fn over(&self) {
        if self.since.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            let result = "the collector takes in again what it is sent";
            self.logger.line(Level::Info, self.signal.tag()).field("result", result).write();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;

    use super::*;
    use crate::telemetry::logs::Format;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_outage_is_a_line_a_minute() {
        let (written, start) = (Written::default(), Instant::now());
        let outage = Outage::new(Logger::new(Format::Text, written.clone()), Signal::Traces);
        for second in [0, 5, 59, 60, 61] {
            outage.lost(2, &"it is away", start + Duration::from_secs(second));
        }
        outage.over();
        outage.over();
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.lines().filter_map(|line| line.split_once(' ')).map(|(_, line)| line).collect();
        let lost = |count| {
            format!("ERR otel-traces error=\"it is away; {count} spans are lost by now, and the host goes on without\"")
        };
        let over = "INF otel-traces result=\"the collector takes in again what it is sent\"".to_owned();
        assert_eq!(lines, [lost(2), lost(8), over]);
    }
}
