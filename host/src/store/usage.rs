//! How much of the store is taken, and by whom.
//!
//! A host or a Falco rule may hold no more than is still free. So one that floods the store alone takes half of it, two
//! a third each, and there is always room for one that comes anew.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use rules::Event;

use super::entry::EntryId;
use super::error::Refused;

/// What a store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Unfinished entries.
    pub entries_max: usize,
    /// What they take in the store.
    pub stored_bytes_max: u64,
    /// What the events that are loaded take in memory.
    pub loaded_bytes_max: usize,
    /// Entries that are handled at once.
    pub in_flight_max: usize,
}

/// What is unfinished.
#[derive(Debug)]
pub(super) struct Usage {
    limits: Limits,
    hasher: RandomState,
    all: Held,
    hosts: HashMap<u64, Held>,
    rules: HashMap<u64, Held>,
    entries: HashMap<EntryId, Place>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    entries: usize,
    bytes: u64,
}

/// What an entry takes, and of whose share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    host: u64,
    rule: u64,
    bytes: u64,
}

impl Usage {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            hasher: RandomState::new(),
            all: Held::default(),
            hosts: HashMap::new(),
            rules: HashMap::new(),
            entries: HashMap::new(),
        }
    }

    pub(super) fn place_of(&self, event: &Event, bytes: u64) -> Place {
        self.place(&event.hostname, &event.rule, bytes)
    }

    pub(super) fn place(&self, hostname: &str, rule: &str, bytes: u64) -> Place {
        Place { host: self.hasher.hash_one(hostname), rule: self.hasher.hash_one(rule), bytes }
    }

    /// Whether there is room for one more.
    pub(super) fn admit(&self, place: &Place) -> Result<(), Refused> {
        let Limits { entries_max, stored_bytes_max, .. } = self.limits;
        if self.all.entries == 0 && entries_max > 0 {
            // One alone is accepted whatever its size, or there would be no right time to send it again.
            return Ok(());
        }
        let free_entries = entries_max.saturating_sub(self.all.entries);
        let free_bytes = stored_bytes_max.saturating_sub(self.all.bytes);
        if free_entries == 0 || free_bytes < place.bytes {
            return Err(Refused::Full);
        }
        let of = |held: Option<&Held>| held.copied().unwrap_or_default();
        let held = [of(self.hosts.get(&place.host)), of(self.rules.get(&place.rule))];
        if held.iter().any(|held| held.entries > free_entries || held.bytes > free_bytes) {
            return Err(Refused::Share);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, id: EntryId, place: Place) {
        for held in self.held(&place) {
            held.entries += 1;
            held.bytes += place.bytes;
        }
        self.entries.insert(id, place);
    }

    /// It takes so much more.
    pub(super) fn grow(&mut self, id: EntryId, bytes: u64) {
        let Some(place) = self.entries.get_mut(&id) else { return };
        place.bytes += bytes;
        let place = *place;
        for held in self.held(&place) {
            held.bytes += bytes;
        }
    }

    /// What it took is free again; how much that is, where it took something.
    pub(super) fn remove(&mut self, id: EntryId) -> Option<u64> {
        let place = self.entries.remove(&id)?;
        for held in self.held(&place) {
            held.entries -= 1;
            held.bytes -= place.bytes;
        }
        self.hosts.retain_used(place.host);
        self.rules.retain_used(place.rule);
        Some(place.bytes)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.all.bytes
    }

    fn held(&mut self, place: &Place) -> [&mut Held; 3] {
        [&mut self.all, self.hosts.entry(place.host).or_default(), self.rules.entry(place.rule).or_default()]
    }
}

trait RetainUsed {
    fn retain_used(&mut self, source: u64);
}

impl RetainUsed for HashMap<u64, Held> {
    /// Who holds nothing is not remembered.
    fn retain_used(&mut self, source: u64) {
        if self.get(&source).is_some_and(|held| held.entries == 0) {
            self.remove(&source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store for 100 entries, into which each of these sources puts as much as it can; how much that is.
    fn fill(sources: &[(&str, &str)]) -> Vec<usize> {
        let mut usage = Usage::new(Limits {
            entries_max: 100,
            stored_bytes_max: 1 << 20,
            loaded_bytes_max: 1 << 20,
            in_flight_max: 1,
        });
        let mut counts = vec![0; sources.len()];
        for round in 0..200 {
            for (at, (host, rule)) in sources.iter().enumerate() {
                let place = usage.place(host, rule, 1);
                if usage.admit(&place).is_ok() {
                    usage.add(EntryId(round * 10 + i64::try_from(at).unwrap()), place);
                    counts[at] += 1;
                }
            }
        }
        counts
    }

    #[test]
    fn a_source_takes_no_more_than_is_free() {
        assert_eq!(fill(&[("a", "shell")]), [51]);
        assert_eq!(fill(&[("a", "shell"), ("b", "exec")]), [34, 34]);
        // Of one host, and of one rule.
        assert_eq!(fill(&[("a", "shell"), ("a", "exec")]).iter().sum::<usize>(), 51);
        assert_eq!(fill(&[("a", "shell"), ("b", "shell")]).iter().sum::<usize>(), 51);
    }

    #[test]
    fn what_grows_is_free_again_whole() {
        let limits = Limits { entries_max: 100, stored_bytes_max: 100, loaded_bytes_max: 0, in_flight_max: 1 };
        let mut usage = Usage::new(limits);
        usage.add(EntryId(1), usage.place("a", "shell", 20));
        usage.grow(EntryId(1), 30);
        usage.grow(EntryId(2), 30);
        assert_eq!((usage.bytes(), usage.remove(EntryId(1)), usage.bytes()), (50, Some(50), 0));
    }

    #[test]
    fn bytes_count_and_come_back() {
        let limits = Limits { entries_max: 100, stored_bytes_max: 100, loaded_bytes_max: 0, in_flight_max: 1 };
        let mut usage = Usage::new(limits);
        let (large, small) = (usage.place("a", "shell", 500), usage.place("b", "exec", 1));
        assert_eq!(usage.admit(&large), Ok(()), "one alone");
        usage.add(EntryId(1), large);
        assert_eq!(usage.admit(&small), Err(Refused::Full));
        usage.remove(EntryId(1));
        assert_eq!((usage.bytes(), usage.all.entries, usage.hosts.len(), usage.rules.len()), (0, 0, 0, 0));
        usage.add(EntryId(2), usage.place("a", "shell", 60));
        assert_eq!(usage.admit(&usage.place("a", "exec", 10)), Err(Refused::Share));
        assert_eq!(usage.admit(&usage.place("b", "exec", 40)), Ok(()));
        assert_eq!(usage.admit(&usage.place("b", "exec", 41)), Err(Refused::Full));
    }
}
