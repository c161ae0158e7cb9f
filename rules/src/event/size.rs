//! About how much memory an event takes, for who must bound how many there are.

use serde_json::{Map, Value};

use super::Event;

/// What an allocation costs beside its content.
const ALLOCATION_BYTES: usize = 16;

/// A map keeps its entries in pieces of up to eleven, and fills them by half at least.
const ENTRIES_MIN: usize = 5;
const PIECE_BYTES: usize = 11 * (size_of::<String>() + size_of::<Value>()) + ALLOCATION_BYTES;

pub(super) fn bytes(event: &Event) -> usize {
    let Event { rule, priority: _, source, output, hostname, time, tags, output_fields } = event;
    let texts = [rule, source, output, hostname, time].into_iter().chain(tags);
    size_of::<Event>()
        + tags.capacity() * size_of::<String>()
        + texts.map(|text| of_text(text)).sum::<usize>()
        + of_object(output_fields)
}

fn of_text(text: &str) -> usize {
    text.len() + ALLOCATION_BYTES
}

fn of_object(object: &Map<String, Value>) -> usize {
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
