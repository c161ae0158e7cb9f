//! What two events have in common that are the same.
//!
//! Two events are the same when Falco's rule, the source, the host and the output fields agree, leaving out the fields
//! that differ each time (clocks, counters); or when the fields that the operator names agree. What is compared is
//! hashed with a key, so that nobody can craft an event that hides another, nor read one from what is stored.

use ring::hmac;
use rules::Event;
use serde_json::Value;

use crate::store::Fingerprint;

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

/// Makes fingerprints of events.
#[derive(Debug, Clone)]
pub(super) struct Fingerprints {
    fields: Vec<String>,
    key: hmac::Key,
}

impl Fingerprints {
    /// `fields` may name `rule`, `source`, `hostname`, `priority`, `output` and any output field;
    /// when empty, the default comparison applies.
    pub(super) fn new(fields: Vec<String>, key: hmac::Key) -> Self {
        Self { fields, key }
    }

    pub(super) fn of(&self, event: &Event) -> Fingerprint {
        let mut hash = Hash(hmac::Context::with_key(&self.key));
        let mut found = false;
        for field in &self.fields {
            found |= add_named(event, field, &mut hash);
        }
        // An event with none of the named fields would be the same as any other such event.
        if !found {
            hash.add(&event.rule);
            hash.add(&event.source);
            hash.add(&event.hostname);
            let mut lasting: Vec<_> = event.output_fields.iter().filter(|(name, _)| !is_volatile(name)).collect();
            lasting.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in lasting {
                hash.add(name);
                hash.add_value(value);
            }
        }
        hash.finish()
    }
}

/// Takes in parts, each of which ends where the next begins.
struct Hash(hmac::Context);

impl Hash {
    fn add(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    fn add_value(&mut self, value: &Value) {
        match value {
            // Most are texts, which are not to be copied; what else begins with no such length.
            Value::String(text) => self.add(text),
            value => {
                self.0.update(&u64::MAX.to_be_bytes());
                self.add(&value.to_string());
            }
        }
    }

    fn finish(self) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(self.0.sign().as_ref());
        fingerprint
    }
}

/// Adds one configured field; returns whether the event has it.
fn add_named(event: &Event, field: &str, hash: &mut Hash) -> bool {
    let text = match field {
        "rule" => Some(&*event.rule),
        "source" => Some(&*event.source),
        "hostname" => Some(&*event.hostname),
        "priority" => Some(event.priority.name()),
        "output" => Some(&*event.output),
        _ => None,
    };
    let value = event.output_fields.get(field).filter(|value| !value.is_null());
    hash.add(text.unwrap_or_default());
    hash.add_value(value.unwrap_or(&Value::Null));
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
    use serde_json::json;

    use super::*;

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
    fn check(fields: &[&str], changes: &Value, is_same: bool) {
        let fields = fields.iter().map(ToString::to_string).collect();
        let fingerprints = Fingerprints::new(fields, hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]));
        let (before, after) = (fingerprints.of(&event(&json!({}))), fingerprints.of(&event(changes)));
        assert_eq!(before == after, is_same, "{changes}");
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
    fn volatile_fields_are_those_of_clocks_and_counters() {
        assert!(["evt.time", "evt.time.iso8601", "evt.num", "evt.count.error"].into_iter().all(is_volatile));
        assert!(!["evt.type", "evt.number", "proc.pid", "proc.cmdline"].into_iter().any(is_volatile));
    }
}
