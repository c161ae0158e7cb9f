//! Times as people type them.

use jiff::Timestamp;
use rules::quantity;

/// A time, or how long ago that was.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = || "it is a time such as 2026-07-22T14:00:00Z, or how long ago, such as 90m or 2d".to_owned();
    match quantity::duration(text) {
        Some(ago) => Timestamp::now().checked_sub(ago).map_err(|_| wrong()),
        None => text.parse().map_err(|_| wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_how_long_ago() {
        assert_eq!(moment("2026-07-22T14:00:00+02:00").unwrap().to_string(), "2026-07-22T12:00:00Z");
        let an_hour_ago = Timestamp::now().as_second() - moment("1h").unwrap().as_second();
        assert!((3_600..3_660).contains(&an_hour_ago), "{an_hour_ago}");
        for wrong in ["yesterday", "", "-1h", "2026-07-22", "99999999d"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
