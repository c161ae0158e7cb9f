//! What is said to `tracing` and to `log`, and the lines that come of it.

use std::io::{self, Write};
use std::sync::Mutex;

use expect_test::{Expect, expect};
use tracing::subscriber::with_default;
use tracing::{debug, error, info, warn};

use super::*;
use crate::telemetry::logs::{Format, VALUE_BYTES_MAX};

/// What was written; each write is something that a library could report.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        warn!("{} bytes are written", bytes.len());
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `report` leads to, without their time.
fn lines(report: impl FnOnce(&Library)) -> String {
    let written = Written::default();
    let library = Library::new(Logger::new(Format::Text, written.clone()));
    with_default(subscriber(library.clone(), None), || report(&library));
    let bytes = written.0.lock().unwrap().clone();
    let lines = String::from_utf8(bytes).unwrap();
    lines.lines().map(|line| line.split_once(' ').unwrap().1.to_owned() + "\n").collect()
}

#[track_caller]
fn check(report: impl FnOnce(), expected: Expect) {
    expected.assert_eq(&lines(|_| report()));
}

#[test]
fn a_warning_is_a_line() {
    check(
        || warn!(target: "kube_client::client", "Server cert bypassed"),
        expect![[r#"
            WRN library error="Server cert bypassed" target=kube_client::client
        "#]],
    );
    check(
        || error!(target: "aws_config", provider = %"Environment", error = ?Some(7), attempts = 3, "no credentials"),
        expect![[r#"
            ERR library error="no credentials provider=Environment error=Some(7) attempts=3" target=aws_config
        "#]],
    );
    check(
        || warn!(target: "aws_config", "invalid URI: http://u:hunter2@ 127.0.0.1/x"),
        expect![[r#"
            WRN library error="invalid URI: http://…@ 127.0.0.1/x" target=aws_config
        "#]],
    );
    let io_error = io::Error::other("connection reset");
    check(
        || warn!(target: "h2", error = &io_error as &dyn std::error::Error, name = "a b"),
        expect![[r#"
            WRN library error="error=connection reset name=a b" target=h2
        "#]],
    );
}

#[test]
fn what_matters_less_is_not_written() {
    check(
        || {
            info!("an INFO");
            debug!("a DEBUG");
            // A span is no line either, nor a part of one.
            let _span = tracing::error_span!("request", token = "secret").entered();
            warn!(target: "t", "a WARN");
        },
        expect![[r#"
            WRN library error="a WARN" target=t
        "#]],
    );
    assert!(with_default(subscriber(Library::new(Logger::new(Format::Text, io::sink())), None), || {
        tracing::enabled!(tracing::Level::WARN) && !tracing::enabled!(tracing::Level::INFO)
    }));
}

#[test]
fn records_of_log_are_lines_too() {
    let record = |library: &Library, level, text: &str| {
        let arguments = format_args!("{text}");
        log::Log::log(library, &log::Record::builder().level(level).target("rustls::check").args(arguments).build());
    };
    let lines = lines(|library| {
        record(library, log::Level::Info, "unseen");
        record(library, log::Level::Warn, "a certificate was ignored");
        record(library, log::Level::Error, "no certificate");
    });
    expect![[r#"
        WRN library error="a certificate was ignored" target=rustls::check
        ERR library error="no certificate" target=rustls::check
    "#]]
    .assert_eq(&lines);
}

#[test]
fn a_flood_is_cut_and_counted() {
    // Time stands still between the two floods.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let lines = lines(|_| {
        runtime.block_on(async {
            for number in 0..1000 {
                warn!(target: "t", "flood {number}");
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            warn!(target: "t", "later");
        });
    });
    assert_eq!(lines.lines().count(), 11);
    assert!(lines.contains("WRN library error=\"flood 9\" target=t\n"), "{lines}");
    let last = "WRN library error=later result=\"990 lines like this were left out\" target=t\n";
    assert!(lines.ends_with(last), "{lines}");
}

#[test]
fn one_report_is_one_short_line_without_controls() {
    check(
        || warn!(target: "t", url = "http://x/\u{202e}\r\n", "a\nb\u{1b}[31m \"c\""),
        expect![[r#"
            WRN library error="a\nb\x1b[31m \"c\" url=http://x/\u202e\r\n" target=t
        "#]],
    );
    let lines = lines(|_| warn!("{}", "x".repeat(VALUE_BYTES_MAX + 5)));
    assert!(lines.contains("x…[5 bytes cut]\""), "{}", lines.len());
}

/// The writer of these tests reports each write, as do libraries that a logger is built on.
#[test]
fn what_the_logger_leads_to_is_not_reported() {
    let own = lines(|library| library.logger.line(Level::Info, "init").field("result", "own").write());
    assert_eq!(own, "INF init result=own\n");
    // As `log` calls a logger, which has no guard of its own.
    struct Recursive<'a>(&'a Library);
    impl fmt::Display for Recursive<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.report(Level::Warn, "t", self);
            f.write_str("once")
        }
    }
    let recursive = lines(|library| {
        library.report(Level::Warn, "t", &Recursive(library));
        library.report(Level::Warn, "t", &"again");
    });
    assert_eq!(recursive, "WRN library error=once target=t\nWRN library error=again target=t\n");
}

#[test]
fn the_level_of_the_log_holds_for_libraries() {
    let written = Written::default();
    let logger = Logger::new(Format::Text, written.clone()).from_level(Level::Error);
    with_default(subscriber(Library::new(logger), None), || warn!("a WARN"));
    assert!(written.0.lock().unwrap().is_empty());
}
