//! Lines, from the logger to where they are written.

use super::*;

/// What was written, readable while the logger still holds its end.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

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
fn writes_a_line_with_the_time() {
    let written = Written::default();
    let logger = Logger::new(Format::Text, written.clone());
    logger.line(Level::Info, "rules").field("result", "rules file valid").write();
    let text = written.text();
    let (time, rest) = text.split_once(' ').unwrap();
    assert_eq!(rest, "INF rules result=\"rules file valid\"\n");
    let time: Timestamp = time.parse().expect("an RFC 3339 time");
    assert!((Timestamp::now().as_second() - time.as_second()).abs() <= 5);
}

#[test]
fn leaves_out_lines_below_the_level() {
    let written = Written::default();
    let logger = Logger::new(Format::Text, written.clone());
    logger.line(Level::Debug, "http").field("result", "unseen").write();
    assert_eq!(written.text(), "");
    let logger = logger.from_level(Level::Debug);
    logger.line(Level::Debug, "http").field("result", "seen").write();
    assert!(written.text().ends_with(" DBG http result=seen\n"));
}

#[test]
fn leaves_out_empty_values_and_errors() {
    let written = Written::default();
    let logger = Logger::new(Format::Text, written.clone());
    let objects = [("pod", ""), ("namespace", "shop")];
    logger.line(Level::Info, "action").field("rule", "").objects(&objects).error(&"").write();
    assert!(written.text().ends_with(" INF action namespace=shop\n"));
}

#[test]
fn an_error_may_log_while_it_is_displayed() {
    struct Talkative(Logger);
    impl fmt::Display for Talkative {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.line(Level::Info, "inner").write();
            f.write_str("outer error")
        }
    }
    let written = Written::default();
    let logger = Logger::new(Format::Text, written.clone());
    logger.line(Level::Error, "outer").error(&Talkative(logger.clone())).write();
    let text = written.text();
    let tags: Vec<_> = text.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(tags, ["inner", "outer"]);
}

#[test]
fn the_guard_writes_what_waits() {
    let written = Written::default();
    let (logger, guard) = Logger::threaded(Format::Text, written.clone());
    for number in 0..1000 {
        logger.line(Level::Info, "init").field("result", &number.to_string()).write();
    }
    drop(guard);
    let text = written.text();
    assert_eq!(text.lines().count(), 1000);
    assert!(text.ends_with("result=999\n"));
}

#[test]
fn what_is_missing_is_a_line_like_others() {
    let since = "2024-09-05T14:42:28.7Z".parse().unwrap();
    let line = line_about(Format::Text, "log", WHY_MISSING, Gap { lines: 3, since });
    let (time, rest) = line.split_once(' ').unwrap();
    time.parse::<Timestamp>().expect("an RFC 3339 time");
    let since = show_time(&since.to_zoned(TimeZone::system()));
    let expected = format!(
        "WRN log error=\"3 lines are missing here, the first of {since}: the log was not read in time, or its disk is \
         full\"\n"
    );
    assert_eq!(rest, expected);
}

#[test]
fn shows_time_as_go_does() {
    let time: Timestamp = "2024-09-05T14:42:28.7Z".parse().unwrap();
    let zone = |name: &str| time.in_tz(name).unwrap();
    assert_eq!(show_time(&zone("UTC")), "2024-09-05T14:42:28Z");
    let offset = |hours| TimeZone::fixed(jiff::tz::offset(hours));
    assert_eq!(show_time(&time.to_zoned(offset(2))), "2024-09-05T16:42:28+02:00");
    assert_eq!(show_time(&time.to_zoned(offset(-7))), "2024-09-05T07:42:28-07:00");
}

#[test]
fn reads_levels() {
    assert_eq!("DEBUG".parse(), Ok(Level::Debug));
    assert_eq!("warning".parse(), Ok(Level::Warn));
    assert_eq!("fatal".parse::<Level>(), Err(level::UnknownLevel));
}
