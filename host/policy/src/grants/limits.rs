//! How much one call of an actionner may use, and how that is written.
//!
//! What enforces them is not known here.

use std::fmt;
use std::time::Duration;

use rules::quantity::{self, duration_text, size_text};

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

/// What one call of an actionner may use at most, and how many calls run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories of a call, summed.
    pub memory_bytes_max: usize,
    /// Time spent computing; waiting for the host costs none of it.
    pub cpu_max: Duration,
    /// Time from the beginning of a call to its end, waiting included.
    pub deadline_max: Duration,
    /// Calls of capabilities; `log` has a limit of its own.
    pub host_calls_max: u32,
    /// Requests that the host sends for them, those that it sends again among them.
    pub requests_max: u32,
    /// One answer that a capability gives.
    pub response_bytes_max: usize,
    /// All artifacts of a call, summed.
    pub artifact_bytes_max: u64,
    /// Calls of the same actionner that run at once.
    pub concurrency_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory_bytes_max: 64 << 20,
            cpu_max: Duration::from_secs(1),
            deadline_max: Duration::from_secs(30),
            host_calls_max: 200,
            requests_max: 10_000,
            response_bytes_max: 4 << 20,
            artifact_bytes_max: GIB,
            concurrency_max: 64,
        }
    }
}

/// As the policy file writes it: one mapping in braces, every limit in it.
impl fmt::Display for Limits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits {
            memory_bytes_max,
            cpu_max,
            deadline_max,
            host_calls_max,
            requests_max,
            response_bytes_max,
            artifact_bytes_max,
            concurrency_max,
        } = self;
        let memory = size_text(*memory_bytes_max as u64);
        let response = size_text(*response_bytes_max as u64);
        let artifacts = size_text(*artifact_bytes_max);
        let (cpu, deadline) = (duration_text(*cpu_max), duration_text(*deadline_max));
        write!(
            formatter,
            "{{memory: {memory}, cpu: {cpu}, deadline: {deadline}, host_calls: {host_calls_max}, \
             requests: {requests_max}, response_bytes: {response}, artifact_bytes: {artifacts}, concurrency: {concurrency_max}}}"
        )
    }
}

/// The limits that a file names; the rest comes from elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NamedLimits {
    memory_bytes_max: Option<usize>,
    cpu_max: Option<Duration>,
    deadline_max: Option<Duration>,
    host_calls_max: Option<u32>,
    requests_max: Option<u32>,
    response_bytes_max: Option<usize>,
    artifact_bytes_max: Option<u64>,
    concurrency_max: Option<usize>,
}

impl NamedLimits {
    /// The keys of `limits:`.
    pub(super) const KEYS: [&'static str; 8] =
        ["memory", "cpu", "deadline", "host_calls", "requests", "response_bytes", "artifact_bytes", "concurrency"];

    /// Take the value of one key; the error says what would be right.
    pub(super) fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            // A component has at least one page of 64 KiB, and addresses 4 GiB.
            "memory" => self.memory_bytes_max = Some(bytes(text, 64 * KIB, 4 * GIB)?),
            // Computing is counted in slices of 10 ms, so that less could not be kept.
            "cpu" => self.cpu_max = Some(duration(text, 10, 600_000)?),
            "deadline" => self.deadline_max = Some(duration(text, 10, 3_600_000)?),
            "host_calls" => self.host_calls_max = Some(count(text, 1_000_000)?),
            "requests" => self.requests_max = Some(count(text, 1_000_000)?),
            "response_bytes" => self.response_bytes_max = Some(bytes(text, KIB, GIB)?),
            "artifact_bytes" => self.artifact_bytes_max = Some(bytes(text, KIB, 1_024 * GIB)? as u64),
            "concurrency" => self.concurrency_max = Some(count(text, 1_024)? as usize),
            _ => return Err("no such limit".to_owned()),
        }
        Ok(())
    }

    /// These limits where they are named, else those that `base` names.
    pub(super) fn or(&self, base: &NamedLimits) -> NamedLimits {
        NamedLimits {
            memory_bytes_max: self.memory_bytes_max.or(base.memory_bytes_max),
            cpu_max: self.cpu_max.or(base.cpu_max),
            deadline_max: self.deadline_max.or(base.deadline_max),
            host_calls_max: self.host_calls_max.or(base.host_calls_max),
            requests_max: self.requests_max.or(base.requests_max),
            response_bytes_max: self.response_bytes_max.or(base.response_bytes_max),
            artifact_bytes_max: self.artifact_bytes_max.or(base.artifact_bytes_max),
            concurrency_max: self.concurrency_max.or(base.concurrency_max),
        }
    }

    /// These limits where they are named, else those of `base`.
    pub(super) fn over(&self, base: &Limits) -> Limits {
        Limits {
            memory_bytes_max: self.memory_bytes_max.unwrap_or(base.memory_bytes_max),
            cpu_max: self.cpu_max.unwrap_or(base.cpu_max),
            deadline_max: self.deadline_max.unwrap_or(base.deadline_max),
            host_calls_max: self.host_calls_max.unwrap_or(base.host_calls_max),
            requests_max: self.requests_max.unwrap_or(base.requests_max),
            response_bytes_max: self.response_bytes_max.unwrap_or(base.response_bytes_max),
            artifact_bytes_max: self.artifact_bytes_max.unwrap_or(base.artifact_bytes_max),
            concurrency_max: self.concurrency_max.unwrap_or(base.concurrency_max),
        }
    }
}

fn count(text: &str, max: u32) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=max).contains(count))
        .ok_or_else(|| format!("`{text}` is not a whole number from 1 to {max}"))
}

fn bytes(text: &str, min: u64, max: u64) -> Result<usize, String> {
    let (min_text, max_text) = (size_text(min), size_text(max));
    quantity::size(text)
        .filter(|bytes| (min..=max).contains(bytes))
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| format!("`{text}` is not a size from {min_text} to {max_text}, such as `64Mi`"))
}

fn duration(text: &str, min_ms: u64, max_ms: u64) -> Result<Duration, String> {
    let (min, max) = (Duration::from_millis(min_ms), Duration::from_millis(max_ms));
    quantity::duration(text).filter(|duration| (min..=max).contains(duration)).ok_or_else(|| {
        let (min, max) = (duration_text(min), duration_text(max));
        format!("`{text}` is not a time from {min} to {max}, such as `1s`, `500ms` or `1m30s`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, text: &str, expected: Result<&str, &str>) {
        let mut named = NamedLimits::default();
        let written = match named.set(key, text) {
            Ok(()) => named.over(&Limits::default()).to_string(),
            Err(message) => {
                assert_eq!(Err(message.as_str()), expected);
                return;
            }
        };
        let shown =
            written.trim_matches(['{', '}']).split(", ").find_map(|part| part.strip_prefix(&format!("{key}: ")));
        assert_eq!(shown.ok_or("not shown"), expected);
    }

    #[test]
    fn sizes_are_quantities() {
        check("memory", "64Mi", Ok("64Mi"));
        check("memory", "1048576", Ok("1Mi"));
        check("memory", "100000", Ok("100000"));
        check("response_bytes", "2k", Ok("2000"));
        let not = "is not a size from 64Ki to 4Gi, such as `64Mi`";
        for text in ["0", "64mi", "64m", "-1", "1.5Gi", "", "8Gi", "99999999999999999999", "18446744073709551615Ki"] {
            check("memory", text, Err(&format!("`{text}` {not}")));
        }
    }

    #[test]
    fn times_are_durations() {
        check("cpu", "500ms", Ok("500ms"));
        check("deadline", "1m30s", Ok("90s"));
        let not = "is not a time from 10ms to 10m, such as `1s`, `500ms` or `1m30s`";
        for text in ["0s", "1ms", "-1s", "1", "1d", "", "15500us"] {
            check("cpu", text, Err(&format!("`{text}` {not}")));
        }
    }

    #[test]
    fn counts_are_whole_and_not_zero() {
        check("host_calls", "7", Ok("7"));
        check("requests", "7", Ok("7"));
        check("concurrency", "1024", Ok("1024"));
        for text in ["0", "-1", "1.5", "many", "1025"] {
            check("concurrency", text, Err(&format!("`{text}` is not a whole number from 1 to 1024")));
        }
    }
}
