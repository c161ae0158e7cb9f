//! What libraries warn of, as lines of the host's log: a certificate that can't be read, say, or an
//! API server whose connections break off.
//!
//! Libraries report to `tracing` or to `log`, and so to nobody unless the process subscribes to
//! both. What they say below a warning is for their authors, and is turned off where it is said.
//! None of them is singled out: what one repeats is bounded, and no warning is noise by design.

use std::fmt;
use std::sync::{Arc, OnceLock};

use policy::without_userinfo;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::logs::{self, Level, Logger};
use super::otlp::{Traces, layer};
use super::throttle::Throttle;

/// Has the warnings and errors of libraries written to `logger` until the process ends, and traces made of the host's own
/// spans.
///
/// A process subscribes once: where it has done so already, that stays.
pub(crate) fn subscribe(logger: &Logger, traces: Option<&Traces>) {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| Library::new(logger.clone()));
    // Fails where somebody else has subscribed, who then gets to know what libraries report.
    let _ = tracing::subscriber::set_global_default(subscriber(library.clone(), traces));
    if log::set_logger(library).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

/// Without traces, a span of the host is as much as what libraries say below a warning.
fn subscriber(library: Library, traces: Option<&Traces>) -> impl Subscriber + Send + Sync {
    let library = library.with_filter(LevelFilter::WARN);
    tracing_subscriber::registry().with(library).with(traces.map(|traces| layer(traces.tracer())))
}

/// Writes what libraries report.
#[derive(Clone)]
struct Library {
    logger: Logger,
    throttle: Arc<Throttle>,
}

impl Library {
    fn new(logger: Logger) -> Library {
        Library { logger, throttle: Arc::new(Throttle::new()) }
    }

    /// `text` is only asked for where a line is written.
    fn report(&self, level: Level, target: &str, text: &dyn fmt::Display) {
        if logs::is_writing() || !self.logger.enabled(level) {
            return;
        }
        if let Some(note) = self.throttle.admit(Instant::now()) {
            self.logger
                .line(level, "library")
                .error(&Shown(text))
                .field("result", &note)
                .field("target", target)
                .write();
        }
    }
}

impl<S: Subscriber> Layer<S> for Library {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let is_error = *event.metadata().level() == tracing::Level::ERROR;
        let level = if is_error { Level::Error } else { Level::Warn };
        self.report(level, event.metadata().target(), &Text(event));
    }
}

impl log::Log for Library {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if log::Log::enabled(self, record.metadata()) {
            let level = if record.level() == log::Level::Error { Level::Error } else { Level::Warn };
            self.report(level, record.target(), record.args());
        }
    }

    fn flush(&self) {}
}

/// Addresses that are configured, proxies for one, may hold passwords.
struct Shown<'a>(&'a dyn fmt::Display);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_userinfo(&self.0.to_string()))
    }
}

/// The message of an event, and then what it names besides.
struct Text<'a>(&'a Event<'a>);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::default();
        self.0.record(&mut parts);
        f.write_str(&parts.message)?;
        f.write_str(if parts.message.is_empty() { parts.fields.trim_start() } else { &parts.fields })
    }
}

#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        // Writing to a String fails only if the value itself says so; what it wrote stays.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests;
