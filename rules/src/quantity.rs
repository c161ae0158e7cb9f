//! Times and sizes as people write them: `1m30s`, `64Mi`. One place for rules, policy and configuration.
//!
//! What they are for, and which are too small or too large, is not known here.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

const SECOND_MS: u128 = 1_000;
const MINUTE_MS: u128 = 60 * SECOND_MS;
const HOUR_MS: u128 = 60 * MINUTE_MS;
const DAY_MS: u128 = 24 * HOUR_MS;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// A time in whole milliseconds: numbers with one of the units `ms`, `s`, `m`, `h` and `d`. Only 0 needs none.
pub fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    // A day has 24 hours here, whatever a calendar says of some.
    let time = text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    let time = Duration::try_from(time).ok()?;
    time.subsec_nanos().is_multiple_of(1_000_000).then_some(time)
}

/// A time in the largest unit of which it is a whole multiple, which [`duration`] reads back.
pub fn duration_text(time: Duration) -> String {
    let ms = time.as_millis();
    if ms == 0 {
        return "0s".to_owned();
    }
    [(DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s")]
        .into_iter()
        .find(|(unit, _)| ms.is_multiple_of(*unit))
        .map_or_else(|| format!("{ms}ms"), |(unit, suffix)| format!("{}{suffix}", ms / unit))
}

/// A size in bytes: a whole number, with a unit of Kubernetes' quantities or without.
///
/// Whole multiples only: half a byte is no bound, and `m` (thousandths) is a typing error.
pub fn size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(digits);
    let unit = match suffix {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => KIB,
        "Mi" => MIB,
        "Gi" => GIB,
        "Ti" => TIB,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// A size in the largest binary unit of which it is a whole multiple, which [`size`] reads back.
pub fn size_text(bytes: u64) -> String {
    [(TIB, "Ti"), (GIB, "Gi"), (MIB, "Mi"), (KIB, "Ki")]
        .into_iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit))
        .map_or_else(|| bytes.to_string(), |(unit, suffix)| format!("{}{suffix}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a time is in milliseconds, and how it is shown.
    #[track_caller]
    fn check_duration(text: &str, expected: Option<(u128, &str)>) {
        let found = duration(text);
        assert_eq!(found.map(|time| time.as_millis()), expected.map(|(ms, _)| ms), "{text}");
        assert_eq!(found.map(duration_text).as_deref(), expected.map(|(_, shown)| shown), "{text}");
    }

    #[test]
    fn durations_have_units() {
        check_duration("250ms", Some((250, "250ms")));
        check_duration("30s", Some((30_000, "30s")));
        check_duration("10m", Some((600_000, "10m")));
        check_duration("600s", Some((600_000, "10m")));
        check_duration("1m30s", Some((90_000, "90s")));
        check_duration("1.5s", Some((1_500, "1500ms")));
        check_duration("2h", Some((7_200_000, "2h")));
        check_duration("24h", Some((86_400_000, "1d")));
        check_duration("7d", Some((604_800_000, "7d")));
        check_duration("0", Some((0, "0s")));
        check_duration("0s", Some((0, "0s")));
        for wrong in
            ["", "1", "30", "00", "-1s", "1s ago", "s", "10x", "10M", "1mo", "1y", "15500us", "1e3s", "ten minutes"]
        {
            check_duration(wrong, None);
        }
        check_duration("99999999999999999999d", None);
    }

    #[track_caller]
    fn check_size(text: &str, expected: Option<(u64, &str)>) {
        let found = size(text);
        assert_eq!(found, expected.map(|(bytes, _)| bytes), "{text}");
        assert_eq!(found.map(size_text).as_deref(), expected.map(|(_, shown)| shown), "{text}");
    }

    #[test]
    fn sizes_have_units_or_are_bytes() {
        check_size("0", Some((0, "0")));
        check_size("1000", Some((1_000, "1000")));
        check_size("1048576", Some((1 << 20, "1Mi")));
        check_size("64Mi", Some((64 << 20, "64Mi")));
        check_size("1024Gi", Some((1 << 40, "1Ti")));
        check_size("2k", Some((2_000, "2000")));
        check_size("1T", Some((1_000_000_000_000, "976562500Ki")));
        for wrong in
            ["", "Mi", "-1", "+1", "1.5Gi", "64mi", "64m", "64 Mi", "64MiB", "99999999Ti", "99999999999999999999"]
        {
            check_size(wrong, None);
        }
    }
}
