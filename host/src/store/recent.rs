//! Which events were stored lately.
//!
//! Memory is bounded: beyond a number of remembered events the oldest is forgotten, so that under a flood a repeat may
//! be acted on again, and a new event is never dropped.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::clock::milliseconds;
use super::entry::Fingerprint;

/// When the same event is not stored again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// For how long an event is remembered; zero for not at all.
    pub length: Duration,
    /// How many are remembered.
    pub events_max: usize,
}

/// The events of the last moments, by their fingerprints.
#[derive(Debug)]
pub(super) struct Recent {
    window: Window,
    /// When each was first seen, in milliseconds.
    seen: HashMap<Fingerprint, i64>,
    /// The same in that order.
    order: VecDeque<(i64, Fingerprint)>,
}

impl Recent {
    pub(super) fn new(window: Window) -> Self {
        Self { window, seen: HashMap::new(), order: VecDeque::new() }
    }

    /// From when on events matter.
    pub(super) fn since_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(milliseconds(self.window.length))
    }

    pub(super) fn events_max(&self) -> usize {
        self.window.events_max
    }

    /// Whether the same event came within the window; if not, remember this one.
    ///
    /// A repeat doesn't prolong the window: what goes on is acted on once a window.
    pub(super) fn is_repeat(&mut self, fingerprint: Fingerprint, now_ms: i64) -> bool {
        if self.window.length.is_zero() || self.window.events_max == 0 {
            return false;
        }
        let since_ms = self.since_ms(now_ms);
        while self.order.front().is_some_and(|(first_seen, _)| *first_seen <= since_ms) {
            self.forget_oldest();
        }
        if self.seen.contains_key(&fingerprint) {
            return true;
        }
        if self.order.len() >= self.window.events_max {
            self.forget_oldest();
        }
        self.seen.insert(fingerprint, now_ms);
        self.order.push_back((now_ms, fingerprint));
        false
    }

    /// Take the next one of its kind for the first, since nothing came of this one.
    pub(super) fn forget(&mut self, fingerprint: &Fingerprint) {
        // What is in the order besides says nothing, also not of one that is remembered anew.
        self.seen.remove(fingerprint);
    }

    fn forget_oldest(&mut self) {
        if let Some((first_seen, fingerprint)) = self.order.pop_front()
            && self.seen.get(&fingerprint) == Some(&first_seen)
        {
            self.seen.remove(&fingerprint);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recent(events_max: usize) -> Recent {
        Recent::new(Window { length: Duration::from_secs(5), events_max })
    }

    #[test]
    fn forgets_after_the_window_which_repeats_do_not_prolong() {
        let mut recent = recent(100);
        for (now_ms, is_repeat) in [(0, false), (3000, true), (4999, true), (5000, false), (9999, true)] {
            assert_eq!(recent.is_repeat([7; 32], now_ms), is_repeat, "{now_ms}");
        }
    }

    #[test]
    fn forgets_the_oldest_when_there_are_too_many_and_what_it_is_told_to() {
        let mut recent = recent(2);
        for (number, is_repeat) in [(1, false), (2, false), (3, false), (2, true), (1, false)] {
            assert_eq!(recent.is_repeat([number; 32], 0), is_repeat, "{number}");
        }
        recent.forget(&[1; 32]);
        assert!(!recent.is_repeat([1; 32], 1));
    }

    #[test]
    fn what_is_remembered_anew_has_its_whole_window() {
        let mut recent = recent(100);
        assert!(!recent.is_repeat([1; 32], 0));
        recent.forget(&[1; 32]);
        for (now_ms, is_repeat) in [(4000, false), (5500, true), (8999, true), (9000, false)] {
            assert_eq!(recent.is_repeat([1; 32], now_ms), is_repeat, "{now_ms}");
        }
    }

    #[test]
    fn a_window_of_zero_keeps_everything_apart() {
        let mut recent = Recent::new(Window { length: Duration::ZERO, events_max: 10 });
        assert!(!recent.is_repeat([1; 32], 0) && !recent.is_repeat([1; 32], 0));
    }

    proptest! {
        #[test]
        fn memory_stays_bounded(numbers in proptest::collection::vec(0_u8..9, 0..200), events_max in 1_usize..20) {
            let mut recent = recent(events_max);
            for (at, number) in numbers.iter().enumerate() {
                recent.is_repeat([*number; 32], 100 * i64::try_from(at).unwrap());
                prop_assert!(recent.order.len() <= events_max);
                prop_assert_eq!(recent.order.len(), recent.seen.len());
            }
        }
    }
}
