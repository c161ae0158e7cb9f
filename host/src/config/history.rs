//! What is kept of what ended: how long, how much, and what of it only as hashes.

use std::time::Duration;

use rules::quantity;

use super::raw::Reader;

const KEEP_DEFAULT: Duration = Duration::from_hours(7 * 24);
const BYTES_DEFAULT: u64 = 1 << 30;
const KEEP_MAX: Duration = Duration::from_hours(3_650 * 24);
const BYTES_MAX: u64 = 1 << 44;

/// What is kept of what ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// How long.
    pub keep: Duration,
    /// How much; the oldest of it goes first.
    pub bytes_max: u64,
    /// Output fields of which only a keyed hash is kept.
    pub redact: Vec<String>,
}

pub(super) fn history(reader: &mut Reader) -> History {
    let (keep, bytes_max) = kept(reader, "history.keep", (KEEP_DEFAULT, BYTES_DEFAULT));
    History { keep, bytes_max, redact: reader.list("history.redact") }
}

/// How long and how much is kept of something, as the list under `key` says.
pub(super) fn kept(reader: &mut Reader, key: &'static str, default: (Duration, u64)) -> (Duration, u64) {
    let written = reader.list(key);
    keep(&written, default).unwrap_or_else(|wrong| {
        let (time, size) = (quantity::duration_text(default.0), quantity::size_text(default.1));
        let problem = format!(
            "'{key}' must be a time to 3650d, a size to 16Ti, or one of each, such as {time},{size}; it has {wrong}"
        );
        reader.problem(key, problem);
        default
    })
}

/// A time and a size in any order; the error is what is wrong with them. A number without a unit is a size.
fn keep(written: &[String], default: (Duration, u64)) -> Result<(Duration, u64), String> {
    let (mut keep, mut bytes_max) = (None, None);
    for text in written {
        let is_second = if let Some(size) = quantity::size(text).filter(|size| *size <= BYTES_MAX) {
            bytes_max.replace(size).is_some()
        } else if let Some(time) = quantity::duration(text).filter(|time| *time <= KEEP_MAX) {
            keep.replace(time).is_some()
        } else {
            return Err(format!("'{text}'"));
        };
        if is_second {
            return Err(format!("'{text}' beside another of its kind"));
        }
    }
    Ok((keep.unwrap_or(default.0), bytes_max.unwrap_or(default.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &[&str], expected: Result<(Duration, u64), &str>) {
        let written: Vec<String> = written.iter().map(ToString::to_string).collect();
        assert_eq!(keep(&written, (KEEP_DEFAULT, BYTES_DEFAULT)), expected.map_err(str::to_owned), "{written:?}");
    }

    #[test]
    fn a_time_a_size_or_both() {
        let days = |days: u64| Duration::from_hours(days * 24);
        check(&[], Ok((days(7), 1 << 30)));
        check(&["30d"], Ok((days(30), 1 << 30)));
        check(&["2Ti"], Ok((days(7), 2 << 40)));
        check(&["64Mi", "1h"], Ok((Duration::from_secs(3_600), 64 << 20)));
        check(&["0"], Ok((days(7), 0)));
        check(&["0s"], Ok((Duration::ZERO, 1 << 30)));
        check(&["1d", "2d"], Err("'2d' beside another of its kind"));
        check(&["1Gi", "5"], Err("'5' beside another of its kind"));
        for wrong in ["a week", "-1d", "3651d", "17Ti", "1.5Gi"] {
            check(&[wrong], Err(&format!("'{wrong}'")));
        }
    }
}
