//! Lets some lines a second through, so that a flood of what they report isn't a flood of lines.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lines of one kind that are written in a second.
const LINES_PER_SECOND_MAX: u32 = 10;

/// Counts the lines of one kind.
pub(crate) struct Throttle(Mutex<Second>);

struct Second {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Throttle {
    pub(crate) fn new() -> Throttle {
        Throttle(Mutex::new(Second { began: None, lines: 0, left_out: 0 }))
    }

    /// `None` where a line must be left out, else what the line has to say of those that were since
    /// the last one; mostly nothing.
    pub(crate) fn admit(&self, now: Instant) -> Option<String> {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if second.began.is_none_or(|began| now.duration_since(began) >= Duration::from_secs(1)) {
            second.began = Some(now);
            second.lines = 0;
        }
        if second.lines >= LINES_PER_SECOND_MAX {
            second.left_out += 1;
            return None;
        }
        second.lines += 1;
        match std::mem::take(&mut second.left_out) {
            0 => Some(String::new()),
            lines => Some(format!("{lines} lines like this were left out")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_some_lines_a_second_through() {
        let (throttle, start) = (Throttle::new(), Instant::now());
        let admit = |ms| throttle.admit(start + Duration::from_millis(ms));
        for _ in 0..LINES_PER_SECOND_MAX {
            assert_eq!(admit(0).as_deref(), Some(""));
        }
        assert_eq!(admit(0), None);
        assert_eq!(admit(999), None);
        assert_eq!(admit(1000).as_deref(), Some("2 lines like this were left out"));
        assert_eq!(admit(1000).as_deref(), Some(""));
    }
}
