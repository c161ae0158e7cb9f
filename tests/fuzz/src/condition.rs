//! Conditions on output fields: one line of a rule's `match.output_fields`, and fields beneath it.

use rules::Condition;
use serde_json::{Map, Value};

/// Conditions that are printed are the same, and only `!=` holds where there is no field.
///
/// The first line is the conditions, what follows an object with the fields of an event.
pub fn condition(data: &[u8]) {
    let Some([text, fields]) = crate::lines(data) else { return };
    let conditions = match Condition::parse_group(text) {
        Ok(conditions) => conditions,
        Err(error) => {
            assert!(error.chars_before() <= text.chars().count(), "{error}");
            return;
        }
    };
    let printed: Vec<String> = conditions.iter().map(ToString::to_string).collect();
    let again = Condition::parse_group(&printed.join(", ")).unwrap_or_else(|error| panic!("{printed:?}: {error}"));
    assert_eq!(format!("{again:?}"), format!("{conditions:?}"));
    let fields = match serde_json::from_str(fields) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    for ((condition, again), printed) in conditions.iter().zip(&again).zip(&printed) {
        assert_eq!(condition.matches(&fields), again.matches(&fields), "{printed}");
        assert!(!condition.matches(&Map::new()) || printed.contains(" != "), "{printed}");
    }
}
