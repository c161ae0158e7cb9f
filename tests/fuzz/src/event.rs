//! The body of a request: an event that stays the same, or a reason that can be shown.

use policy::Facts;
use rules::Event;
use serde_json::Value;

/// A reason stands in an answer and in the log; with what stands for the rest.
const REASON_CHARS_MAX: usize = 201;

/// An event is what its JSON is read back as, and names no target that has no address.
pub fn event(data: &[u8]) {
    let event = match Event::from_json(data) {
        Ok(event) => event,
        Err(error) => {
            let reason = error.to_string();
            assert!((1..=REASON_CHARS_MAX).contains(&reason.chars().count()), "{reason}");
            assert_eq!(crate::odd(&reason), None, "{reason:?}");
            return;
        }
    };
    let printed = event.to_json();
    assert_eq!(Event::from_json(printed.as_bytes()).expect("an event is one after it is printed"), event);
    // The key in its own letter case counts before all others. What is passed over need not be a text to others.
    if let Ok(Some(rule)) = serde_json::from_slice(data).map(|body: Value| body.get("rule").cloned()) {
        assert_eq!(rule, event.rule);
    }
    assert!(!event.rule.is_empty() && !event.time.is_empty() && !event.source.is_empty());
    for target in Facts::of(&event).targets.iter() {
        let target = target.to_string();
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b" ./-".contains(&byte);
        assert!(target.bytes().all(fits), "{target:?}");
    }
}
