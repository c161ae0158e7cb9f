//! Whether the same event was handled a moment ago.
//!
//! Pure: the time is an argument, and nothing of an event is kept but a hash. Two events are the
//! same when Falco's rule, the source, the host and the output fields agree, leaving out the fields
//! that differ each time (clocks, counters); or when the fields that the operator names agree.
//!
//! Memory is bounded: beyond `events_max` remembered events the oldest is forgotten, so that under
//! a flood a duplicate may be acted on again, and a new event is never dropped.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::time::Duration;

use rules::Event;
use serde_json::Value;
use tokio::time::Instant;

/// Output fields that differ between two reports of the same thing. A trailing `*` stands for any
/// ending; a field and its variants (`evt.time`, `evt.time.s`) begin alike.
const VOLATILE: [&str; 17] = [
    "evt.time*",
    "evt.rawtime*",
    "evt.reltime*",
    "evt.datetime*",
    "evt.latency*",
    "evt.deltatime*",
    "evt.num",
    "evt.count*",
    "evt.cpu",
    "jevt.time*",
    "jevt.rawtime*",
    "proc.duration",
    "proc.ppid.duration",
    "proc.nthreads",
    "thread.exectime",
    "thread.totexectime",
    "thread.cputime*",
];

/// The events of the last moments.
#[derive(Debug)]
pub(crate) struct Dedup {
    window: Duration,
    fields: Vec<String>,
    events_max: usize,
    /// Keyed at random, so that nobody can craft an event that hides another. With 64 bits, a
    /// hundred thousand remembered events meet a new one by chance once in 10^14.
    hasher: RandomState,
    seen: HashSet<u64>,
    /// The same hashes in the order in which they were first seen.
    order: VecDeque<(Instant, u64)>,
}

impl Dedup {
    /// Remembers up to `events_max` events for `window`; a window of zero remembers none.
    ///
    /// `fields` may name `rule`, `source`, `hostname`, `priority`, `output` and any output field;
    /// when empty, the default comparison applies.
    pub(crate) fn new(window: Duration, fields: Vec<String>, events_max: usize) -> Dedup {
        Dedup { window, fields, events_max, hasher: RandomState::new(), seen: HashSet::new(), order: VecDeque::new() }
    }

    /// Whether the same event came less than the window before `now`; if not, remembers this one.
    ///
    /// A duplicate doesn't prolong the window: what goes on is acted on once a window.
    pub(crate) fn is_duplicate(&mut self, event: &Event, now: Instant) -> bool {
        if self.window.is_zero() || self.events_max == 0 {
            return false;
        }
        self.forget_until(now);
        let key = self.key(event);
        if self.seen.contains(&key) {
            return true;
        }
        if self.order.len() >= self.events_max {
            self.forget_oldest();
        }
        self.seen.insert(key);
        self.order.push_back((now, key));
        false
    }

    /// Take the next one of its kind for the first, since nothing came of this event.
    pub(crate) fn forget(&mut self, event: &Event) {
        let key = self.key(event);
        self.seen.remove(&key);
    }

    fn forget_until(&mut self, now: Instant) {
        while let Some((first_seen, _)) = self.order.front()
            && now.duration_since(*first_seen) >= self.window
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.seen.remove(&key);
        }
    }

    fn key(&self, event: &Event) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let mut found = false;
        for field in &self.fields {
            found |= hash_named(event, field, &mut hasher);
        }
        // An event with none of the named fields would be the same as any other such event.
        if !found {
            event.rule.hash(&mut hasher);
            event.source.hash(&mut hasher);
            event.hostname.hash(&mut hasher);
            hasher.write_u64(self.fields_key(event));
        }
        hasher.finish()
    }

    /// A hash of the lasting output fields that doesn't depend on their order.
    fn fields_key(&self, event: &Event) -> u64 {
        let lasting = event.output_fields.iter().filter(|(name, _)| !is_volatile(name));
        lasting.fold(0, |sum: u64, field| sum.wrapping_add(self.hasher.hash_one(field)))
    }
}

/// Hashes one configured field; returns whether the event has it.
fn hash_named(event: &Event, field: &str, hasher: &mut impl Hasher) -> bool {
    let text = match field {
        "rule" => Some(&*event.rule),
        "source" => Some(&*event.source),
        "hostname" => Some(&*event.hostname),
        "priority" => Some(event.priority.name()),
        "output" => Some(&*event.output),
        _ => None,
    };
    let value = event.output_fields.get(field).filter(|value| !value.is_null());
    text.hash(hasher);
    value.hash(hasher);
    text.is_some_and(|text| !text.is_empty()) || value.is_some_and(|value| *value != Value::String(String::new()))
}

fn is_volatile(field: &str) -> bool {
    VOLATILE.iter().any(|volatile| match volatile.strip_suffix('*') {
        Some(beginning) => field.starts_with(beginning),
        None => field == *volatile,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(5);

    fn event(changes: &Value) -> Event {
        let mut event = json!({
            "rule": "Terminal shell in container", "priority": "Notice", "source": "syscall",
            "hostname": "worker-1", "output": "a shell was spawned", "time": "2026-07-22T14:24:41Z",
            "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": "web-0", "evt.num": 1, "evt.time": 1_784_730_281_123_456_789_u64},
        });
        for (key, value) in changes.as_object().unwrap() {
            match event["output_fields"].get_mut(key) {
                Some(field) => *field = value.clone(),
                None => event[key] = value.clone(),
            }
        }
        Event::from_json(event.to_string().as_bytes()).unwrap()
    }

    /// Whether `changes` to an event still make it the same event.
    #[track_caller]
    fn check(fields: &[&str], changes: &Value, duplicate: bool) {
        let fields = fields.iter().map(ToString::to_string).collect();
        let mut dedup = Dedup::new(WINDOW, fields, 100);
        let now = Instant::now();
        assert!(!dedup.is_duplicate(&event(&json!({})), now));
        assert_eq!(dedup.is_duplicate(&event(changes), now), duplicate, "{changes}");
    }

    #[test]
    fn compares_what_lasts() {
        check(&[], &json!({}), true);
        check(&[], &json!({"evt.num": 2, "evt.time": 2}), true);
        check(&[], &json!({"time": "2026-07-22T14:24:42Z", "output": "other words", "priority": "Error"}), true);
        check(&[], &json!({"rule": "another"}), false);
        check(&[], &json!({"source": "k8s_audit"}), false);
        check(&[], &json!({"hostname": "worker-2"}), false);
        check(&[], &json!({"k8s.pod.name": "web-1"}), false);
        check(&[], &json!({"k8s.pod.name": null}), false);
        check(&[], &json!({"k8s.pod.name": "shop", "k8s.ns.name": "web-0"}), false);
    }

    #[test]
    fn compares_the_configured_fields_only() {
        check(&["k8s.pod.name"], &json!({"rule": "another", "k8s.ns.name": "other"}), true);
        check(&["k8s.pod.name"], &json!({"k8s.pod.name": "web-1"}), false);
        check(&["rule", "hostname"], &json!({"k8s.pod.name": "web-1"}), true);
        check(&["rule", "hostname"], &json!({"hostname": "worker-2"}), false);
        check(&["priority"], &json!({"rule": "another"}), true);
        check(&["evt.num"], &json!({"evt.num": 2}), false);
    }

    #[test]
    fn events_without_the_configured_fields_are_distinguished() {
        check(&["user.name"], &json!({"rule": "another"}), false);
        check(&["user.name"], &json!({"evt.num": 2}), true);
    }

    #[test]
    fn forgets_after_the_window_which_duplicates_do_not_prolong() {
        let mut dedup = Dedup::new(WINDOW, Vec::new(), 100);
        let start = Instant::now();
        let mut duplicate = |after| dedup.is_duplicate(&event(&json!({})), start + Duration::from_millis(after));
        assert!(!duplicate(0));
        assert!(duplicate(3000));
        assert!(duplicate(4999));
        assert!(!duplicate(5000));
        assert!(duplicate(9999));
    }

    #[test]
    fn a_window_of_zero_keeps_everything_apart() {
        let mut dedup = Dedup::new(Duration::ZERO, Vec::new(), 100);
        let now = Instant::now();
        assert!(!dedup.is_duplicate(&event(&json!({})), now));
        assert!(!dedup.is_duplicate(&event(&json!({})), now));
    }

    #[test]
    fn forgets_the_oldest_when_there_are_too_many() {
        let mut dedup = Dedup::new(WINDOW, Vec::new(), 2);
        let now = Instant::now();
        let mut duplicate = |rule: &str| dedup.is_duplicate(&event(&json!({"rule": rule})), now);
        assert!(!duplicate("one"));
        assert!(!duplicate("two"));
        assert!(!duplicate("three"));
        assert!(duplicate("two"));
        assert!(!duplicate("one"));
        assert_eq!((dedup.seen.len(), dedup.order.len()), (2, 2));
    }

    #[test]
    fn volatile_fields_are_those_of_clocks_and_counters() {
        assert!(["evt.time", "evt.time.iso8601", "evt.num", "evt.count.error"].into_iter().all(is_volatile));
        assert!(!["evt.type", "evt.number", "proc.pid", "proc.cmdline"].into_iter().any(is_volatile));
    }

    proptest! {
        #[test]
        fn memory_stays_bounded(rules in proptest::collection::vec("[a-z]{1,3}", 0..200), events_max in 1_usize..20) {
            let mut dedup = Dedup::new(WINDOW, Vec::new(), events_max);
            let start = Instant::now();
            for (at, rule) in rules.iter().enumerate() {
                let event = event(&json!({"rule": rule}));
                dedup.is_duplicate(&event, start + Duration::from_millis(100 * at as u64));
                prop_assert!(dedup.order.len() <= events_max);
                prop_assert_eq!(dedup.order.len(), dedup.seen.len());
            }
        }
    }
}
