//! What an action asked of the host, a line a call, for who wants to know why it ended as it did.
//!
//! It says what the audit record says and nothing that it does not, and is bounded: of many calls the last ones are kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::text::clean;

/// Calls that are kept.
const LINES_MAX: usize = 50;

/// What their lines have in all, in bytes.
const BYTES_MAX: usize = 8 << 10;

/// What a line has of the request, and of the error.
const TEXT_BYTES_MAX: usize = 512;

/// The last calls of an action. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
    /// Earlier ones, which are not kept.
    left_out: usize,
}

impl Calls {
    /// A call has ended.
    pub(super) fn ended(&self, capability: &str, request: &str, status: &str, error: Option<&str>) {
        let mut line = capability.to_owned();
        for text in [Some(request).filter(|request| !request.is_empty()), Some(status), error].into_iter().flatten() {
            line.push_str(": ");
            line.push_str(&clean(text, TEXT_BYTES_MAX));
        }
        let mut kept = self.lock();
        kept.bytes += line.len();
        kept.lines.push_back(line);
        while kept.lines.len() > LINES_MAX || kept.bytes > BYTES_MAX {
            let oldest = kept.lines.pop_front();
            kept.bytes -= oldest.map_or(0, |line| line.len());
            kept.left_out += 1;
        }
    }

    /// All lines that are kept, and how many are not.
    pub fn text(&self) -> String {
        let kept = self.lock();
        let left_out = match kept.left_out {
            0 => None,
            1 => Some("1 earlier call is left out".to_owned()),
            more => Some(format!("{more} earlier calls are left out")),
        };
        let lines: Vec<&str> = left_out.iter().chain(&kept.lines).map(String::as_str).collect();
        lines.join("\n")
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Consistent but for its count of bytes, which bounds it all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_asked_and_how_it_ended() {
        let calls = Calls::default();
        assert_eq!(calls.text(), "");
        calls.ended("kubernetes-read.get", "get pods shop/web-0", "success", None);
        calls.ended("clock.now", "", "success", None);
        calls.ended("http.send", "GET https://a/\n", "unknown", Some("it\nbroke"));
        let expected = "kubernetes-read.get: get pods shop/web-0: success\nclock.now: success\n\
                        http.send: GET https://a/\u{fffd}: unknown: it\u{fffd}broke";
        assert_eq!(calls.text(), expected);
    }

    #[test]
    fn the_last_ones_are_kept() {
        let calls = Calls::default();
        for number in 0..=LINES_MAX {
            calls.ended("c", &number.to_string(), "success", None);
        }
        let text = calls.text();
        assert!(text.starts_with("1 earlier call is left out\nc: 1: success\n"), "{text}");
        for _ in 0..100 {
            calls.ended("c", &"x".repeat(9_999), "failure", Some(&"y".repeat(9_999)));
        }
        let text = calls.text();
        assert!(text.starts_with("144 earlier calls are left out\n") && text.len() < BYTES_MAX + 100, "{text}");
    }
}
