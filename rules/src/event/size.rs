//! About how much memory the parts of an event take, for who must bound how many events there are.

use serde_json::{Map, Value};

/// What an allocation costs beside its content.
const ALLOCATION_BYTES: usize = 16;

/// A map keeps its entries in pieces of up to eleven, and fills them by half at least.
const ENTRIES_MIN: usize = 5;
const PIECE_BYTES: usize = 11 * (size_of::<String>() + size_of::<Value>()) + ALLOCATION_BYTES;

pub(super) fn of_text(text: &str) -> usize {
    text.len() + ALLOCATION_BYTES
}

pub(super) fn of_object(object: &Map<String, Value>) -> usize {
    let entries = object.iter().map(|(key, value)| of_text(key) + of_value(value)).sum::<usize>();
    object.len().div_ceil(ENTRIES_MIN) * PIECE_BYTES + entries
}

/// What a value takes beside its own place. Not deeper than the parser goes.
fn of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => of_text(text),
        Value::Array(items) => {
            items.capacity() * size_of::<Value>() + ALLOCATION_BYTES + items.iter().map(of_value).sum::<usize>()
        }
        Value::Object(object) => of_object(object),
    }
}
