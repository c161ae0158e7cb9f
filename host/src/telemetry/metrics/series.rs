//! A counter whose labels come from outside, with a bound on how many series it can become.
//!
//! Each combination of label values is a series that Prometheus keeps for weeks, and an attacker
//! chooses rule names, sources and pods. Beyond the bound, labels that come from outside say
//! `other`; those that rules and our own code choose keep their values.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock};

use prometheus::{IntCounter, IntCounterVec};

use super::super::text::clean;

/// What is shown of one label value.
pub(super) const LABEL_BYTES_MAX: usize = 128;

const OTHER: &str = "other";

#[derive(Debug)]
pub(super) struct Series {
    counters: IntCounterVec,
    /// For each label, whether its values come from outside.
    open: Vec<bool>,
    series_max: usize,
    /// Counters by a keyed hash of the label values as they came, so that counting a known
    /// combination neither cleans nor copies them. Nobody outside knows the key, so two
    /// combinations meet by chance only, and then share a series.
    known: RwLock<HashMap<u64, IntCounter>>,
    hasher: RandomState,
}

impl Series {
    pub(super) fn new(counters: IntCounterVec, labels: &[&str], open: &[&str], series_max: usize) -> Series {
        let open = labels.iter().map(|label| open.contains(label)).collect();
        Series { counters, open, series_max, known: RwLock::default(), hasher: RandomState::new() }
    }

    /// Counts one more, with the values in the order of the labels.
    pub(super) fn increment(&self, values: &[&str]) {
        self.increment_by(values, 1);
    }

    /// Counts so many more.
    pub(super) fn increment_by(&self, values: &[&str], count: u64) {
        let key = self.hasher.hash_one(values);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = known.get(&key) {
            return counter.inc_by(count);
        }
        drop(known);
        self.increment_new(key, values, count);
    }

    #[cold]
    fn increment_new(&self, key: u64, values: &[&str], count: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < self.series_max || known.contains_key(&key) {
            let shown: Vec<_> = values.iter().map(|value| clean(value, LABEL_BYTES_MAX)).collect();
            known.entry(key).or_insert_with(|| self.counters.with_label_values(&shown)).inc_by(count);
            return;
        }
        drop(known);
        let shown: Vec<_> = values
            .iter()
            .zip(&self.open)
            .map(|(value, open)| if *open { OTHER.into() } else { clean(value, LABEL_BYTES_MAX) })
            .collect();
        self.counters.with_label_values(&shown).inc_by(count);
    }
}
