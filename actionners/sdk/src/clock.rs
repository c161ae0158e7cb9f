//! The capability `clock`: the time of day, and pauses.
//!
//! The event carries the time at which it happened; this is the time now.

pub use crate::bindings::falco_talon::actionner::clock::{now, pause};

/// After this many days the calendar begins again.
const DAYS_OF_400_YEARS: u64 = 146_097;

/// A time in milliseconds since the beginning of 1970, as [`now`] gives it, as RFC 3339 in whole seconds: as
/// Kubernetes writes it.
#[must_use]
pub fn rfc3339(time_ms: u64) -> String {
    let seconds = time_ms / 1_000;
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let (year, month, day) = date(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day, so many days after the first of 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let (mut year, mut days) = (1970 + days / DAYS_OF_400_YEARS * 400, days % DAYS_OF_400_YEARS);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_kubernetes_does() {
        fn check(seconds: u64, expected: &str) {
            assert_eq!(rfc3339(seconds * 1_000 + 999), expected);
        }
        check(0, "1970-01-01T00:00:00Z");
        check(68_169_599, "1972-02-28T23:59:59Z");
        check(68_169_600, "1972-02-29T00:00:00Z");
        check(951_868_800, "2000-03-01T00:00:00Z");
        check(1_767_225_599, "2025-12-31T23:59:59Z");
        check(1_767_225_600, "2026-01-01T00:00:00Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
        check(13_574_563_200, "2400-02-29T00:00:00Z");
    }
}
