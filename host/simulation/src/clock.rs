//! Times as objects carry them: whole seconds in RFC 3339. The only place that reads the clock.

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

/// Now.
pub(super) fn now() -> Value {
    text(Timestamp::now())
}

/// So many seconds after a time.
pub(super) fn after(time: &Value, seconds: i64) -> Value {
    parse(time)
        .and_then(|time| time.checked_add(SignedDuration::from_secs(seconds)).ok())
        .map_or_else(|| time.clone(), text)
}

/// Whether a time lies before now.
pub(super) fn is_past(time: &Value, now: &Value) -> bool {
    parse(time) < parse(now)
}

fn parse(time: &Value) -> Option<Timestamp> {
    time.as_str().and_then(|text| text.parse().ok())
}

fn text(time: Timestamp) -> Value {
    json!(time.round(Unit::Second).unwrap_or(time).to_string())
}
