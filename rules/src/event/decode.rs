//! Reads an event from JSON: strict about what decides an action, tolerant of what senders add.
//!
//! This is on the path of every event, so the body is read once, straight into the event, and no
//! generic tree is built but for the output fields.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::exact::{Fields, VALUES_MAX};
use super::line::{QUOTED_CHARS_MAX, one_line};
use super::{Event, EventError};
use crate::Priority;

/// A reason is shown in an answer and in a log, and may quote what a stranger sent.
const REASON_CHARS_MAX: usize = 200;

pub(super) fn event(body: &[u8]) -> Result<Event, EventError> {
    serde_json::from_slice(body).map_err(|error| EventError { reason: one_line(&error.to_string(), REASON_CHARS_MAX) })
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Falco event, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let mut rule = Slot::<String>::new("rule");
        let mut priority = Slot::<Priority>::new("priority");
        let mut source = Slot::<String>::new("source");
        let mut output = Slot::<String>::new("output");
        let mut hostname = Slot::<String>::new("hostname");
        let mut time = Slot::<String>::new("time");
        let mut tags = Slot::<Vec<String>>::new("tags");
        let mut fields = Slot::<Fields>::new("output_fields");

        while let Some(NamedKey { key, exact }) = map.next_key()? {
            match key {
                Key::Rule => rule.read(&mut map, exact)?,
                Key::Priority => priority.read(&mut map, exact)?,
                Key::Source => source.read(&mut map, exact)?,
                Key::Output => output.read(&mut map, exact)?,
                Key::Hostname => hostname.read(&mut map, exact)?,
                Key::Time => time.read(&mut map, exact)?,
                Key::Tags => tags.read(&mut map, exact)?,
                Key::OutputFields => fields.read(&mut map, exact)?,
                // Senders add keys of their own (`uuid`, `message`). None of them is believed: a
                // `trace_id` or a `context` from outside would let a sender forge them.
                Key::Other => {
                    map.next_value::<de::IgnoredAny>()?;
                }
            }
        }

        let rule = rule.required()?;
        if rule.is_empty() {
            return Err(de::Error::custom("'rule' is empty"));
        }
        let time = time.required()?;
        if !is_rfc3339(&time) {
            let time = one_line(&time, QUOTED_CHARS_MAX);
            return Err(de::Error::custom(format_args!("'time' is not an RFC 3339 time: {time}")));
        }
        let tags = tags.value.unwrap_or_default();
        if tags.len() > VALUES_MAX {
            return Err(de::Error::custom(format_args!("'tags': more than {VALUES_MAX} values")));
        }
        Ok(Event {
            rule,
            priority: priority.required()?,
            source: source.value.filter(|source| !source.is_empty()).unwrap_or_else(|| "syscall".to_owned()),
            output: without_prefix(output.value.unwrap_or_default()),
            hostname: hostname.value.unwrap_or_default(),
            time,
            tags,
            output_fields: fields.value.unwrap_or_default().0,
        })
    }
}

/// The value of one key of the event, and how the key was written.
struct Slot<T> {
    key: &'static str,
    seen_exact: Option<bool>,
    value: Option<T>,
}

impl<'de, T: Deserialize<'de>> Slot<T> {
    fn new(key: &'static str) -> Self {
        Slot { key, seen_exact: None, value: None }
    }

    /// Takes the value that follows. The key in its own spelling beats other letter cases of it;
    /// two of one rank would leave open which one a filter and an action see.
    fn read<A: MapAccess<'de>>(&mut self, map: &mut A, exact: bool) -> Result<(), A::Error> {
        let key = self.key;
        if self.seen_exact == Some(exact) {
            return Err(de::Error::custom(format_args!("the key '{key}' is there twice")));
        }
        let value: Option<T> = map.next_value().map_err(|error| de::Error::custom(format_args!("'{key}': {error}")))?;
        if self.seen_exact != Some(true) {
            self.value = value;
            self.seen_exact = Some(exact);
        }
        Ok(())
    }

    fn required<E: de::Error>(self) -> Result<T, E> {
        let key = self.key;
        self.value.ok_or_else(|| E::custom(format_args!("'{key}' is missing")))
    }
}

#[derive(Clone, Copy)]
enum Key {
    Rule,
    Priority,
    Source,
    Output,
    Hostname,
    Time,
    Tags,
    OutputFields,
    Other,
}

const KEYS: [(&str, Key); 8] = [
    ("hostname", Key::Hostname),
    ("output", Key::Output),
    ("output_fields", Key::OutputFields),
    ("priority", Key::Priority),
    ("rule", Key::Rule),
    ("source", Key::Source),
    ("tags", Key::Tags),
    ("time", Key::Time),
];

struct NamedKey {
    key: Key,
    exact: bool,
}

impl<'de> Deserialize<'de> for NamedKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = NamedKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<NamedKey, E> {
                let known = KEYS.iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
                Ok(known.map_or(NamedKey { key: Key::Other, exact: true }, |(name, key)| NamedKey {
                    key: *key,
                    exact: text == *name,
                }))
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PriorityVisitor;
        impl Visitor<'_> for PriorityVisitor {
            type Value = Priority;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Priority, E> {
                Priority::parse(text).ok_or_else(|| {
                    let text = one_line(text, QUOTED_CHARS_MAX);
                    E::custom(format_args!("'{text}' is not a priority of Falco"))
                })
            }
        }
        deserializer.deserialize_str(PriorityVisitor)
    }
}

/// Whether a text is a time of RFC 3339 with at most nanoseconds.
fn is_rfc3339(text: &str) -> bool {
    // jiff reads more than RFC 3339 (a space for the `T`, no seconds, a zone in brackets), so the
    // shape is looked at first, and jiff then says whether there is such a day and such an hour.
    const SECONDS: &str = "0000-00-00T00:00:00";
    let Some((seconds, rest)) = text.split_at_checked(SECONDS.len()) else {
        return false;
    };
    let fraction = rest.strip_prefix('.').map(|rest| rest.trim_start_matches(|char: char| char.is_ascii_digit()));
    let zone = match fraction {
        Some(zone) if (2..=10).contains(&(rest.len() - zone.len())) => zone,
        _ => rest,
    };
    let is_offset = |sign: char| {
        zone.starts_with(sign) && has_shape(&zone[1..], "00:00") && &zone[1..3] < "24" && &zone[4..6] < "60"
    };
    has_shape(seconds, SECONDS)
        && (matches!(zone, "Z" | "z") || is_offset('+') || is_offset('-'))
        && seconds.parse::<jiff::civil::DateTime>().is_ok()
}

/// Whether a text has a digit for each `0` of a pattern and its other characters, in any case.
fn has_shape(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            _ => byte.eq_ignore_ascii_case(&wanted),
        })
}

/// Cuts what Falco puts before its message: `10:05:05.123456789: Notice `, or the same with a date.
fn without_prefix(mut output: String) -> String {
    // Cut until there is none, so that an event which was written and read again stays the same.
    let mut rest = output.as_str();
    while let Some(shorter) = cut_prefix(rest) {
        rest = shorter;
    }
    let cut = output.len() - rest.len();
    output.drain(..cut);
    output
}

fn cut_prefix(output: &str) -> Option<&str> {
    // The latter two with `time_format_iso_8601`.
    const TIMES: [&str; 3] =
        ["00:00:00.000000000", "0000-00-00T00:00:00.000000000+0000", "0000-00-00T00:00:00.000000000-0000"];
    let rest = TIMES.iter().find_map(|pattern| {
        let (time, rest) = output.split_at_checked(pattern.len())?;
        has_shape(time, pattern).then_some(rest)
    })?;
    let (priority, message) = rest.strip_prefix(": ")?.split_once(' ')?;
    Priority::parse(priority).map(|_| message)
}
